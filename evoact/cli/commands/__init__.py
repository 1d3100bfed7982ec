"""One module for each subcommand of `evoact`, under its name (`listing` is `evoact list`); each imports what is heavy
when it runs."""
