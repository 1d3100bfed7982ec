"""A candidate that takes the process that trains it down."""

from evoact.config import Experiment
from evoact.seeding import derive
from evoact.strategies import create
from evoact.tasks.faulty import faulty


def most_likely_to_fail(made: Experiment) -> tuple[str, float]:
    """Of a random search's proposals, the one that fails at the lowest rate, and a rate for it alone."""
    strategy = create(
        "random", made.space, seed=made.seed, networks=made.networks, steps=made.steps, replicates=10
    )
    names = [f"{p.fingerprint}-{p.seed}" for p in strategy.ask(made.networks)]
    first, second = sorted(names, key=lambda name: derive("faulty", name))[:2]
    rate = (derive("faulty", first) + derive("faulty", second)) / 2**65
    assert [n for n in names if faulty(kills=rate).fate(n) == "kills"] == [first]
    return first, rate
