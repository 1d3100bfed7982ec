"""What a search itself costs: the time of an ask and its tell, when much was told before, and what it remembers.

    python benchmarks/strategy_overhead.py [--quick] [--json FILE]

Every strategy is given 100,000 results (with --quick 10,000) of random networks with 64 neurons, then asked and told
for three of its generations, of which the first is not counted: libraries are imported and caches filled in it. The
time is the processor's, a mean per network. Optuna's samplers look at all trials for each new one: they are given no
more than they can take, and the name says how many. `memory_per_result` is what `random` keeps of a told result.
"""

import gc
import random
import time
import tracemalloc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from reporting import Row, arguments, report

from evoact.genomes.choices import HullChoices, choices
from evoact.genomes.genome import Genome, Site
from evoact.genomes.space import SearchSpace
from evoact.records import COMPLETED, Proposal, Result, TrainResult
from evoact.strategies import create
from evoact.strategies.strategy import Strategy

FUNCTIONS = ("relu", "tanh", "sin", "gaussian", "abs", "identity")
SPACE = SearchSpace(
    "overhead",
    (Site("hidden0", 32), Site("hidden1", 32)),
    (choices("base", name=FUNCTIONS), HullChoices(("convex",), FUNCTIONS, (2,))),
    (1, 3),
    (0.001, 0.003, 0.01, 0.03, 0.1),
)
STEPS = 9  # of which successive halving makes three lengths
TOLD, QUICK_TOLD = 100_000, 10_000
AT_A_TIME = 64
UNLIMITED = 10**9  # networks
REMEMBERED = 5_000  # results that memory is measured on


@dataclass(frozen=True)
class Case:
    """A strategy with settings, given at most `told` results, asked for `asked` networks after a sixteenth of those."""

    label: str
    strategy: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    told: int = TOLD
    asked: int | None = None
    bar: float | None = None
    quick: bool = True


CASES = (
    Case("random", "random", bar=1.0),
    Case("evolution", "evolution", bar=1.0),
    Case("evolution_without_surrogate", "evolution", {"surrogate": False}, bar=1.0),
    Case("evolution_steady_state", "evolution", {"steady_state": True}, asked=1000, bar=1.0),
    Case("evolution_two_objectives", "evolution", {"objectives": ["val_metric", "n_parameters"]}, bar=1.0),
    Case("hybrid", "hybrid", bar=1.0),
    Case("successive_halving", "successive_halving", {"asynchronous": True}),
    Case("discretise", "discretise"),
    Case("optuna_tpe_at_1000", "optuna", told=1000, asked=64),
    Case("optuna_nsga2_at_1000", "optuna", {"sampler": "nsga2"}, told=1000, asked=64),
    Case("optuna_cmaes_at_1000", "optuna", {"sampler": "cmaes"}, told=1000, asked=64),
    Case("optuna_gp_at_100", "optuna", {"sampler": "gp"}, told=100, asked=16, quick=False),
)


def tanh_neurons(genome: Genome) -> int:
    """How many neurons have tanh, alone or in a hull."""
    return sum(
        count
        for site in genome.sites
        for t, count in zip(site.types, site.counts(), strict=True)
        if "tanh" in t.label
    )


def result(proposal: Proposal) -> Result:
    """The more tanh the better, with noise."""
    draw = random.Random(proposal.index)
    truth = tanh_neurons(proposal.genome) / 64
    score, loss = truth + draw.gauss(0, 0.1), 1 - truth + draw.gauss(0, 0.1)
    size = 1000 + sum(len(site.types) for site in proposal.genome.sites)
    return TrainResult(proposal, COMPLETED, "accuracy", "maximize", score, train_loss=loss, n_parameters=size)


def random_results(count: int) -> list[Result]:
    strategy = create("random", SPACE, seed=1, networks=count, steps=STEPS)
    return [result(p) for p in strategy.ask(count)]


def milliseconds(case: Case, earlier: Sequence[Result]) -> float:
    """Of an ask and its tell, once warm."""
    warm = max(16, len(earlier) // 16)
    strategy = create(
        case.strategy,
        SPACE,
        seed=0,
        networks=UNLIMITED,
        steps=STEPS,
        first_index=len(earlier),
        earlier=earlier,
        options=case.settings,
    )
    spent(strategy, min(warm, case.asked or warm))
    gc.collect()
    seconds, networks = spent(strategy, case.asked or 2 * warm)
    return 1000 * seconds / networks


def spent(strategy: Strategy, networks: int) -> tuple[float, int]:
    """Processor seconds of the strategy for so many networks, and how many there were."""
    seconds, done = 0.0, 0
    while done < networks:
        started = time.process_time()
        asked = strategy.ask(min(AT_A_TIME, networks - done))
        seconds += time.process_time() - started
        if not asked:
            raise RuntimeError(f"expected {networks} networks, got no more than {done}")
        results = [result(p) for p in asked]
        started = time.process_time()
        strategy.tell(results)
        seconds += time.process_time() - started
        done += len(asked)
    return seconds, done


def memory() -> float:
    """Bytes that random search keeps of a told result, beyond the result itself."""
    strategy = create("random", SPACE, seed=0, networks=UNLIMITED, steps=STEPS)
    spent(strategy, REMEMBERED)
    gc.collect()
    tracemalloc.start()
    spent(strategy, REMEMBERED)
    gc.collect()
    size, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return size / REMEMBERED


def main() -> None:
    options = arguments(__doc__)
    earlier = random_results(QUICK_TOLD if options.quick else TOLD)
    rows = []
    for case in CASES:
        if case.quick or not options.quick:
            value = milliseconds(case, earlier[: case.told])
            rows.append(Row(f"{case.label}_ms", value, "ms per network", case.bar, "lower"))
    rows.append(Row("memory_per_result", memory(), "bytes"))
    report(options, rows)


if __name__ == "__main__":
    main()
