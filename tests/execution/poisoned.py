"""A candidate that takes the process that trains it down."""

import random

from evoact.config import Experiment
from evoact.genomes.genome import fingerprint
from evoact.seeding import derive
from evoact.strategies import create
from evoact.tasks.faulty import faulty


def most_likely_to_fail(made: Experiment) -> tuple[str, float]:
    """Of a random search's proposals, the one that fails at the lowest rate, and a rate for it alone."""
    return _first_to_fail(_proposed(made))


def deadly_to_measure(made: Experiment) -> float:
    """A rate at which a network dies that is trained when pack sizes are measured, but none of a random search's
    proposals."""
    measured = [f"{fingerprint(made.space.sample(random.Random(i)))}-{i}" for i in range(made.networks)]
    guilty, rate = _first_to_fail([*measured, *_proposed(made)])
    assert guilty in measured
    return rate


def _proposed(made: Experiment) -> list[str]:
    strategy = create(
        "random", made.space, seed=made.seed, networks=made.networks, steps=made.steps, replicates=10
    )
    return [f"{p.fingerprint}-{p.seed}" for p in strategy.ask(made.networks)]


def _first_to_fail(names: list[str]) -> tuple[str, float]:
    first, second = sorted(names, key=lambda name: derive("faulty", name))[:2]
    rate = (derive("faulty", first) + derive("faulty", second)) / 2**65
    assert [n for n in names if faulty(kills=rate).fate(n) == "kills"] == [first]
    return first, rate
