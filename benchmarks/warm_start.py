"""How much does a search gain from earlier ones, of other tasks alone, and does it lose if these mislead?

    python benchmarks/warm_start.py [RUN_DIR ...] [--runs N] [--quick] [--json FILE]

Leave one task out: each table is searched by the default strategy cold, and warm from the runs given whose task is
another, or without any from searches of 128 networks on the tables of other tasks. Misled are searches whose earlier
scores are negated, so that they begin with the worst networks. All have the same seeds; figures are differences of
gains (`search_efficiency.py`) to the cold search after N networks, with 95 % intervals; those in per cent are means
over the tables. `digits_smooth`, whose networks hardly differ, is only learnt from.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from reporting import Row, arguments, report
from search_efficiency import SPEEDUPS, TABLES, Judge, interval, space_of, stands

from evoact.errors import UserError
from evoact.genomes.genome import Genome
from evoact.genomes.space import SearchSpace
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import config_of
from evoact.leaderboard.schema import result as from_row
from evoact.leaderboard.table_file import Tabular, read_table
from evoact.records import Result, TrainResult
from evoact.strategies.archive import Archive
from evoact.strategies.proposers.warm_start import best_of, fitting, in_turns
from evoact.strategies.surrogate.surrogate import surrogate

AFTER = (30, 50, 100)
CANDIDATES = 8  # the default of `warm_start.candidates`
EARLIER = 128  # networks of an earlier search
RUNS, QUICK_RUNS = 60, 6
Start = tuple[Sequence[Genome], Sequence[Sequence[float]]]  # genomes, hyperparameters
COLD: Start = ((), ())
LOSS = -5.0  # per cent of the cold gain after the last of `AFTER`, at most


def searched(
    table: Tabular, space: SearchSpace, seed: int, start: Start, after: Sequence[int]
) -> tuple[list[float], list[Result]]:
    """Gains of what is recommended after so many networks, and all results."""
    judge = Judge(table)
    stood = [*stands(table, space, "hybrid", seed, after, warm=start[0], surrogates=start[1])]
    return [judge.gain(own) for own, _ in stood], stood[-1][1]


def begun(space: SearchSpace, earlier: Sequence[Sequence[Result]]) -> Start:
    """What a search begins with after these, as `evoact.execution.warm_start` makes it."""
    models = [surrogate(Archive.of(results)) for results in earlier]
    best = in_turns([best_of(results, CANDIDATES) for results in earlier], CANDIDATES)
    learnt = [model.hyperparameters() for model in models if model is not None]
    try:
        return fitting(space, best, 0)[0], learnt
    except UserError:  # nothing fits
        return (), learnt


def boards(runs: Sequence[str], tables: Mapping[str, Tabular]) -> list[tuple[str, list[Result]]]:
    """The task and the results of each earlier search."""
    if not runs:
        return [
            (_task(table.about["config"]), searched(table, space_of(table), 1, COLD, (EARLIER,))[1])
            for table in tables.values()
        ]
    rows = [Leaderboard(run).to_arrow().to_pylist() for run in runs]
    tasks = [_task(config_of(Location.of(run))) for run in runs]
    return [(task, [from_row(row) for row in found]) for task, found in zip(tasks, rows, strict=True)]


def _task(config: Mapping[str, Any]) -> str:
    return str(config["task"]["name"])


def negated(results: Sequence[Result]) -> list[Result]:
    """The same search with its scores turned round: what was worst is best."""
    trained = [r for r in results if isinstance(r, TrainResult) and r.val_metric is not None]
    return [replace(r, val_metric=-r.val_metric) for r in trained]  # type: ignore[operator]


def main() -> None:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("earlier", nargs="*", metavar="RUN_DIR", help="earlier searches, of any tasks")
        parser.add_argument("--runs", type=int, help="how many searches of each kind")

    options = arguments(__doc__, more=more)
    runs = options.runs or (QUICK_RUNS if options.quick else RUNS)
    tables = {file.stem: read_table(file) for file in sorted(TABLES.glob("*.parquet"))}
    known = boards(options.earlier, tables)
    shares: dict[str, list[np.ndarray]] = {"warm": [], "misled": []}
    for name in SPEEDUPS:
        table = tables[name]
        space = space_of(table)
        others = [results for task, results in known if task != _task(table.about["config"])]
        misleading = [negated(results) for results in others]
        kinds = {"cold": COLD, "warm": begun(space, others), "misled": begun(space, misleading)}
        found = {
            kind: np.array([searched(table, space, 1000 + i, start, AFTER)[0] for i in range(runs)])
            for kind, start in kinds.items()
        }
        cold = found["cold"].mean(axis=0)
        print(f"\n{name}: {len(others)} earlier searches, {runs} runs of each; gain after {AFTER}")
        print(f"{'cold':<8}" + "".join(f"{gain:>16.2f}" for gain in cold))
        for kind in shares:
            more_than = found[kind] - found["cold"]
            print(
                f"{kind:<8}" + "".join(f"{c.mean():>+9.2f} ± {interval(c.tolist()):.2f}" for c in more_than.T)
            )
            shares[kind].append(100 * more_than / cold)
    rows = []
    for kind, by_table in shares.items():
        mean = np.mean([part.mean(axis=0) for part in by_table], axis=0)
        squares = [[interval(c.tolist()) ** 2 for c in part.T] for part in by_table]
        half = np.sqrt(np.sum(squares, axis=0)) / len(by_table)
        for n, value, least in zip(AFTER, mean, mean - half, strict=True):
            rows.append(Row(f"{kind}_{n}", value, "% of the gain"))
            if n == AFTER[-1]:
                rows.append(Row(f"{kind}_{n}_least", least, "% of the gain", LOSS))
    report(options, rows)


if __name__ == "__main__":
    main()
