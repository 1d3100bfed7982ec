"""Networks by name: a builder takes the task's input shape, its number of outputs, and flat arguments."""

from collections.abc import Callable, Mapping

from evoact.networks.mlp import mlp
from evoact.networks.network import Network

NETWORKS: Mapping[str, Callable[..., Network]] = {"mlp": mlp}

# The input shapes and numbers of outputs at which the papers' parameter counts are listed.
SHAPES: Mapping[str, tuple[tuple[tuple[int, ...], int], ...]] = {"mlp": (((40,), 10),)}
