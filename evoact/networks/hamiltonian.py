"""Hamiltonian networks (Greydanus et al. 2019): an MLP gives the energy, its gradient the motion."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from evoact.errors import UserError
from evoact.genomes.genome import Site
from evoact.networks.mlp import MLP, mlp
from evoact.networks.network import BatchNorm, ForwardPass, Parameter


@dataclass(frozen=True)
class Hamiltonian:
    """Outputs (dH/dp, -dH/dq) for the state (q, p), where `energy` computes the scalar H."""

    energy: MLP

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.energy.parameters

    @property
    def sites(self) -> tuple[Site, ...]:
        return self.energy.sites

    @property
    def batch_norms(self) -> Mapping[str, BatchNorm]:
        return {}

    def built(self, seed: int) -> Mapping[str, Tensor]:
        return {}

    def with_pieces(self, pieces: Mapping[str, int]) -> "Hamiltonian":
        return replace(self, energy=self.energy.with_pieces(pieces))

    def energies(self, parameters: Mapping[str, Tensor], layers: ForwardPass, inputs: Tensor) -> Tensor:
        """Return H of each state, up to a constant: [1 or K, B, 2n] -> [K, B]."""
        return self.energy.forward(parameters, layers, inputs).squeeze(2)

    def forward(self, parameters: Mapping[str, Tensor], layers: ForwardPass, inputs: Tensor) -> Tensor:
        differentiable = torch.is_grad_enabled()  # only then will a derivative of the outputs be asked for
        k = parameters["weight0"].shape[0]
        with torch.enable_grad():
            states = inputs.expand(k, -1, -1)  # a member's gradient is its own, even of shared inputs
            if not states.requires_grad:
                states = states.detach().requires_grad_()
            total = self.energies(parameters, layers, states).sum()
            (gradient,) = torch.autograd.grad(total, states, create_graph=differentiable)
        dq, dp = gradient.chunk(2, dim=2)
        return torch.cat([dp, -dq], dim=2)


def hamiltonian(input_shape: tuple[int, ...], n_outputs: int, hidden: Sequence[int] = (100,)) -> Hamiltonian:
    """Return a Hamiltonian network for states (q, p) of 2n numbers and their time derivatives.

    Choudhary et al. 2022 use 4-100-1 and 2-100-1. The energy has no output bias: H is determined up to a
    constant only. Where the pre-activations' second derivatives vanish (relu) only the weights learn.

    Raises:
        UserError: unless inputs and outputs are vectors of the same even length, and the widths positive.

    >>> [p.shape for p in hamiltonian((4,), 4).parameters]
    [(100, 4), (100, 1), (1, 100)]
    """
    if len(input_shape) != 1 or input_shape[0] % 2 or n_outputs != input_shape[0]:
        raise UserError(
            "expected a task from states (q, p) to their time derivatives for network 'hamiltonian', with as "
            f"many outputs as inputs and an even number, got {list(input_shape)} to {n_outputs}"
        )
    return Hamiltonian(replace(mlp(input_shape, 1, hidden), output_bias=False))
