"""Studies of finished runs, each a subcommand of `evoact study`: `differences` between activations, `rollouts` of
learned dynamics, `flatness` of minima (by their `hessian`), `learned_curves` and `noisy_descent`. `confirmed_networks`
and `figures` are what they share."""
