"""Parts of networks that are no layers of PyTorch, as plain modules."""

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """A residual block of two convolutions (He et al. 2016)."""

    def __init__(
        self,
        conv1: nn.Module,
        norm1: nn.Module,
        inner: nn.Module,
        conv2: nn.Module,
        norm2: nn.Module,
        stream: nn.Module,
        shortcut: nn.Module | None = None,
    ):
        super().__init__()
        self.conv1, self.norm1, self.inner = conv1, norm1, inner
        self.conv2, self.norm2, self.stream = conv2, norm2, stream
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        h = self.inner(self.norm1(self.conv1(x)))
        h = self.norm2(self.conv2(h))
        return self.stream((x if self.shortcut is None else self.shortcut(x)) + h)


class Hamiltonian(nn.Module):
    """(dH/dp, -dH/dq) for the state (q, p), where `energy` computes H (Greydanus et al. 2019)."""

    def __init__(self, energy: nn.Module):
        super().__init__()
        self.energy = energy

    def forward(self, state: Tensor) -> Tensor:
        gradient = torch.func.grad(lambda s: self.energy(s).sum())(state)
        dq, dp = gradient.chunk(2, dim=1)
        return torch.cat([dp, -dq], dim=1)
