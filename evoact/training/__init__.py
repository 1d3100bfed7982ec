"""Training by gradient: the one loop, optimizers with per-member settings, isolation of failures."""
