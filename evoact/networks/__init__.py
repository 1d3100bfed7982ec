"""Networks by name: a builder takes the task's input shape, its number of outputs, and flat arguments.

`network` is the contract, `layers` what networks here are made of, by way of `convolution`, `pooling`, `normalisation`,
`attention` and products in some `precision`; `initial` draws parameters, `size` counts activations. `modules` are
networks that are ordinary modules of PyTorch, `own` computes these and anybody's in packs."""

from collections.abc import Callable, Mapping
from functools import partial

from evoact.networks.alexnet import alexnet
from evoact.networks.hamiltonian import hamiltonian
from evoact.networks.kerasnet import kerasnet
from evoact.networks.lenet5 import lenet5
from evoact.networks.mlp import mlp
from evoact.networks.modules.gru import gru
from evoact.networks.modules.resnet import resnet
from evoact.networks.modules.transformer import transformer
from evoact.networks.network import Network
from evoact.networks.own.named import own
from evoact.networks.own.plugged import plugged_network
from evoact.networks.resnet56 import resnet56
from evoact.plugins import Plugin, is_plugged
from evoact.registry import lookup

NETWORKS: Mapping[str, Callable[..., Network]] = {
    "mlp": mlp,
    "lenet5": lenet5,
    "kerasnet": kerasnet,
    "resnet56": resnet56,
    "alexnet": alexnet,
    "hamiltonian": hamiltonian,
    "resnet": resnet,
    "transformer": transformer,
    "gru": gru,
    "own": own,
}

# The input shapes and numbers of outputs at which the papers' parameter counts are listed.
SHAPES: Mapping[str, tuple[tuple[tuple[int, ...], int], ...]] = {
    "mlp": (((40,), 10),),
    "lenet5": (((1, 28, 28), 10), ((3, 32, 32), 10)),
    "kerasnet": (((1, 28, 28), 10), ((3, 32, 32), 10)),
    "resnet56": (((3, 32, 32), 10),),
    "alexnet": (((3, 227, 227), 1000),),
    "hamiltonian": (((4,), 4), ((2,), 2)),
    "resnet": (((3, 32, 32), 10),),
    "transformer": (((3, 32, 32), 10), ((100, 8), 10)),
    "gru": (((100, 8), 10),),
    "own": (),
}


def network_builder(name: str, plugins: Mapping[str, Plugin]) -> Callable[..., Network]:
    """Return the builder of a name in the table, or of a plugin, `my_models:gru`; nothing is executed.

    Raises:
        UserError: for a name that is neither, with the nearest.
    """
    return partial(plugged_network, plugins, name) if is_plugged(name) else lookup(NETWORKS, "network", name)
