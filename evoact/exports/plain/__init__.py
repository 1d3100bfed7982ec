"""Plain PyTorch that exported files are made of: the modules of `activations`, `mixed`, `layers` and `columns` are
copied into them as they stand here, those that a network needs, so nothing in them may import evoact."""
