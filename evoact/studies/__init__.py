"""Studies of finished runs, each a subcommand of `evoact study`: differences between activations, roll-outs of learned
dynamics, flat minima, learned curves, and noisy descent. `confirmed_networks` and `figures` are what they share."""
