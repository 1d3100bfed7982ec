"""Carrying a network home.

As an ordinary PyTorch module in this process (`module`), found in its run directory (`load`), with `predictions` for
the rows of a file, or in lines of text (`shown`); trained `again`; or as files that need no evoact (`write`): source
(`model_py`, `plain_network`, made of `network_text`, `own_text` and `activation_text`, with what `gathered` finds and
what is in `plain`), `programs`, and a `readme`, all of it tried out by `check`."""
