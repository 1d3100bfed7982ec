"""Gated recurrent units (Cho et al. 2014), written out so that gates are sites."""

from collections.abc import Sequence

from torch import Tensor, nn

from evoact.errors import UserError
from evoact.networks.modules.named_modules import module_network
from evoact.networks.own.module_network import ModuleNetwork


class Cell(nn.Module):
    """One step, in the form of PyTorch's `nn.GRU`: h <- (1 - u) n + u h with n = tanh(W x + r (U h))."""

    def __init__(self, features: int, hidden: int):
        super().__init__()
        self.input, self.state = nn.Linear(features, 3 * hidden), nn.Linear(hidden, 3 * hidden)
        self.reset, self.update, self.new = nn.Sigmoid(), nn.Sigmoid(), nn.Tanh()

    def forward(self, x: Tensor, h: Tensor) -> Tensor:
        x_r, x_u, x_n = self.input(x).chunk(3, -1)
        h_r, h_u, h_n = self.state(h).chunk(3, -1)
        r, u = self.reset(x_r + h_r), self.update(x_u + h_u)
        new = self.new(x_n + r * h_n)
        return new + u * (h - new)


class GRU(nn.Module):
    """Layers of cells over a sequence; the last state of the last layer through a linear layer."""

    def __init__(self, input_shape: Sequence[int], n_outputs: int, hidden: int, layers: int):
        super().__init__()
        features = input_shape[1] if len(input_shape) == 2 else 1
        self.hidden = hidden
        self.cells = nn.ModuleList(Cell(hidden if i else features, hidden) for i in range(layers))
        self.head = nn.Linear(hidden, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        steps = (x if x.dim() == 3 else x[..., None]).unbind(1)
        for cell in self.cells:
            h, states = x.new_zeros(len(x), self.hidden), []
            for step in steps:
                h = cell(step, h)
                states.append(h)
            steps = tuple(states)
        y: Tensor = self.head(steps[-1])
        return y


def gru(input_shape: tuple[int, ...], n_outputs: int, hidden: int = 64, layers: int = 1) -> ModuleNetwork:
    """Return a recurrent network for sequences [times, features] or [times], with three sites a layer: the gates
    `reset` and `update` (sigmoid) and the new state (tanh). Unit i is neuron i of all three.

    Raises:
        UserError: for inputs of another shape, or sizes that are not positive.

    >>> [s.name for s in gru((5, 2), 3, hidden=4).sites]
    ['cells.0.reset', 'cells.0.update', 'cells.0.new']
    """
    if len(input_shape) not in (1, 2):
        raise UserError(
            "expected sequences [times, features] or [times] for network 'gru', got the input shape "
            f"{list(input_shape)}"
        )
    if min(hidden, layers) < 1:
        raise UserError(f"expected network.hidden and layers of at least 1, got {hidden} and {layers}")
    return module_network(
        GRU,
        "gru",
        input_shape,
        n_outputs,
        also=("sigmoid", "tanh"),
        symmetries=tuple((f"cells.{i}.*", f"stream:cell{i}") for i in range(layers)),
        hidden=hidden,
        layers=layers,
    )
