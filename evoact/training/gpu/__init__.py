"""Training on a GPU: which there is and whether it answers (`devices`), and steps that never wait for it (`graphs`)."""
