"""How long questions to a leaderboard of a million rows take.

    python benchmarks/leaderboard.py [--quick] [--json FILE]

Asks a synthetic leaderboard, once compacted and once as 2,000 parts, for its top 10 and for an SQL
aggregate. Every measurement runs in a process of its own: times are medians over such processes, and
memory is the peak of the process plus that of its SQL child, interpreter and libraries included. The
top 10 is the hard case: fewer than ten candidates are confirmed, so that all rows must be ranked.
`union_20_runs_s` unites 20 finished runs with a twentieth of the rows each (`evoact union`), all genomes distinct, and
`union_20_runs_cpu_s` is the processor time of that, which other work does not change. With --quick there are a tenth of
the rows, whatever names say, and one process for each question.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from reporting import Row, arguments, report

ROWS, QUICK_ROWS, PARTS, RUNS = 1_000_000, 100_000, 2_000, 20
CONFIRMED, CONFIRMATION_SEEDS = 5, 10

AGGREGATE = """
    SELECT strategy, learning_rate, heterogeneous, count(*) AS networks, avg(val_metric) AS mean,
           quantile_cont(val_metric, 0.9) AS good, sum(train_seconds) AS seconds
    FROM leaderboard WHERE state = 'completed' GROUP BY ALL ORDER BY mean DESC
"""
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


def main() -> None:
    options = arguments(__doc__, more=children)
    if options.measure:
        print(json.dumps(measure(*options.measure)))
        return
    if options.make:
        make_both(int(options.make[0]), Path(options.make[1]))
        return
    rows, repeats = (QUICK_ROWS, 1) if options.quick else (ROWS, 5)
    with tempfile.TemporaryDirectory(prefix="evoact-benchmark-") as directory:
        print(f"making {rows:,} rows ...", flush=True)
        # Not in this process: those started from a large one count its memory as theirs.
        subprocess.run([sys.executable, __file__, "--make", str(rows), directory], check=True)
        found = [
            *ask(Path(directory, "compacted"), "", 1.0, repeats),
            *ask(Path(directory, "parts"), "_2000_parts", 3.0, repeats),
            *unite(Path(directory, "runs")),
        ]
    report(options, found)


def children(parser: argparse.ArgumentParser) -> None:
    """What processes of this program are told to do."""
    parser.add_argument("--measure", nargs=2, metavar=("WHAT", "RUN_DIR"), help=argparse.SUPPRESS)
    parser.add_argument("--make", nargs=2, metavar=("ROWS", "DIRECTORY"), help=argparse.SUPPRESS)


def ask(run_dir: Path, suffix: str, bar: float, repeats: int) -> list[Row]:
    """The figures of one leaderboard: `top10_1m_rows_s` and so on."""
    found, peak = [], 0.0
    for what in ("top10", "aggregate", "open"):
        own_bar = 0.3 if what == "top10" and not suffix else bar
        command = [sys.executable, __file__, "--measure", what, str(run_dir)]
        runs = [json.loads(subprocess.check_output(command)) for _ in range(repeats)]
        peak = max(peak, *(run["gb"] for run in runs))
        value = statistics.median(run["seconds"] for run in runs)
        found.append(Row(f"{what}_1m_rows_s{suffix}", value, "s", own_bar, "lower"))
    return [*found, Row(f"peak_gb{suffix}", peak, "GB", 1.0, "lower")]


def unite(runs: Path) -> list[Row]:
    command = [sys.executable, __file__, "--measure", "union", str(runs)]
    found = json.loads(subprocess.check_output(command))
    return [
        Row("union_20_runs_s", found["seconds"], "s", 20.0, "lower"),
        Row("union_20_runs_cpu_s", found["cpu"], "s", 20.0, "lower"),
        Row("union_20_runs_gb", found["gb"], "GB", 4.0, "lower"),
    ]


def measure(what: str, run_dir: str) -> dict[str, float]:
    """Seconds of one question, after imports and (but for `open`) opening; and the peak in GB."""
    from evoact.leaderboard.ask.query import Leaderboard
    from evoact.leaderboard.union import union

    start, spent = time.perf_counter(), time.process_time()
    if what == "union":
        runs = sorted(Path(run_dir).iterdir())
        united = union(runs, Path(run_dir).parent / "united")
        assert united.candidates
    else:
        board = Leaderboard(run_dir)
    if what in ("top10", "aggregate"):
        start = time.perf_counter()
        answer = board.top(10) if what == "top10" else board.sql(AGGREGATE)
        assert answer.num_rows >= 10
    seconds = time.perf_counter() - start
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return {"seconds": seconds, "cpu": time.process_time() - spent, "gb": sum(peaks) * RSS_UNIT / 1e9}


# --- the synthetic leaderboard ------------------------------------------------------------------

FUNCTIONS = ["relu", "tanh", "sin", "gaussian", "identity", "elu", "softplus", "swish", "gelu", "cos", "mish"]


def make_both(rows: int, directory: Path) -> None:
    from evoact.leaderboard.store.compact import compact

    make(directory / "compacted", rows, 20)
    compact(directory / "compacted")
    make(directory / "parts", rows, PARTS)
    for seed in range(RUNS):
        run = directory / "runs" / f"{seed:02}"
        make(run, rows // RUNS, 1, seed)
        compact(run)
        (run / "config.yaml").write_text(f"seed: {seed}\n")
        (run / "run.json").write_text('{"finished_at": "2026-01-01T00:00:00+00:00"}')


def make(run_dir: Path, rows: int, parts: int, seed: int = 0) -> None:
    """Writes `rows` rows in as many parts: pairs of seeds per candidate, nearly all genomes distinct."""
    from evoact.leaderboard.store.write import parquet

    (run_dir / "leaderboard").mkdir(parents=True)
    rng = np.random.default_rng(seed)
    size = rows // parts
    block = max(1, 50_000 // size)
    for first in range(0, parts, block):
        n = min(block, parts - first)
        table = block_of_rows(rng, first * size, n * size, rows)
        for i in range(n):
            path = run_dir / "leaderboard" / f"part-{first + i:07}.parquet"
            path.write_bytes(parquet(table.slice(i * size, size)))


def block_of_rows(rng: np.random.Generator, start: int, n: int, total: int) -> pa.Table:
    from evoact.leaderboard.schema import SCHEMA

    proposal = np.arange(start, start + n)
    confirming = proposal >= total - CONFIRMED * CONFIRMATION_SEEDS
    candidate = np.where(confirming, (proposal % CONFIRMED) * 100, proposal // 2)
    rates = 10.0 ** (-rng.integers(4, 17, n) / 4)
    genomes, hashes = texts(rng, rates)
    accuracy = rng.normal(0.6, 0.05, n)
    begun = np.datetime64("2026-01-01T00:00:00", "us") + proposal * 200_000
    columns = {
        **dict.fromkeys(("rung", "repeat"), np.zeros(n, dtype=np.int64)),
        **dict.fromkeys(("artifact", "error"), [""] * n),
        "run": ["benchmark"] * n,
        "arm": ["hybrid"] * n,
        "candidate": candidate,
        "seed": np.where(confirming, 1000 + proposal, proposal % 2),
        "phase": np.where(confirming, "confirm", "search").tolist(),
        "state": np.where(rng.random(n) < 0.97, "completed", "diverged").tolist(),
        "strategy": np.array(["hybrid", "random", "evolution"])[rng.integers(0, 3, n)].tolist(),
        "generation": candidate // 64,
        "parents": [[c - 3, c - 7] for c in candidate.tolist()],
        "proposal": proposal,
        "told": proposal - 5,
        "task": ["mnist1d"] * n,
        "network": ["mlp"] * n,
        "genome": genomes,
        "structure": hashes,
        "fingerprint": [text[::-1] for text in hashes],
        "heterogeneous": rng.random(n) < 0.8,
        "metric": ["accuracy"] * n,
        "direction": ["maximize"] * n,
        "val_metric": accuracy,
        "test_metric": np.where(confirming, accuracy - 0.01, np.nan),
        "train_loss": rng.gamma(2.0, 0.3, n),
        "learning_rate": rates,
        "steps": np.full(n, 500),
        "steps_run": np.full(n, 500),
        "n_parameters": rng.integers(15_000, 16_000, n),
        "train_seconds": rng.gamma(2.0, 0.1, n),
        "pack": [f"search-{p // 64:07}" for p in proposal.tolist()],
        "pack_size": np.full(n, 64),
        "device": ["cpu"] * n,
        "context": [f'{{"generation":{g}}}' for g in (candidate // 64).tolist()],
        "started_at": begun,
        "finished_at": begun + 12_000_000,
    }
    arrays = [
        pa.array(columns[field.name], from_pandas=True).cast(field.type)
        if field.name in columns
        else pa.nulls(n, field.type)
        for field in SCHEMA
    ]
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def texts(rng: np.random.Generator, rates: np.ndarray) -> tuple[list[str], list[str]]:
    """Genomes of two layers with five types, as the search writes them, and their hashes."""
    n = len(rates)
    kinds = np.array(FUNCTIONS)[rng.integers(0, len(FUNCTIONS), (n, 6))].tolist()
    counts = rng.integers(1, 33, (n, 3)).tolist()
    genomes = [
        '{"sites":[{"site":"hidden0","types":['
        f'{{"kind":"base","name":"{a}","count":{i}}},{{"kind":"base","name":"{b}","count":{j}}},'
        f'{{"kind":"hull","hull":"convex","functions":["{c}","{d}"],"per":"layer","count":{100 - i - j}}}'
        ']},{"site":"hidden1","types":['
        f'{{"kind":"base","name":"{e}","count":{k}}},{{"kind":"base","name":"{f}","count":{100 - k}}}'
        f']}}],"hyperparameters":{{"learning_rate":{rate!r}}}}}'
        for (a, b, c, d, e, f), (i, j, k), rate in zip(kinds, counts, rates.tolist(), strict=True)
    ]
    return genomes, [row.tobytes().hex() for row in rng.integers(0, 256, (n, 8), dtype=np.uint8)]


if __name__ == "__main__":
    main()
