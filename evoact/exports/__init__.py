"""Carrying a network home: a trained one as an ordinary PyTorch module (`module`), found in its run directory (`load`),
and in lines of text (`shown`)."""
