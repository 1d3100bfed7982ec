"""A multi-layer perceptron with any hidden widths; each hidden layer is a free activation site."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import Tensor

from evoact.errors import UserError
from evoact.genomes.genome import Site
from evoact.networks.layers import check_dropout, normalisation
from evoact.networks.network import BatchNorm, ForwardPass, Parameter, checked_pieces
from evoact.networks.precision import product
from evoact.registry import lookup

NORMS, EPSILON = ("batch", "layer"), 1e-5


@dataclass(frozen=True)
class MLP:
    """Layer widths from input to output; computed feature-major, [K, width, B], so that each neuron
    of each member is one contiguous row for the activations."""

    widths: tuple[int, ...]
    output_activation: bool = False
    output_bias: bool = True
    pieces: tuple[tuple[str, int], ...] = ()
    dropout: float = 0.0
    norm: str = ""

    @property
    def layers(self) -> tuple[str, ...]:
        """Each layer's activation site, empty for an output without one."""
        hidden = tuple(f"hidden{i}" for i in range(len(self.widths) - 2))
        return (*hidden, "output" if self.output_activation else "")

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        result = []
        source, pieces = "", dict(self.pieces)
        for i, (site, (fan_in, width)) in enumerate(zip(self.layers, pairwise(self.widths), strict=True)):
            rows = width * pieces.get(site, 1)
            result.append(Parameter(f"weight{i}", (rows, fan_in), fan_in, site=site, source=source))
            if i < len(self.layers) - 1 or self.output_bias:
                result.append(Parameter(f"bias{i}", (rows, 1), fan_in, site=site))
            if self.norm and site.startswith("hidden"):
                result += normalisation(f"norm{i}", rows, site=site)
            source = site
        return tuple(result)

    @property
    def sites(self) -> tuple[Site, ...]:
        # An output is a class or a coordinate of its own: not exchangeable.
        return tuple(
            Site(name, width, "none" if name == "output" else "free")
            for name, width in zip(self.layers, self.widths[1:], strict=True)
            if name
        )

    @property
    def batch_norms(self) -> Mapping[str, BatchNorm]:
        if self.norm != "batch":
            return {}
        scales = (p for p in self.parameters if p.name.endswith(".scale"))
        return {p.name.removesuffix(".scale"): BatchNorm(p.shape[0]) for p in scales}

    def built(self, seed: int) -> Mapping[str, Tensor]:
        return {}

    def with_pieces(self, pieces: Mapping[str, int]) -> "MLP":
        return replace(self, pieces=checked_pieces(self.sites, pieces))

    def forward(self, parameters: Mapping[str, Tensor], layers: ForwardPass, inputs: Tensor) -> Tensor:
        k = parameters["weight0"].shape[0]
        h = inputs.flatten(start_dim=2).transpose(1, 2).expand(k, -1, -1)
        for i, site in enumerate(self.layers):
            weight, bias = parameters[f"weight{i}"], parameters.get(f"bias{i}")
            h = product(weight, h, bias, layers.precision)
            if f"norm{i}.scale" in parameters:
                h = self._normalised(parameters, layers, f"norm{i}", h)
            h = layers.activate(site, h) if site else h
            h = layers.dropout(h, self.dropout) if site.startswith("hidden") else h
        return h.transpose(1, 2)

    def _normalised(
        self, parameters: Mapping[str, Tensor], layers: ForwardPass, name: str, h: Tensor
    ) -> Tensor:
        scale, shift = parameters[f"{name}.scale"], parameters[f"{name}.shift"]
        if self.norm == "batch":
            return layers.batch_norm(name, h, scale, shift, EPSILON)
        # Layer norm (Ba et al. 2016, equation 4) is over the neurons of each example.
        variance, mean = torch.var_mean(h, dim=1, correction=0, keepdim=True)
        return torch.addcmul(shift[:, :, None], (h - mean) * (variance + EPSILON).rsqrt(), scale[:, :, None])


def mlp(
    input_shape: tuple[int, ...],
    n_outputs: int,
    hidden: Sequence[int] = (100, 100),
    output_activation: bool = False,
    dropout: float = 0.0,
    norm: str | None = None,
) -> MLP:
    """Return an MLP for inputs of any shape, flattened.

    With `output_activation` its outputs pass through a site `output`, too, as in variational networks (Li & Li
    2018: the softmax of the loss follows). `dropout` is the rate of dropout behind every hidden layer, `norm` what is
    normalised before its activations: `batch` (Ioffe & Szegedy 2015) or `layer` (Ba et al. 2016), PyTorch's epsilon.

    Raises:
        UserError: if a width is not a positive integer, there is no hidden layer, the rate is out of range, or the norm
            unknown.

    >>> [site.name for site in mlp((40,), 10, hidden=[100, 50]).sites]
    ['hidden0', 'hidden1']
    """
    if not hidden or any(not isinstance(h, int) or h < 1 for h in hidden):
        raise UserError(
            f"expected network.hidden to list at least one positive width, such as [100, 100], got {list(hidden)}"
        )
    check_dropout(dropout)
    if norm is not None:
        lookup(dict.fromkeys(NORMS), "network.norm", norm)
    widths = (math.prod(input_shape), *hidden, n_outputs)
    return MLP(widths, output_activation, dropout=dropout, norm=norm or "")
