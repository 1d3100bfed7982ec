"""Networks by name that are ordinary modules of PyTorch, computed in packs as anybody's are (`networks.own`, by way of
`named_modules`)."""
