"""A run while it runs: what is checked before it (`preflight`), what executors drive (`packs`), its log (`log`), where
it stands (`status`), what its owner asks of it (`scale`), what it shares with others (`islands`), how the keyboard
stops it (`stopping`), how it goes on when a pack took its process down (`apart`), its results in little memory
(`kept`), and whether a machine has what it needs (`doctor`)."""
