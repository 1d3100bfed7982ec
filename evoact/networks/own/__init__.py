"""Anybody's modules as networks of a search: each activation call a site, all members of a pack in one program.

`named` and `plugged` are the networks of a file and of a plugin, whose code `source` runs. `conversion` makes a module
one with sites, `module_network` a network of it, `computation` computes it: `operations` are those that need all
members at once, by way of `whole_pack`."""
