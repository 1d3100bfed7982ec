"""The members of a pack: which of them fit together, what they start from, what their parameters are.

Members share the network's shape, but a genome may leave neurons out (`absent`) or give them several
pre-activations (`pieces`). Members with different numbers of pieces at a site are trained in packs of
their own: a layer with more rows than a member needs would round that member's products differently.
So are those with different settings of the optimizer; learning rates may differ within a pack.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from evoact.activations.kinds import initial, site_count
from evoact.genomes.activation import is_absent, pieces
from evoact.genomes.genome import Genome, SiteGenome
from evoact.networks.initial import INITIAL
from evoact.networks.network import Network, Parameter
from evoact.seeding import derive

Checkpoint = Mapping[str, np.ndarray]  # all that training goes on from, by the names of `checkpoints`


@dataclass(frozen=True)
class Member:
    """One network to train: `name` (fingerprint and seed) seeds its initial weights, `seed` its batches.

    `steps` is where its training ends. It starts at step `start`, from `checkpoint` if that is not 0;
    `resumable` members leave such a checkpoint themselves.
    """

    genome: Genome
    name: str
    seed: int
    steps: int
    start: int = 0
    checkpoint: Checkpoint | None = None
    resumable: bool = False


def most_pieces(genome: Genome) -> dict[str, int]:
    """Return the most pre-activations that any neuron takes, by site, if that is more than one."""
    most = {site.site: max(map(pieces, site.types)) for site in genome.sites}
    return {site: number for site, number in most.items() if number > 1}


def by_layout(members: Sequence[Member]) -> list[list[int]]:
    """Return the indices of the members that can be trained as one pack, in order of their first."""
    groups: dict[object, list[int]] = {}
    for i, member in enumerate(members):
        settings = tuple(member.genome.optimizer_settings.items())
        groups.setdefault((member.start, settings, *most_pieces(member.genome).items()), []).append(i)
    return list(groups.values())


def with_pieces_of(network: Network, genome: Genome) -> Network:
    """Return the network with as many pre-activations per neuron as this genome needs.

    Raises:
        UserError: if a site of this network cannot have several.
    """
    return network.with_pieces(most_pieces(genome))


def initial_member(member: Member, network: Network, run_seed: int) -> dict[str, Tensor]:
    """Return a member's initial parameters in float64, so that precisions start from the same numbers."""
    weights = initial_weights(network, member.name, run_seed, member.genome)
    return weights | initial_activations(member, run_seed)


def initial_activations(member: Member, run_seed: int) -> dict[str, Tensor]:
    """Return those of a member's activations, by `SITE.activation`."""
    learned = torch.Generator().manual_seed(derive(run_seed, "activations", member.name) >> 1)
    return {f"{site.site}.activation": initial(site, learned) for site in member.genome.sites}


def initial_weights(
    network: Network, name: str | int, run_seed: int, genome: Genome | None = None
) -> dict[str, Tensor]:
    """Return those of a network. Of a genome's, what no neuron uses is 0, and absent neurons do not count for the
    fan-in of the weights behind them."""
    seed = derive(run_seed, "weights", name) >> 1
    weights = torch.Generator().manual_seed(seed)
    uses = {} if genome is None else {site.site: _Use.of(site) for site in genome.sites}
    own = network if genome is None else with_pieces_of(network, genome)
    result = {known: p.double() for known, p in own.built(seed).items()}
    for p in own.parameters:
        if p.name in result:
            continue
        fan_in = p.fan_in
        if p.source in uses:
            present = uses[p.source].present
            fan_in = max(1, fan_in * int(present.sum()) // len(present))
        drawn = INITIAL[p.initial](p.shape, fan_in, weights)
        rows, columns = _used(p, uses)
        if rows is not None:
            drawn[~rows] = 0
        if columns is not None:
            drawn[:, ~columns] = 0
        result[p.name] = drawn
    return result


def parameter_count(genome: Genome, network: Network) -> int:
    """Return trainable parameters of a member: weights and biases of the neurons that are there, and their
    activations' own. Weights behind a flattening or in grouped convolutions count for absent neurons, too."""
    uses = {site.site: _Use.of(site) for site in genome.sites}
    total = sum(map(site_count, genome.sites))
    for p in with_pieces_of(network, genome).parameters:
        size = math.prod(p.shape)
        for axis, used in enumerate(_used(p, uses)):
            if used is not None:
                size = size // p.shape[axis] * int(used.sum())
        total += size
    return total


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
    """Which entries of the first two axes of a parameter are used; None if all are."""
    rows = uses[p.site].rows if p.site in uses else None
    columns = uses[p.source].present if p.source in uses else None
    return (
        rows if rows is not None and not bool(rows.all()) else None,
        columns if columns is not None and not bool(columns.all()) else None,
    )
