"""One module for each subcommand of `evoact`; each imports what is heavy when it runs."""
