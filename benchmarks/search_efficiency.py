"""How much better are the networks that a strategy recommends after N trained networks, where the truth is known?

    python benchmarks/search_efficiency.py [--quick] [--tables NAME ...] [--only STRATEGY ...] [--json FILE]
    python benchmarks/search_efficiency.py --precompute tpe --runs 100     # Optuna alone, into a JSON beside the table

Strategies search tables of whole spaces (`evoact tabulate`), told validation metrics of the search seeds. The
gain of a recommendation is the mean test metric of its genome over the truth seeds minus the mean of the whole
space, in points; of errors it is in decades, of the mean error's logarithm. It is given by the strategy's own rule and
by one rule for all, the best posterior mean of the surrogate. The reference best is the genome with the best mean over
all search seeds. Optuna alone, with its samplers TPE and GP on the same encoding, takes minutes a run: its runs are
read from a file.

`speedup_vs_X_N` is how many times as many networks X takes, which trained N of them, as `hybrid` does for the same
gain; `gain_vs_X_N` the hybrid's gain over that of X after N networks. Both are by the shared rule and of the worst
table, but for those that end in a table's name.
"""

import argparse
import json
import math
import statistics
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from reporting import Row, arguments, report

from evoact.config.experiment import Experiment
from evoact.config.schema import Config
from evoact.genomes.encoding import decode
from evoact.genomes.space import SearchSpace
from evoact.leaderboard.table_file import Tabular, read_table
from evoact.records import Result, TrainProposal
from evoact.seeding import derive
from evoact.strategies import create, proposer
from evoact.strategies.archive import Archive
from evoact.strategies.surrogate.surrogate import recommended

TABLES = Path(__file__).parent / "tables"
# By table: how many times as many networks random search must take; `digits_smooth` decides nothing.
SPEEDUPS = {"mnist1d_smooth": 8.0, "mnist1d_disjoint": 8.0, "mnist1d_hulls": 5.0, "henon_heiles_layers": 5.0}
AFTER = (30, 50, 75, 100, 150, 200, 400, 800)
# By label: the strategy and its settings.
STRATEGIES: dict[str, tuple[str, dict[str, Any]]] = {
    "random": ("random", {}),
    "evolution": ("evolution", {}),
    "evolution, no surrogate": ("evolution", {"surrogate": False}),
    "evolution, steady state": ("evolution", {"steady_state": True}),
    "hybrid": ("hybrid", {"probes": 0}),  # a table has no hulls
}
RUNS, QUICK_RUNS = 100, 10
ASKED = 8  # proposals at a time: as many as eight workers would take
SAMPLERS: dict[str, Callable[[int], optuna.samplers.BaseSampler]] = {
    "tpe": lambda seed: optuna.samplers.TPESampler(seed=seed, multivariate=True),
    "gp": lambda seed: optuna.samplers.GPSampler(seed=seed),
}
Gains = list[tuple[float, float]]  # after each of N: by the own rule, by the shared rule


class Judge:
    """The truth of a table's genomes above the mean of the space, in points or decades."""

    def __init__(self, table: Tabular):
        self.table = table
        truth = table.truth()
        worth = 100 * truth if table.about["direction"] == "maximize" else -np.log10(-truth)
        self.gains = worth - np.nanmean(worth)

    def reference(self) -> float:
        """The gain of the genome that is best on all search seeds: what a search of the whole space would find."""
        return float(self.gains[np.nanargmax(self.table.worth("val_metric", self.table.search_seeds))])

    def gain(self, fingerprint: str) -> float:
        return float(self.gains[self.table.position[fingerprint]])


def space_of(table: Tabular) -> SearchSpace:
    return Experiment(Config.model_validate(table.about["config"])).space


def stands(
    table: Tabular, space: SearchSpace, label: str, seed: int, after: Sequence[int], **start: Any
) -> Iterator[tuple[str, list[Result]]]:
    """One run of a strategy of evoact's: what it recommends by its own rule, and all results, after so many networks
    each. `start` is what it knows before, as `create` takes it."""
    results: list[Result] = []
    waited = deque(after)
    name, options = STRATEGIES[label]
    idea = proposer(name, space, seed, options, after[-1])
    strategy = create(
        name,
        space,
        seed=seed,
        networks=after[-1],
        steps=table.about["steps"],
        replicates=len(table.search_seeds),
        options=options,
        **start,
    )
    while waited and (asked := strategy.ask(min(ASKED, waited[0] - len(results)))):
        told = [table.result(p) for p in asked]
        strategy.tell(told)
        results += told
        if len(results) == waited[0]:
            waited.popleft()
            archive = Archive.of(results, start.get("surrogates", ()))
            yield idea.recommend(1, archive)[0].fingerprint, results


def searched(table: Tabular, space: SearchSpace, label: str, seed: int, after: Sequence[int]) -> Gains:
    """The gains of one run of a strategy of evoact's."""
    judge, gains = Judge(table), []
    for own, results in stands(table, space, label, seed, after):
        gains.append(_recommended(judge, own, Archive.of(results)))
    # A space of which all was seen has nothing more to give.
    return gains + gains[-1:] * (len(after) - len(gains))


def _recommended(judge: Judge, own: str, archive: Archive) -> tuple[float, float]:
    return judge.gain(own), judge.gain(recommended(archive, 1)[0].fingerprint)


def optuna_alone(table: Tabular, space: SearchSpace, sampler: str, seed: int, after: Sequence[int]) -> Gains:
    """One run as a user of Optuna's would do it: every score is believed, the best trial recommended."""
    from evoact.genomes.genome import canonical, fingerprint, structure

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    judge, archive, gains = Judge(table), Archive(), []
    study = optuna.create_study(direction="maximize", sampler=SAMPLERS[sampler](seed))
    best: tuple[float, str] = (-math.inf, "")
    for i in range(after[-1]):
        trial = study.ask()
        genome = canonical(decode(space, _Trial(trial)), space.sites)
        name = fingerprint(genome)
        replicate = table.search_seeds[derive(seed, "replicate", i) % len(table.search_seeds)]
        proposal = TrainProposal(i, i, genome, structure(genome), name, replicate, table.about["steps"])
        result: Result = table.result(proposal)
        archive.add(result)
        if result.score is None:
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, result.score)
            best = max(best, (result.score, name))
        if i + 1 in after:
            gains.append(_recommended(judge, best[1], archive))
    return gains


class _Trial:
    """An Optuna trial as what decoding asks."""

    def __init__(self, trial: optuna.Trial):
        self.trial = trial

    def category(self, name: str, options: tuple[str, ...]) -> str:
        return str(self.trial.suggest_categorical(name, options))

    def integer(self, name: str, low: int, high: int) -> int:
        return self.trial.suggest_int(name, low, high)


def precompute(files: Sequence[Path], sampler: str, runs: int, after: Sequence[int]) -> None:
    """Optuna's runs on these tables, added to those in their files, one by one: what is stopped goes on."""
    for file in files:
        table, store = read_table(file), _store(file)
        space = space_of(table)
        command = f"python benchmarks/search_efficiency.py --precompute {sampler} --runs {runs}"
        settings = {
            "command": f"{command} --until {after[-1]}",
            "after": list(after),
            "optuna": optuna.__version__,
        }
        for seed in range(_known(store, sampler, settings), runs):
            gains = optuna_alone(table, space, sampler, seed, after)
            known = json.loads(store.read_text()) if store.exists() else {}
            done = known[sampler]["gains"] if seed else []
            known[sampler] = {**settings, "gains": [*done, gains]}
            store.write_text(json.dumps(known, indent=1))


def _known(store: Path, sampler: str, settings: dict[str, Any]) -> int:
    """How many runs with these settings are there already."""
    kept = json.loads(store.read_text()).get(sampler, {}) if store.exists() else {}
    return len(kept["gains"]) if {k: kept.get(k) for k in settings} == settings else 0


def _store(table: Path) -> Path:
    return table.with_name(f"{table.stem}_optuna.json")


def interval(values: Sequence[float]) -> float:
    """Half the 95 % interval of the mean."""
    return 1.96 * statistics.stdev(values) / math.sqrt(len(values)) if len(values) > 1 else math.nan


def measured(
    file: Path, runs: int, after: Sequence[int], labels: Iterable[str]
) -> dict[str, dict[int, Gains]]:
    """Gains by strategy and N, one pair for each run; printed as a table."""
    table = read_table(file)
    space = space_of(table)
    found: dict[str, dict[int, Gains]] = {}
    for label in labels:
        all_runs = [searched(table, space, label, 1000 + seed, after) for seed in range(runs)]
        found[label] = {n: [run[i] for run in all_runs] for i, n in enumerate(after)}
    if _store(file).exists():
        for sampler, kept in json.loads(_store(file).read_text()).items():
            found[f"optuna {sampler}"] = {
                n: [run[i] for run in kept["gains"]] for i, n in enumerate(kept["after"])
            }
    print(
        f"\n{file.stem}: {len(table.genomes)} genomes, seeds for searches {len(table.search_seeds)}, for the truth "
        f"{len(table.truth_seeds)}; gain of the reference best {Judge(table).reference():.2f}"
    )
    print(f"{'gain, own rule / shared rule':<32}" + "".join(f"{f'N = {n}':>30}" for n in after))
    for name, by_n in found.items():
        cells = []
        for n in after:
            pairs = by_n.get(n)
            cells.append(
                " / ".join(f"{statistics.mean(v):.2f} ± {interval(v):.2f}" for v in zip(*pairs, strict=True))
                if pairs
                else ""
            )
        print(
            f"{f'{name} ({len(next(iter(by_n.values())))} runs)':<32}"
            + "".join(f"{cell:>30}" for cell in cells)
        )
    return found


def ratio(found: dict[str, dict[int, Gains]], other: str, n: int) -> float | None:
    """The hybrid's mean gain over another's, by the shared rule; the interval of the difference is printed."""
    if n not in found.get(other, {}) or n not in found.get("hybrid", {}):
        return None
    ours, theirs = ([shared for _, shared in found[name][n]] for name in ("hybrid", other))
    difference = statistics.mean(ours) - statistics.mean(theirs)
    half = math.hypot(interval(ours), interval(theirs))
    print(f"hybrid - {other} after {n}: {difference:+.2f} ± {half:.2f}")
    return statistics.mean(ours) / statistics.mean(theirs)


def speedup(found: dict[str, dict[int, Gains]], other: str, n: int) -> float | None:
    """How many times as many networks another strategy takes for what it has gained after n, by the shared rule.

    The hybrid's networks are interpolated in their logarithm; if it never gains as much, as many as it had.
    """
    if n not in found.get(other, {}) or "hybrid" not in found:
        return None
    curve = {k: statistics.mean(shared for _, shared in gains) for k, gains in found["hybrid"].items()}
    aim = statistics.mean(shared for _, shared in found[other][n])
    before: tuple[int, float] | None = None
    for k, gain in sorted(curve.items()):
        if gain >= aim:
            if before is None:
                return n / k
            part = (aim - before[1]) / (gain - before[1])
            return n / math.exp(math.log(before[0]) + part * (math.log(k) - math.log(before[0])))
        before = (k, gain)
    return n / max(curve)


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tables", nargs="+", metavar="NAME", help="these alone, such as mnist1d_hulls")
    parser.add_argument(
        "--only", nargs="+", choices=STRATEGIES, default=STRATEGIES, help="these strategies of evoact's alone"
    )
    parser.add_argument(
        "--precompute", choices=sorted(SAMPLERS), help="run Optuna alone, and store its gains"
    )
    parser.add_argument("--runs", type=int, help="how many runs of each strategy")
    parser.add_argument("--until", type=int, default=AFTER[-1], help="the largest N")


def main() -> None:
    options = arguments(__doc__, more=more, quick="ten runs of each strategy")
    after = [n for n in AFTER if n <= options.until]
    runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    files = [f for f in sorted(TABLES.glob("*.parquet")) if not options.tables or f.stem in options.tables]
    if options.precompute:
        precompute(files, options.precompute, runs, after)
        return
    found = {file.stem: measured(file, runs, after, options.only) for file in files}
    barred = [found[name] for name in SPEEDUPS if name in found]
    rows = []
    for name in SPEEDUPS:
        if name in found and (times := speedup(found[name], "random", 800)) is not None:
            rows.append(Row(f"speedup_vs_random_800_{name}", times, "shared rule", SPEEDUPS[name]))
    if rows:
        rows.append(Row("speedup_vs_random_800", min(row.value for row in rows), "shared rule"))
    for name, other, n, bar in (
        ("gain_vs_random_200", "random", 200, 1.25),
        ("gain_vs_random_400", "random", 400, 1.25),
        ("gain_vs_tpe_400", "optuna tpe", 400, 1.0),
        ("gain_vs_gp_200", "optuna gp", 200, 1.0),
    ):
        ratios = [r for gains in barred if (r := ratio(gains, other, n)) is not None]
        if ratios:
            rows.append(Row(name, min(ratios), "shared rule", bar))
    for name, other, n in (
        ("speedup_vs_tpe_400", "optuna tpe", 400),
        ("speedup_vs_gp_200", "optuna gp", 200),
    ):
        all_times = [s for gains in barred if (s := speedup(gains, other, n)) is not None]
        if all_times:
            rows.append(Row(name, min(all_times), "shared rule"))
    report(options, rows)


if __name__ == "__main__":
    main()
