"""Sites whose neurons are split evenly among a few types, with the types' parameters as outer variables.

Meta-training asks for derivatives of a loss by the parameters of the types. Sub-networks are expensive at every
neuron but are functions of one number, so they may go through splines: their coefficients are made of
the parameters once (`prepare`), and all steps that follow read them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor

from evoact.activations import spline
from evoact.activations.functions.base_functions import apply, base_function
from evoact.activations.kinds import count, kind_of, sets
from evoact.activations.kinds.kind import Learned
from evoact.activations.spline import Grid
from evoact.errors import UserError
from evoact.genomes.activation import pieces
from evoact.genomes.genome import Site, blocks
from evoact.genomes.kinds import Activation
from evoact.networks import layers
from evoact.training.forward_pass import Chance

# What the inner loop reads instead of parameters: `SITE.parameters` [K, A], `SITE.splines` [K * splines, nodes + 2],
# and with noise `SITE.shifts` [K, types, T].
Prepared = dict[str, Tensor]


@dataclass(frozen=True)
class TypeBlock:
    """Neurons start..stop of a site share an activation, whose parameters are first..last of the site's."""

    activation: Activation
    start: int
    stop: int
    first: int
    last: int

    @cached_property
    def learned(self) -> Learned | None:
        """What the type adds to its base function, if that can be evaluated on a grid; else None."""
        return kind_of(self.activation).learned(self.activation)

    @property
    def splined(self) -> bool:
        return self.learned is not None and self.learned.splined

    @property
    def added(self) -> str:
        """The base function that comes on top of the spline, empty for none."""
        return "" if self.learned is None or base_function(self.learned.base).smooth else self.learned.base


@dataclass(frozen=True)
class TypedSite:
    """A site of that many neurons in contiguous blocks, one for each type."""

    name: str
    neurons: int
    blocks: tuple[TypeBlock, ...]

    @property
    def parameters(self) -> int:
        return self.blocks[-1].last

    @property
    def splines_alone(self) -> bool:
        """Whether all types are splines of equally many neurons and nothing else: one operation."""
        widths = {b.stop - b.start for b in self.blocks}
        return len(widths) == 1 and all(b.splined and not b.added for b in self.blocks)


def typed_site(site: Site, types: Sequence[Activation]) -> TypedSite:
    """Return the site's neurons in blocks as even as possible, none left out.

    Raises:
        UserError: for no types, more types than neurons, or a type of several pieces.

    >>> from evoact.genomes.kinds import Subnetwork
    >>> blocks = typed_site(Site("hidden0", 10), [Subnetwork("sin", 5)] * 3).blocks
    >>> [b.stop - b.start for b in blocks]
    [3, 3, 4]
    """
    if not 1 <= len(types) <= site.neurons:
        raise UserError(
            f"expected from 1 to {site.neurons} neuron types at site {site.name!r}, a neuron for each, got {len(types)}"
        )
    made, first = [], 0
    for (start, stop), activation in zip(blocks(site.neurons, len(types)), types, strict=True):
        if pieces(activation) > 1:
            raise UserError(
                f"expected activations of one pre-activation to be meta-trained, got {activation.label}, which "
                f"takes {pieces(activation)}"
            )
        size = count(activation, stop - start)
        made.append(TypeBlock(activation, start, stop, first, first + size))
        first += size
    return TypedSite(site.name, site.neurons, tuple(made))


def initial_types(site: TypedSite, generator: torch.Generator) -> Tensor:
    """Return the flat float64 parameters [A] of a site's types, one after another: equal types are drawn apart."""
    parts = [torch.empty(0, dtype=torch.float64)]
    for b in site.blocks:
        number = sets(b.activation, b.stop - b.start)
        parts.append(kind_of(b.activation).initial(b.activation, number, generator).flatten())
    return torch.cat(parts)


@dataclass(frozen=True)
class HiddenNoise:
    """Noise on the hidden vectors of some steps, the same for all examples of a batch, as the published code of
    Choudhary et al. 2022 has it: `neurons` [T, N] is added to what a site's neurons give, `units` [T, types, h] to
    the hidden units of the types that are sub-networks."""

    neurons: Tensor
    units: Tensor


def draw_noise(site: TypedSite, level: float, steps: int, generator: torch.Generator) -> HiddenNoise:
    """Return uniform noise in +-`level`, in double precision."""
    units = max(0 if b.learned is None else b.learned.units for b in site.blocks)
    shapes = (steps, site.neurons), (steps, len(site.blocks), units)
    drawn = [torch.rand(s, generator=generator, dtype=torch.float64) * 2 - 1 for s in shapes]
    return HiddenNoise(*(level * d for d in drawn))


def shifts(site: TypedSite, parameters: Tensor, noise: HiddenNoise) -> Prepared:
    """Return by how much a site's types are moved in each step because their hidden units are, from parameters [K, A]:
    `SITE.shifts` [K, types, T], s (v . noise), 0 for other types than sub-networks."""
    rows = []
    for i, b in enumerate(site.blocks):
        if b.learned is None:
            rows.append(parameters.new_zeros(len(parameters), len(noise.units)))
        else:
            rows.append(
                b.learned.moved(parameters[:, b.first : b.last], noise.units[:, i, : b.learned.units])
            )
    return {f"{site.name}.shifts": torch.stack(rows, dim=1)}


def shift_of(
    site: TypedSite, prepared: Mapping[str, Tensor], noise: HiddenNoise | None, step: int
) -> Tensor | None:
    """Return what is added to a site's neurons in a step: [K, N, 1]."""
    if noise is None:
        return None
    widths = torch.tensor([b.stop - b.start for b in site.blocks], device=noise.neurons.device)
    by_type = prepared[f"{site.name}.shifts"][:, :, step]
    return (by_type.repeat_interleave(widths, dim=1) + noise.neurons[step])[:, :, None]


def prepare(site: TypedSite, parameters: Tensor, grid: Grid) -> Prepared:
    """Return what `activate` reads for parameters [K, A]; differentiable."""
    splined = [b for b in site.blocks if b.splined]
    result = {}
    if len(splined) < len(site.blocks):
        result[f"{site.name}.parameters"] = parameters
    if splined:
        points = grid.points(parameters).expand(len(parameters), -1)
        values = []
        for b in splined:
            assert b.learned is not None
            base = base_function("zero" if b.added else b.learned.base)
            values.append(apply(base, points) + b.learned.values(points, parameters[:, b.first : b.last]))
        result[f"{site.name}.splines"] = spline.coefficients(torch.stack(values, dim=1).flatten(0, 1))
    return result


def activate(site: TypedSite, z: Tensor, prepared: Mapping[str, Tensor], grid: Grid) -> Tensor:
    """Return every neuron's activation: z [K, N, M] -> [K, N, M]."""
    if site.splines_alone:
        c = prepared[f"{site.name}.splines"]
        return spline.evaluate(z.reshape(len(c), -1), c, grid).view(z.shape)
    parts, number = [], 0
    splines = sum(b.splined for b in site.blocks)
    for b in site.blocks:
        if not b.splined:
            parts.append(_block(b, z, prepared[f"{site.name}.parameters"]))
            continue
        x = z[:, b.start : b.stop].reshape(len(z), -1)
        y = spline.evaluate(x, prepared[f"{site.name}.splines"][number::splines], grid)
        y = y + apply(base_function(b.added), x) if b.added else y
        parts.append(y.view(len(z), b.stop - b.start, -1))
        number += 1
    return torch.cat(parts, dim=1)


def _block(block: TypeBlock, z: Tensor, parameters: Tensor) -> Tensor:
    """The rows of one type, z [K, N, M] and all parameters [K, A] of the site."""
    rows, kind = z[:, block.start : block.stop], kind_of(block.activation)
    number = len(z) * sets(block.activation, rows.shape[1])
    mine = parameters[:, block.first : block.last].reshape(number, kind.numbers(block.activation))
    return kind.evaluate(block.activation, rows.reshape(number, 1, -1), mine, None).view(rows.shape)


@dataclass(frozen=True)
class TypedPass:
    """A `networks.network.ForwardPass` in training whose sites are typed.

    `beyond` collects how many inputs of splines lay outside the grid, None if nobody asks; `shifts` are added to
    what sites give, [K, N, 1], None for no noise.
    """

    sites: Mapping[str, TypedSite]
    prepared: Mapping[str, Tensor]
    grid: Grid
    parameters: Mapping[str, Tensor]
    chance: Chance
    beyond: list[Tensor] | None = None
    shifts: Mapping[str, Tensor | None] = field(default_factory=dict)

    @property
    def training(self) -> bool:
        return True

    @property
    def precision(self) -> str:
        return "float32"

    def activate(self, site: str, z: Tensor) -> Tensor:
        typed = self.sites[site]
        if self.beyond is not None:
            for b in typed.blocks:
                if b.splined:
                    self.beyond.append(spline.beyond(z.detach()[:, b.start : b.stop], self.grid))
        y = activate(typed, z, self.prepared, self.grid)
        shift = self.shifts.get(site)
        return y if shift is None else y + shift.reshape(*shift.shape[:2], *(1,) * (y.ndim - 2))

    def chosen(self, site: str, images: Tensor, size: int, stride: int) -> None:
        return None

    def dropout(self, h: Tensor, rate: float) -> Tensor:
        return layers.dropout(h, [rate] * len(h), self.chance.generators) if rate else h

    def batch_norm(self, name: str, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        return layers.batch_norm(h, scale, shift, epsilon)

    def activated_norm(
        self, site: str, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float, added: Tensor | None
    ) -> None:
        return None

    def alone(self, member: int) -> "TypedPass":
        raise UserError(
            "expected a network whose members can be computed together, for types to be meta-learned in"
        )

    @property
    def seeds(self) -> Sequence[int]:
        return self.chance.seeds
