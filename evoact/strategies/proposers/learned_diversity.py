"""Learned diversity (Choudhary et al. 2022): neuron types are meta-trained, then networks made of them trained."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from evoact.errors import UserError
from evoact.genomes import activation_json
from evoact.genomes.activation import (
    canonical_activation,
    is_captured,
    needs_file,
    per_neuron,
    pieces,
    trains,
)
from evoact.genomes.genome import Genome, shared_out
from evoact.genomes.hyperparameters import LEARNING_RATE
from evoact.genomes.kinds import Activation
from evoact.genomes.meta_training import DEFAULTS, MetaTraining, positive
from evoact.genomes.space import SearchSpace, Settings
from evoact.records import COMPLETED, MetaTrainResult
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.strategy import WHOLE, Draft, MetaDraft

TWO_ON_SINE = ({"kind": "subnetwork", "base": "sin", "hidden": 50},) * 2
TypesBySite = Mapping[str, tuple[Activation, ...]]
# So few candidates share the rest of the budget: to tell them apart takes many replicates.
FEWEST = 4


@dataclass(frozen=True)
class Bilevel:
    """Meta-training of neuron types, whose curves then stand in ordinary networks: each type alone, and all mixed.

    The first generation meta-trains `types` from `starts` different starts. The second trains networks of what
    was found, at each learning rate of the space; later ones train the better half of them again on further
    replicates, until the budget is spent. The types share out the neurons of every site, and each site learns
    its own.

    Args:
        types: activations in the form that genomes have in the leaderboard; base functions among them
            stay as they are
        starts: how often to meta-train, each time from other parameters and networks
        controls: whether the space's own activations are trained, too, as ordinary networks
        inner_optimizer, inner_momentum, inner_rate: how the networks in meta-training are trained; momentum with
            sgd and rmsprop alone

    The other arguments are those of `evoact.genomes.meta_training.MetaTraining`; curves are captured on [-10, 10].

    Raises:
        UserError: for types that cannot be meta-trained or captured, or numbers out of range.
    """

    space: SearchSpace
    seed: int = 0
    types: Sequence[Mapping[str, Any]] = TWO_ON_SINE
    starts: int = 1
    controls: bool = False
    mode: str = DEFAULTS.mode
    outer_steps: int = DEFAULTS.outer_steps
    inner_steps: int = DEFAULTS.inner_steps
    batch_size: int = DEFAULTS.batch_size
    inner_optimizer: str = DEFAULTS.optimizer
    inner_momentum: float = 0.0
    inner_rate: float = 0.01
    learn_rate: bool = DEFAULTS.learn_rate
    outer_optimizer: str = DEFAULTS.outer_optimizer
    outer_rate: float = DEFAULTS.outer_rate
    outer_momentum: float = DEFAULTS.outer_momentum
    clamp: float = DEFAULTS.clamp
    noise: float = DEFAULTS.noise
    window: int = DEFAULTS.window
    pairs: int = DEFAULTS.pairs
    spread: float = DEFAULTS.spread
    points: int = DEFAULTS.points
    interpolation: str = DEFAULTS.interpolation

    name = "bilevel"
    independent = False
    from_space = False
    shares = WHOLE
    asynchronous = False
    remark = ""

    def __post_init__(self) -> None:
        if self.starts < 1:
            raise UserError(f"expected starts of at least 1, got {self.starts}")
        positive("inner_rate", self.inner_rate)
        if self.space.overrides:
            names = ", ".join(name for name, _ in self.space.overrides)
            raise UserError(
                "expected a space without choices of single sites, because types are learned at all of them, "
                f"got some of {names}; leave space.sites out"
            )
        for site in self.space.sites:
            if not 1 <= len(self.types) <= site.neurons:
                raise UserError(
                    f"expected from 1 to {site.neurons} types, a neuron for each at site {site.name!r}, "
                    f"got {len(self.types)}"
                )
        for activation in self._types:
            if pieces(activation) > 1 or per_neuron(activation):
                raise UserError(
                    "expected types with one curve for all their neurons, to be captured, "
                    f"got {activation.label}"
                )
            if needs_file(activation):
                raise UserError(
                    f"expected types that need no file, got {activation.label}; give its values as kind captured"
                )
        if not any(map(trains, self._types)):
            names = ", ".join(a.label for a in self._types)
            raise UserError(f"expected a type with parameters to learn, such as a subnetwork, got {names}")
        _ = self.settings  # says what is wrong with them

    @cached_property
    def settings(self) -> MetaTraining:
        """The settings that all meta-trainings share."""
        same = {f.name for f in dataclasses.fields(MetaTraining)} & {f.name for f in dataclasses.fields(self)}
        return MetaTraining(
            optimizer=self.inner_optimizer,
            optimizer_arguments=(("momentum", self.inner_momentum),) if self.inner_momentum else (),
            **{name: getattr(self, name) for name in same},
        )

    @cached_property
    def meta_trainings(self) -> list[MetaDraft]:
        """One from each start, of the types at every site."""
        types = {site.name: self._types for site in self.space.sites}
        untrained = _network(self.space, types, ((LEARNING_RATE, self.inner_rate),))
        return [MetaDraft(untrained, self.settings, start) for start in range(self.starts)]

    def propose(self, generation: int, archive: Archive) -> Sequence[Draft | MetaDraft]:
        if generation == 0:
            return self.meta_trainings
        if generation == 1:
            controls = self.space.ordinary() if self.controls else ()
            worked = [result for result in archive.meta_trained if result.state == COMPLETED]
            learned = [g for result in worked for g in networks_of(self.space, found_types(result))]
            return [Draft(genome) for genome in (*learned, *controls)]
        ranked = [
            c
            for c in archive.best(len(archive))
            if self.controls or any(is_captured(t) for site in c.genome.sites for t in site.types)
        ]
        return [Draft(c.genome) for c in ranked[: max(FEWEST, len(ranked) >> (generation - 1))]]

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return archive.best(k)

    @cached_property
    def _types(self) -> tuple[Activation, ...]:
        return tuple(canonical_activation(activation_json.from_json(entry)) for entry in self.types)


def networks_of(space: SearchSpace, types: TypesBySite) -> list[Genome]:
    """Return what is trained of learned types: all of them mixed, then each alone, with all settings."""
    number = len(next(iter(types.values())))
    pure: list[TypesBySite] = [{site: (each[i],) for site, each in types.items()} for i in range(number)]
    mixed_and_pure = pure if number == 1 else [types, *pure]
    return [_network(space, some, settings) for some in mixed_and_pure for settings in space.settings]


def _network(space: SearchSpace, types: TypesBySite, settings: Settings) -> Genome:
    return Genome(tuple(shared_out(site, types[site.name]) for site in space.sites), settings)


def found_types(result: MetaTrainResult) -> TypesBySite:
    """Return the activations that a completed meta-training found, by site."""
    return types_in(result.learned_types)


def types_in(text: str) -> TypesBySite:
    """Return what stands in the leaderboard's column `learned_types`."""
    found = json.loads(text)
    return {site: tuple(map(activation_json.from_json, entries)) for site, entries in found.items()}
