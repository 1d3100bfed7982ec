"""The plan of a run: a search, or a comparison of several at one budget, all of it repeated."""

from collections.abc import Iterator, Mapping, Sized
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from evoact.config.experiment import Experiment
from evoact.config.schema import Config
from evoact.errors import UserError
from evoact.records import UNLIMITED
from evoact.registry import lookup
from evoact.seeding import derive
from evoact.tasks.task import Task
from evoact.yaml_text import dumps

# What stands in an arm's section of a resolved config, and nowhere else in it.
OWN = ("description", "space", "strategy", "training", "network")
BROUGHT = ("curves", "functions")  # by all arms
SEARCH = ""  # the one arm of a search


@dataclass(frozen=True)
class Plan:
    """The plan of a run: its arms, each an experiment of its own, all of it repeated.

    A search is one arm without a name, done once (`Plan.of`). The arms of a comparison differ in strategy, space and
    perhaps training; `reference` is the one that the others are compared with, `scaled` the one that tells gain from
    shape, empty without one. `controls` gives for each width-matched control the arms it was made for, `groups` the
    group of each arm that is in one; `amortised` holds the arms whose meta-training comes on top of the budget.
    """

    name: str
    description: str
    seed: int
    repeats: int
    arms: Mapping[str, Experiment]
    reference: str = ""
    scaled: str = ""
    equivalence: float = 0.0
    controls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    amortised: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if len(self.arms) > 1:
            for arm in self.arms.values():
                arm.sharing(self.first.task)

    @staticmethod
    def of(search: Experiment) -> "Plan":
        """Return the plan of a search alone."""
        return Plan(search.name, search.config.description, search.seed, 1, {SEARCH: search})

    @property
    def compares(self) -> bool:
        """Whether there are arms to compare; a search has none."""
        return SEARCH not in self.arms

    @property
    def command(self) -> str:
        """The subcommand that carries it out."""
        return "compare" if self.compares else "search"

    @property
    def first(self) -> Experiment:
        """The first arm, which stands for what all have in common."""
        return next(iter(self.arms.values()))

    @property
    def config(self) -> Config:
        """The config of the first arm."""
        return self.first.config

    @property
    def task(self) -> Task:
        return self.first.task

    def parts(self) -> Iterator[tuple[str, int]]:
        """Yield all (arm, repeat), the first repeat of every arm first: what is interrupted leaves whole repeats."""
        return ((arm, repeat) for repeat in range(self.repeats) for arm in self.arms)

    def part(self, arm: str, repeat: int) -> Experiment:
        """Return the experiment of one arm and repeat.

        Arms share the seed of a repeat, and with it the order of batches.

        Raises:
            UserError: for an unknown arm.
        """
        if not self.compares:
            return self.first
        key = (arm, repeat)
        if key not in self._parts:  # asked for with every pack
            self._parts[key] = lookup(self.arms, "arm", arm).seeded(derive(self.seed, "repeat", repeat))
        return self._parts[key]

    @cached_property
    def _parts(self) -> dict[tuple[str, int], Experiment]:
        return {}

    @property
    def pack_size(self) -> int:
        """The chosen number; `execution.pack_size` chooses if the config leaves it open."""
        size = self.config.packs.size
        if size == "auto":
            raise ValueError("expected packs.size to be chosen before the run, got 'auto'")
        return size

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
        if not self.compares:
            return self.first.plain()
        plain = {name: experiment.plain() for name, experiment in self.arms.items()}
        first = next(data for name, data in plain.items() if name not in self.amortised)
        own = (*OWN, "name", "seed", "baselines", *BROUGHT)
        common = {k: v for k, v in first.items() if k not in own}
        arms = {
            name: {key: arm[key] for key in OWN}
            | {
                "group": self.groups.get(name, ""),
                "amortised": name in self.amortised,
                "control_of": list(self.controls.get(name, ())),
            }
            for name, arm in plain.items()
        }
        brought = {
            key: {name: one for arm in plain.values() for name, one in arm.get(key, {}).items()}
            for key in BROUGHT
        }
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
            **{key: value for key, value in brought.items() if value or key == "curves"},
        }

    def to_yaml(self) -> str:
        """Return the resolved config, readable by `load` or `load_comparison`."""
        return dumps(self.plain())


def _one(e: Experiment) -> int:
    return e.steps * e.training.batch_size


def _most_networks(e: Experiment) -> int:
    """How many networks its strategy can propose before it has to repeat itself."""
    if isinstance(e.proposer, Sized):  # an enumeration
        return len(e.proposer)
    if e.proposer.from_space:
        return min(UNLIMITED, e.space.size() * e.config.replicates)
    return UNLIMITED
