"""Anybody's modules as networks of a search: each activation call a site, all members of a pack in one program."""
