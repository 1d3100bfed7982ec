"""The command line: one module a subcommand; each imports what is heavy when it runs."""
