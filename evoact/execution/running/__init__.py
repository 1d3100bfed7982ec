"""A run while it runs: what executors drive (`packs`), its log (`log`), where it stands (`status`), what its owner asks
of it (`scale`), and how the keyboard stops it (`stopping`)."""
