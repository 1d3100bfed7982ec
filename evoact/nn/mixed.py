"""A layer whose neurons have several activation functions, as an ordinary module."""

import operator
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from evoact.activations.functions.base_functions import PLUGGED, apply, base_function
from evoact.activations.functions.plugged import plug_in_offered
from evoact.activations.kinds import initial, kind_of, site_count, unpack
from evoact.activations.routing.plan import plan_site
from evoact.activations.routing.site_plan import SitePlan
from evoact.errors import UserError, short
from evoact.genomes.activation import is_base, names_in, pieces
from evoact.genomes.genome import Genome, SiteGenome, loads
from evoact.genomes.kinds import Activation
from evoact.genomes.notation import parse_site, site_text
from evoact.native.tensors import accepts, is_plain
from evoact.nn.operators import mixture as mixture_operator
from evoact.nn.operators import operable, site_key
from evoact.registry import lookup

LONG_ROW = 32  # elements: shorter rows cost the kernels more than two transpositions


class MixedActivation(nn.Module):
    """Applies to each neuron, or channel, the activation of its type.

    Computes in the precision of its input, half precisions in float32, and returns what it was given: shape, precision
    and order in memory. What the types train is one flat parameter `coefficients`, type after type and neuron after
    neuron, as artifacts have it; None if they train nothing.

    Args:
        mixture: counts and activations as leaderboards print them, such as `40 sin + 24 convex(relu,tanh)`, or a site
            of a genome
        dim: which dimension the neurons are; if a type takes several pre-activations (maxout), those of a neuron
            stand side by side there, as many as the type that takes the most
        assignment: the index of each neuron's type in the text's order, as often as its count says; neurons in blocks
            by default
        seed: of those coefficients that start at random, which are few kinds'

    Raises:
        UserError: if the text is no mixture, a name in it is unknown, or the assignment does not fit the counts; in
            the forward pass if the input is not as wide as the counts say.

    >>> act = MixedActivation("2 relu + 1 scaled(identity)", dim=-1)
    >>> act(torch.tensor([[-1.0, 2.0, -3.0]])).tolist()
    [[0.0, 2.0, -3.0]]
    >>> act
    MixedActivation(2 relu + 1 scaled(identity))
    """

    def __init__(
        self,
        mixture: str | SiteGenome,
        dim: int = 1,
        assignment: Sequence[int] | None = None,
        seed: int = 0,
    ):
        super().__init__()
        site = parse_site(mixture) if isinstance(mixture, str) else mixture
        if not site.assignment:
            raise UserError(f"expected at least one neuron, got {short(mixture)}")
        for activation in site.types:
            kind_of(activation).pinned(activation)
            plug_in_offered([name for name in names_in(activation) if name not in PLUGGED])
            for name in names_in(activation):
                base_function(name)
        self.site = site if assignment is None else _assigned(site, assignment)
        self.dim = operator.index(dim)
        self.pieces = max(map(pieces, site.types))
        order = np.argsort(np.asarray(self.site.assignment), kind="stable")
        self.register_buffer("order", torch.as_tensor(order), persistent=False)
        self.register_buffer("inverse", torch.as_tensor(np.argsort(order)), persistent=False)
        start = initial(self.site, torch.Generator().manual_seed(seed)).to(torch.get_default_dtype())
        self.coefficients = nn.Parameter(start) if len(start) else None
        self._layout = tuple(_layout(self.site))
        self._mixtures = tuple(kind_of(entry[0]).mixture(entry[0]) for entry in self._layout)
        self._operator_key = site_key(self.site) if operable(self.site) else ""
        self._plans: dict[Any, SitePlan] = {}

    order: Tensor
    inverse: Tensor

    @classmethod
    def from_row(
        cls,
        row: Mapping[str, Any] | Genome | str,
        site: str = "",
        parameters: str | Path | Mapping[str, Any] | None = None,
        dim: int = 1,
    ) -> Self:
        """Make one site of a network of a leaderboard, with the coefficients that were trained.

        Args:
            row: of the leaderboard, or its genome, as JSON text or as it is
            site: its name, such as `hidden0`; may be left out if there is only one
            parameters: the row's artifact: a file, or the tensors in it by name; None leaves the coefficients as a
                training starts them
            dim: as `MixedActivation` has it

        Raises:
            UserError: if there is no such site, or the artifact has no coefficients of it or another number of them.
        """
        genome = row.get("genome") if isinstance(row, Mapping) else row
        genome = genome if isinstance(genome, Genome) else loads(str(genome))
        by_name = {each.site: each for each in genome.sites}
        chosen = lookup(by_name, "site", site or (next(iter(by_name)) if len(by_name) == 1 else site))
        made = cls(chosen, dim)
        if parameters is not None and made.coefficients is not None:
            found = _coefficients(parameters, f"{chosen.site}.activation")
            if found.shape != made.coefficients.shape:
                raise UserError(
                    f"expected {len(made.coefficients)} coefficients of {site_text(chosen)}, got shape "
                    f"{list(found.shape)}; take the artifact of this very row"
                )
            with torch.no_grad():
                made.coefficients.copy_(found)
        return made

    @property
    def width(self) -> int:
        """How many neurons it has."""
        return len(self.site.assignment)

    @property
    def text(self) -> str:
        """Counts and types, as leaderboards print them."""
        return site_text(self.site)

    def extra_repr(self) -> str:
        return self.text

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_plans": {}}  # made again where they are wanted

    def forward(self, x: Tensor) -> Tensor:
        """Turn x with `width` times `pieces` elements along `dim` into as many outputs as neurons there."""
        dim = self.dim if self.dim >= 0 else self.dim + x.dim()
        if not 0 <= dim < x.dim() or x.shape[dim] != self.width * self.pieces:
            raise UserError(
                f"expected {self.width * self.pieces} elements along dimension {self.dim} for {self.text}, got shape "
                f"{list(x.shape)}"
            )
        if not x.is_floating_point():
            raise UserError(f"expected floating-point numbers, got {x.dtype}")
        precision = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
        z = x.to(precision)
        flat = z.new_empty(0) if self.coefficients is None else self.coefficients.to(precision)
        mixing = torch.is_autocast_enabled(x.device.type)
        with torch.autocast(x.device.type, enabled=False) if mixing else nullcontext():
            if len(self.site.types) == 1 and is_base(self.site.types[0]):
                y = apply(base_function(self.site.types[0].name), z)
            elif is_plain(z) and is_plain(flat):
                y = self._planned(z, flat, dim)
            elif self._operator_key and torch.compiler.is_compiling():
                y = self._by_operator(z, flat, dim)
            else:
                y = self._by_types(z, flat, dim)
        return y.to(x.dtype)

    def _planned(self, z: Tensor, flat: Tensor, dim: int) -> Tensor:
        """Compute by the kernels where they can; rows in the order in which they lie in memory, if they are long."""
        before, after = z.shape[:dim], z.shape[dim + 1 :]
        if z.is_contiguous() and after.numel() >= LONG_ROW and before.numel():
            rows = z.reshape(before.numel(), -1, after.numel())
            y = self._plan(len(rows), z.device)(rows, flat.expand(len(rows), -1), self._noise())
            return y.reshape(*before, self.width, *after)
        if (
            after.numel() == 1
            and z.is_contiguous()
            and accepts(z)
            and (plan := self._plan(1, z.device)).in_columns
        ):
            return plan.columns(z.reshape(-1, self.width), flat).reshape(z.shape)
        if after.numel() == 1 and z.is_contiguous():  # in two dimensions: PyTorch transposes these in blocks
            rows = z.reshape(-1, self.width * self.pieces).t().contiguous()[None]
            y = self._plan(1, z.device)(rows, flat[None], self._noise())
            return y[0].t().contiguous().reshape(*before, self.width, *after)
        rows = z.movedim(dim, 0).reshape(1, self.width * self.pieces, -1)
        y = self._plan(1, z.device)(rows, flat[None], self._noise())
        return _as_it_lay(y.reshape(self.width, *before, *after).movedim(0, dim), z)

    def _plan(self, members: int, device: torch.device) -> SitePlan:
        key = members, device
        if key not in self._plans:
            if len(self._plans) > 8:
                self._plans.clear()
            self._plans[key] = plan_site([self.site] * members, device)
        return self._plans[key]

    def _noise(self) -> Any:
        return (lambda template, members: torch.rand_like(template)) if self.training else None

    def _by_operator(self, z: Tensor, flat: Tensor, dim: int) -> Tensor:
        """Compute as one operation of a graph; rows as in `_planned`."""
        coefficients, scales = [flat[:0]], []
        for (_, _, n, (sets, numbers), place), mixture in zip(self._layout, self._mixtures, strict=True):
            assert mixture is not None
            own = flat[place : place + sets * numbers].reshape(sets, numbers)
            if mixture.coefficients is not None:
                coefficients.append(mixture.coefficients(own).expand(n, -1).flatten())
            scales.append(
                flat.new_ones(n)
                if mixture.input_scale is None
                else mixture.input_scale(own).expand(n, 1)[:, 0]
            )
        before, after = z.shape[:dim], z.shape[dim + 1 :]
        long = after.numel() >= LONG_ROW
        x = z.reshape(-1, self.width, after.numel()) if long else z.movedim(dim, 0).reshape(1, self.width, -1)
        if any(mixture is not None and mixture.input_scale is not None for mixture in self._mixtures):
            x = x * torch.cat(scales).index_select(0, self.inverse)[:, None]
        y = mixture_operator(x, torch.cat(coefficients).expand(x.shape[0], -1), self._operator_key)
        if long:
            return y.reshape(z.shape)
        return y.reshape(self.width, *before, *after).movedim(0, dim).contiguous()

    def _by_types(self, z: Tensor, flat: Tensor, dim: int) -> Tensor:
        """Compute type after type, by operations that compilers and function transforms can follow."""
        rows = z.movedim(dim, 0).reshape(self.width, self.pieces, -1)
        rows = rows.index_select(0, self.order)
        noise = torch.rand_like if self.training else None
        parts = []
        for activation, first, n, (sets, numbers), place in self._layout:
            p = pieces(activation)
            mine = rows[first : first + n, :p].reshape(sets, n // sets, p, -1)
            own = flat[place : place + sets * numbers].reshape(sets, numbers)
            mine = mine.transpose(1, 2).reshape(sets, p, -1)
            parts.append(kind_of(activation).evaluate(activation, mine, own, noise).reshape(n, -1))
        y = torch.cat(parts).index_select(0, self.inverse)
        shape = self.width, *z.shape[:dim], *z.shape[dim + 1 :]
        return y.reshape(shape).movedim(0, dim).contiguous()


def _layout(site: SiteGenome) -> Iterator[tuple[Activation, int, int, tuple[int, ...], int]]:
    """Yield each type that neurons have: where they begin among the sorted ones, how many they are, and of its
    coefficients the shape and where they begin.
    """
    first = 0
    for activation, neurons, own in unpack(site, np.arange(site_count(site))):
        if len(neurons):
            yield activation, first, len(neurons), own.shape, int(own.flat[0]) if own.size else 0
        first += len(neurons)


def _as_it_lay(y: Tensor, like: Tensor) -> Tensor:
    """Return y in the order in memory of a tensor of as many dimensions."""
    for layout, dimensions in ((torch.channels_last, 4), (torch.channels_last_3d, 5)):
        if like.dim() == dimensions and not like.is_contiguous() and like.is_contiguous(memory_format=layout):
            return y.contiguous(memory_format=layout)
    return y.contiguous()


def _assigned(site: SiteGenome, assignment: Sequence[int]) -> SiteGenome:
    """Return the site with its neurons in this order."""
    given = SiteGenome(site.site, site.types, tuple(int(index) for index in assignment))
    if sorted(given.assignment) != sorted(site.assignment):
        counts = [given.assignment.count(i) for i in range(len(site.types))]
        raise UserError(
            f"expected an assignment of {len(site.assignment)} neurons with the counts {list(site.counts())}, got "
            f"{len(given.assignment)} neurons with {counts}"
        )
    return given


def _coefficients(parameters: str | Path | Mapping[str, Any], name: str) -> Tensor:
    """Return the tensor of that name in an artifact."""
    if not isinstance(parameters, Mapping):
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            parameters = load_file(parameters)
        except (SafetensorError, OSError) as error:
            raise UserError(
                f"expected an artifact in {str(parameters)!r}, which cannot be read: {error}"
            ) from None
    return torch.as_tensor(lookup(parameters, "tensor of the artifact", name))
