"""The members of a pack: what they start from, and where their parameters lie in the pack's tensors.

Members share the network's shape, but a genome may leave neurons out (`absent`) or give them several
pre-activations (`pieces`). A pack's layers have room for the most pieces of any member; a member's own
layout has room for its own most, and is what its parameters are drawn in and stored in.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from evoact.activations.plan import initial_parameters, site_parameter_count
from evoact.genomes.genome import Genome, SiteGenome, is_absent, pieces
from evoact.networks.initial import INITIAL
from evoact.networks.network import Network, Parameter
from evoact.seeding import derive


@dataclass(frozen=True)
class Member:
    """One network to train: `name` (fingerprint and seed) seeds its initial weights, `seed` its batches."""

    genome: Genome
    name: str
    seed: int
    steps: int


def most_pieces(genomes: Iterable[Genome]) -> dict[str, int]:
    """The most pre-activations that any neuron takes, by site, where that is more than one."""
    most: dict[str, int] = {}
    for genome in genomes:
        for site in genome.sites:
            most[site.site] = max(most.get(site.site, 1), *(pieces(t) for t in site.types))
    return {site: number for site, number in most.items() if number > 1}


def with_room_for(network: Network, genomes: Iterable[Genome]) -> Network:
    """The network with as many pre-activations per neuron as these genomes need.

    Raises:
        UserError: where a site of this network cannot have several.
    """
    return network.with_pieces(most_pieces(genomes))


def room_for_pieces(network: Network) -> dict[str, int]:
    """How many pre-activations per neuron each site of this network has."""
    neurons = {site.name: site.neurons for site in network.sites}
    return {p.site: p.shape[0] // neurons[p.site] for p in network.parameters if p.site}


def initial_member(member: Member, network: Network, run_seed: int) -> dict[str, Tensor]:
    """A member's initial parameters in float64, so that precisions start from the same numbers, in its own
    layout. What no neuron uses is 0, and absent neurons do not count for the fan-in of the weights behind them."""
    weights = torch.Generator().manual_seed(derive(run_seed, "weights", member.name) >> 1)
    learned = torch.Generator().manual_seed(derive(run_seed, "activations", member.name) >> 1)
    uses = {site.site: _Use.of(site) for site in member.genome.sites}
    result = {}
    for p in with_room_for(network, [member.genome]).parameters:
        p = replace(p, fan_in=_fan_in(p, uses))
        drawn = INITIAL[p.initial](p.shape, p.fan_in, weights)
        rows, columns = _used(p, uses)
        if rows is not None:
            drawn[~rows] = 0
        if columns is not None:
            drawn[:, ~columns] = 0
        result[p.name] = drawn
    for site in member.genome.sites:
        result[f"{site.site}.activation"] = initial_parameters(site, learned)
    return result


def parameter_count(genome: Genome, network: Network) -> int:
    """Trainable parameters of a member: weights and biases of the neurons that are there, and their
    activations' own. Weights behind a flattening or in grouped convolutions count for absent neurons, too."""
    uses = {site.site: _Use.of(site) for site in genome.sites}
    total = sum(map(site_parameter_count, genome.sites))
    for p in with_room_for(network, [genome]).parameters:
        size = math.prod(p.shape)
        for axis, used in enumerate(_used(p, uses)):
            if used is not None:
                size = size // p.shape[axis] * int(used.sum())
        total += size
    return total


def stacked(members: Sequence[dict[str, Tensor]], network: Network) -> dict[str, Tensor]:
    """Members' parameters, each in its own layout, as [K, ...] tensors in the layout of the pack's `network`;
    activations' parameters are padded with zeros to the longest."""
    layout = {p.name: p for p in network.parameters}
    neurons = {site.name: site.neurons for site in network.sites}
    result = {}
    for name in members[0]:
        parts = [m[name] for m in members]
        if name in layout:
            p = layout[name]
            parts = [_spread(part, p.shape[0], neurons.get(p.site, 1)) for part in parts]
            result[name] = torch.stack(parts)
        else:
            result[name] = torch.nn.utils.rnn.pad_sequence(parts, batch_first=True)
    return result


def _spread(own: Tensor, rows: int, neurons: int) -> Tensor:
    """The rows of a layer whose neurons have fewer pieces than there is room for, with zeros between."""
    if len(own) == rows:
        return own
    spread = own.new_zeros(neurons, rows // neurons, *own.shape[1:])
    by_neuron = own.view(neurons, -1, *own.shape[1:])
    spread[:, : by_neuron.shape[1]] = by_neuron
    return spread.view(rows, *own.shape[1:])


def in_own_layout(name: str, value: Tensor, genome: Genome, network: Network) -> Tensor:
    """The inverse of `stacked` for one member's tensor: without padding, without room for others' pieces."""
    site_name = name.removesuffix(".activation")
    if site_name != name:
        (site,) = (s for s in genome.sites if s.site == site_name)
        return value[: site_parameter_count(site)]
    sites = [p.site for p in network.parameters if p.name == name]
    neurons = {s.name: s.neurons for s in network.sites}.get(sites[0] if sites else "", 0)
    if not neurons:
        return value
    own = most_pieces([genome]).get(sites[0], 1)
    by_neuron = value.view(neurons, -1, *value.shape[1:])
    return by_neuron[:, :own].reshape(neurons * own, *value.shape[1:])


@dataclass(frozen=True)
class _Use:
    """Which of a site's neurons are there, and which of its rows are used."""

    present: Tensor
    rows: Tensor

    @staticmethod
    def of(site: SiteGenome) -> "_Use":
        room = max(pieces(t) for t in site.types)
        taken = [0 if is_absent(t) else pieces(t) for t in site.types]
        counts = torch.tensor([taken[i] for i in site.assignment])
        return _Use(counts > 0, (torch.arange(room)[None, :] < counts[:, None]).flatten())


def _used(p: Parameter, uses: dict[str, "_Use"]) -> tuple[Tensor | None, Tensor | None]:
    """Which entries of the first two axes of a parameter are used; None where all are."""
    rows = uses[p.site].rows if p.site else None
    columns = uses[p.source].present if p.source else None
    return (
        rows if rows is not None and not bool(rows.all()) else None,
        columns if columns is not None and not bool(columns.all()) else None,
    )


def _fan_in(p: Parameter, uses: dict[str, "_Use"]) -> int:
    if not p.source:
        return p.fan_in
    present = uses[p.source].present
    return max(1, p.fan_in * int(present.sum()) // len(present))
