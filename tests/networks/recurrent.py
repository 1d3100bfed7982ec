"""A small recurrent network of a kind that the table lacks: its site is activated once for each time."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from evoact.genomes.genome import Site
from evoact.networks.layers import connect, linear, normalisation
from evoact.networks.network import BatchNorm, ForwardPass, Parameter, checked_pieces


@dataclass(frozen=True)
class Recurrent:
    """h_t = f(norm(W x_t) + U h_(t-1)) (Elman 1990, with the batch norm of Laurent et al. 2016); the last h is
    read out."""

    features: int
    neurons: int
    n_outputs: int
    pieces: tuple[tuple[str, int], ...] = ()

    @property
    def sites(self) -> tuple[Site, ...]:
        return (Site("state", self.neurons),)

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        rows = self.neurons * dict(self.pieces).get("state", 1)
        return (
            *linear("input", rows, self.features, site="state"),
            *normalisation("norm", rows, site="state"),
            Parameter("recurrent.weight", (rows, self.neurons), self.neurons, site="state", source="state"),
            *linear("output", self.n_outputs, self.neurons, source="state"),
        )

    @property
    def batch_norms(self) -> Mapping[str, BatchNorm]:
        return {"norm": BatchNorm(self.neurons * dict(self.pieces).get("state", 1))}

    def built(self, seed: int) -> Mapping[str, Tensor]:
        return {}

    def with_pieces(self, pieces: Mapping[str, int]) -> "Recurrent":
        return replace(self, pieces=checked_pieces(self.sites, pieces))

    def forward(self, parameters: Mapping[str, Tensor], layers: ForwardPass, inputs: Tensor) -> Tensor:
        u = parameters["recurrent.weight"]
        x = inputs.expand(len(u), -1, -1, -1)  # [K, B, T, D]
        z = connect(layers, parameters, "input", x.flatten(1, 2).transpose(1, 2))
        z = layers.batch_norm("norm", z, parameters["norm.scale"], parameters["norm.shift"], 1e-5).unflatten(
            2, x.shape[1:3]
        )
        h = z.new_zeros(len(u), self.neurons, x.shape[1])
        for t in range(x.shape[2]):
            h = layers.activate("state", z[..., t] + u @ h)
        return connect(layers, parameters, "output", h).transpose(1, 2)


def recurrent(input_shape: tuple[int, ...], n_outputs: int, neurons: int = 6) -> Recurrent:
    """For inputs [times, features]."""
    return Recurrent(input_shape[1], neurons, n_outputs)
