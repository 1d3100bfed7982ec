"""A multi-layer perceptron with any hidden widths; each hidden layer is a free activation site."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from evoact.errors import UserError
from evoact.genomes.genome import Site
from evoact.networks.network import Activate, Parameter


@dataclass(frozen=True)
class MLP:
    """Layer widths from input to output; computed feature-major, [K, width, B], so that each neuron
    of each member is one contiguous row for the activations."""

    widths: tuple[int, ...]

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        result = []
        for layer, (fan_in, width) in enumerate(pairwise(self.widths)):
            result.append(Parameter(f"weight{layer}", (width, fan_in), fan_in))
            result.append(Parameter(f"bias{layer}", (width, 1), fan_in))
        return tuple(result)

    @property
    def sites(self) -> tuple[Site, ...]:
        return tuple(Site(f"hidden{i}", width) for i, width in enumerate(self.widths[1:-1]))

    def forward(self, parameters: Mapping[str, Tensor], activate: Activate, inputs: Tensor) -> Tensor:
        k = parameters["weight0"].shape[0]
        h = inputs.flatten(start_dim=2).transpose(1, 2).expand(k, -1, -1)
        last = len(self.widths) - 2
        for layer in range(last + 1):
            h = torch.baddbmm(parameters[f"bias{layer}"], parameters[f"weight{layer}"], h)
            if layer < last:
                h = activate(f"hidden{layer}", h)
        return h.transpose(1, 2)


def mlp(input_shape: tuple[int, ...], n_outputs: int, hidden: Sequence[int] = (100, 100)) -> MLP:
    """An MLP for inputs of any shape, flattened.

    Raises:
        UserError: if a width is not a positive integer, or there is no hidden layer.

    >>> [site.name for site in mlp((40,), 10, hidden=[100, 50]).sites]
    ['hidden0', 'hidden1']
    """
    if not hidden or any(not isinstance(h, int) or h < 1 for h in hidden):
        raise UserError(
            f"expected network.hidden to list at least one positive width, such as [100, 100], got {list(hidden)}"
        )
    return MLP((math.prod(input_shape), *hidden, n_outputs))
