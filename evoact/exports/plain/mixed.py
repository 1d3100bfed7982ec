"""Layers whose neurons have several activations, as plain modules."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Mixed(nn.Module):
    """Gives the first neurons, or channels, the first activation, and so on.

    types: each type's activation, which finds its neurons in the last dimension, and how many they are
    dim: the dimension of the neurons
    """

    def __init__(self, types: Sequence[tuple[nn.Module, int]], dim: int = 1):
        super().__init__()
        self.types = nn.ModuleList(activation for activation, _ in types)
        self.counts = [count for _, count in types]
        self.dim = dim

    def forward(self, x: Tensor) -> Tensor:
        parts = x.movedim(self.dim, -1).split(self.counts, -1)
        y = torch.cat([f(part) for f, part in zip(self.types, parts, strict=True)], -1)
        return y.movedim(-1, self.dim)

    def extra_repr(self) -> str:
        return f"{' + '.join(map(str, self.counts))} neurons, of:"


class Scattered(nn.Module):
    """`Mixed` for neurons that lie in another order: neuron `order[i]` is its i-th."""

    order: Tensor
    inverse: Tensor

    def __init__(self, mixed: Mixed):
        super().__init__()
        self.mixed = mixed
        self.register_buffer("order", torch.arange(sum(mixed.counts)))
        self.register_buffer("inverse", torch.arange(sum(mixed.counts)))

    def forward(self, x: Tensor) -> Tensor:
        y = self.mixed(x.index_select(self.mixed.dim, self.order))
        return y.index_select(self.mixed.dim, self.inverse)


class MixedPieces(nn.Module):
    """Gives each neuron the activation of its type, from several pre-activations side by side.

    types: each type's activation, how many neurons have it, and how many pre-activations it takes, the first ones
    pieces: how many pre-activations a neuron has
    dim: the dimension of the neurons
    """

    order: Tensor
    inverse: Tensor

    def __init__(self, types: Sequence[tuple[nn.Module, int, int]], pieces: int, dim: int = 1):
        super().__init__()
        self.types = nn.ModuleList(activation for activation, _, _ in types)
        self.counts, self.takes = [count for _, count, _ in types], [takes for _, _, takes in types]
        self.pieces, self.dim = pieces, dim
        # Neuron order[i] is the i-th if they are sorted by type.
        self.register_buffer("order", torch.arange(sum(self.counts)))
        self.register_buffer("inverse", torch.arange(sum(self.counts)))

    def forward(self, x: Tensor) -> Tensor:
        z = x.movedim(self.dim, -1).unflatten(-1, (len(self.order), self.pieces))
        parts = z.index_select(-2, self.order).split(self.counts, -2)
        taken = [part[..., 0] if n == 1 else part[..., :n] for part, n in zip(parts, self.takes, strict=True)]
        y = torch.cat([f(part) for f, part in zip(self.types, taken, strict=True)], -1)
        return y.index_select(-1, self.inverse).movedim(-1, self.dim)

    def extra_repr(self) -> str:
        return f"{' + '.join(map(str, self.counts))} neurons, of:"
