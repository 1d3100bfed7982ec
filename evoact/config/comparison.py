"""A comparison: one task, network and budget for several arms, each a strategy with a space, all of it repeated."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from evoact.config.experiment import UNLIMITED, Experiment
from evoact.config.schema import Config
from evoact.errors import UserError
from evoact.registry import lookup
from evoact.seeding import derive
from evoact.tasks.task import Task
from evoact.yaml_text import dumps

# Strategies that propose nothing but genomes of the space.
FROM_SPACE = ("random", "evolution", "optuna", "hybrid")
# What stands in an arm's section of a resolved config, and nowhere else in it.
OWN = ("description", "space", "strategy", "training", "network")


@dataclass(frozen=True)
class Comparison:
    """Valid arms by name, in order, as experiments that differ in strategy, space and perhaps training.

    `reference` is the arm that the others are compared with; `scaled` the one that tells gain from shape, empty without
    one; `controls` gives for each width-matched control the arms it was made for; `groups` the group of each arm
    that is in one; `amortised` holds the arms whose meta-training comes on top of the budget.
    """

    name: str
    description: str
    seed: int
    repeats: int
    reference: str
    scaled: str
    equivalence: float
    arms: Mapping[str, Experiment]
    controls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    amortised: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        first = next(iter(self.arms.values()))
        for arm in self.arms.values():
            arm.sharing(first.task)

    @property
    def config(self) -> Config:
        """The config of one arm: of what all have in common."""
        return next(iter(self.arms.values())).config

    @property
    def pack_size(self) -> int:
        """The size of every arm's packs, once it is chosen."""
        return next(iter(self.arms.values())).pack_size

    @property
    def task(self) -> Task:
        return next(iter(self.arms.values())).task

    def parts(self) -> Iterator[tuple[str, int]]:
        """Yield all (arm, repeat), the first repeat of every arm first: what is interrupted leaves whole repeats."""
        return ((arm, repeat) for repeat in range(self.repeats) for arm in self.arms)

    def part(self, arm: str, repeat: int) -> Experiment:
        """Return the experiment of one arm and repeat. Arms share the seed of a repeat, and with it the order of
        batches.

        Raises:
            UserError: for an unknown arm.
        """
        key = (arm, repeat)
        if key not in self._parts:  # asked for with every pack
            self._parts[key] = lookup(self.arms, "arm", arm).seeded(derive(self.seed, "repeat", repeat))
        return self._parts[key]

    @cached_property
    def _parts(self) -> dict[tuple[str, int], Experiment]:
        return {}

    @property
    def networks_by_phase(self) -> dict[str, int]:
        """The most networks that each phase trains, over all arms and repeats."""
        phases = [arm.networks_by_phase for arm in self.arms.values()]
        return {phase: self.repeats * sum(p[phase] for p in phases) for phase in phases[0]}

    def check_budgets(self) -> None:
        """Check that every arm can spend the same number of gradient-examples.

        Raises:
            UserError: naming the arm that cannot, and both budgets.
        """
        first = next(iter(self.arms))
        spent = {name: self._spent(name) for name in self.arms}
        for name, e in self.arms.items():
            if spent[name] != spent[first]:
                raise UserError(
                    f"expected every arm to spend the same number of gradient-examples, got {spent[first]} for "
                    f"{first!r} and {spent[name]} for {name!r}; choose a budget that is a multiple of "
                    f"{_one(self.arms[first])} and {_one(e)}, what one network of each takes"
                )
            most = _most_networks(e)
            if most < e.networks:
                raise UserError(
                    f"expected arm {name!r} to spend its budget of {e.networks} networks, got a space and seeds for "
                    f"{most}; give it more functions, learning rates or seeds, or lower the budget"
                )

    def _spent(self, name: str) -> int:
        """An arm's budget in gradient-examples, without what is amortised."""
        e = self.arms[name]
        return (e.networks - (e.meta_cost if name in self.amortised else 0)) * _one(e)

    def plain(self) -> dict[str, Any]:
        """Return the resolved config as plain data: complete, readable by `evoact.config.comparison`."""
        plain = {name: experiment.plain() for name, experiment in self.arms.items()}
        first = next(data for name, data in plain.items() if name not in self.amortised)
        common = {k: v for k, v in first.items() if k not in (*OWN, "name", "seed", "baselines", "curves")}
        arms = {
            name: {key: arm[key] for key in OWN}
            | {
                "group": self.groups.get(name, ""),
                "amortised": name in self.amortised,
                "control_of": list(self.controls.get(name, ())),
            }
            for name, arm in plain.items()
        }
        curves = {name: curve for arm in plain.values() for name, curve in arm["curves"].items()}
        return {
            "name": self.name,
            "description": self.description,
            "seed": self.seed,
            "repeats": self.repeats,
            "reference": self.reference,
            **({"scaled": self.scaled} if self.scaled else {}),
            "equivalence": self.equivalence,
            "network": first["network"],
            **common,
            "arms": arms,
            "curves": curves,
        }

    def to_yaml(self) -> str:
        """Return the resolved config, readable by `load_comparison`."""
        return dumps(self.plain())


def _one(e: Experiment) -> int:
    return e.steps * e.training.batch_size


def _most_networks(e: Experiment) -> int:
    """How many networks its strategy can propose before it has to repeat itself."""
    strategy = e.config.strategy
    if strategy.name == "enumerate":
        return len(e.proposer)  # type: ignore[arg-type]
    if strategy.name in FROM_SPACE:
        return min(UNLIMITED, e.space.size() * e.config.replicates)
    return UNLIMITED
