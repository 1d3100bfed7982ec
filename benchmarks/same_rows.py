"""Whether a change leaves every result as it was: the same configs under two checkouts, rows compared bit for bit.

    python benchmarks/same_rows.py --before DIR --after DIR [--quick] [--json FILE] [CONFIG ...]

By default the configs are quickstart and all whose names end in `_small`, each read from its own checkout. `--quick`
shortens them to a few minutes in all. A side runs under its own `.venv`, else under this interpreter. Configs whose
data is missing are named and left out; the exit code is 1 if a row differs or none could be compared.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml
from reporting import Row, arguments, report

KEY = ("arm", "repeat", "phase", "rung", "candidate", "seed", "proposal")
# What differs between two runs of one checkout: clocks, and names drawn anew.
VARIES = {"run", "train_seconds", "step_seconds_solo", "started_at", "finished_at"}
MAIN = "from evoact.cli.main import main; main()"


@dataclass(frozen=True)
class Compared:
    """A config: rows on both sides, how many differ or are on one side alone, and the first differences in words."""

    config: str
    rows: int
    different: int
    words: tuple[str, ...] = ()
    failed: str = ""


def more(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("configs", nargs="*", metavar="CONFIG", help="relative to both checkouts")
    parser.add_argument("--before", required=True, type=Path, metavar="DIR")
    parser.add_argument("--after", required=True, type=Path, metavar="DIR")


def main() -> None:
    options = arguments(__doc__, more=more, quick="short training, small budgets: minutes in all")
    configs = options.configs or [
        "configs/quickstart.yaml",
        *sorted(str(p.relative_to(options.after)) for p in options.after.glob("configs/*_small.yaml")),
    ]
    rows = different = left_out = 0
    for config in configs:
        found = compare(config, options.before.resolve(), options.after.resolve(), options.quick)
        print(f"{config}: " + (found.failed or f"{found.rows} rows, {found.different} differ"), flush=True)
        for words in found.words:
            print(f"    {words}")
        rows, different = rows + found.rows, different + found.different
        left_out += bool(found.failed)
    report(
        options,
        [
            Row("rows", rows, "compared"),
            Row("different", different, "rows", 0, "lower"),
            Row("left_out", left_out, "configs"),
        ],
    )
    sys.exit(different > 0 or rows == 0)


def compare(config: str, before: Path, after: Path, quick: bool) -> Compared:
    """One config on both sides, which run at once."""
    with tempfile.TemporaryDirectory() as folder:
        outs = [Path(folder) / name for name in ("before", "after")]
        running = [start(c, config, out, quick) for c, out in zip((before, after), outs, strict=True)]
        ends = [(process.communicate()[1], process.returncode) for process in running]
        if failures := [error.strip().splitlines()[-1] for error, code in ends if code]:
            alike = len(failures) == len(ends)
            return Compared(config, 0, 0 if alike else 1, failed=f"not run: {failures[0]}")
        tables = [rows_of(out) for out in outs]
    keys = sorted(set(tables[0]) | set(tables[1]), key=str)
    words = [said for key in keys if (said := difference(key, tables[0].get(key), tables[1].get(key)))]
    return Compared(config, len(keys), len(words), tuple(words[:5]))


def start(checkout: Path, config: str, out: Path, quick: bool) -> "subprocess.Popen[str]":
    content = yaml.safe_load((checkout / config).read_text())
    own = checkout / ".venv" / "bin" / "python"
    settings = ["execution.backend=local", "packs.threads=1", *(shorter(content) if quick else ())]
    command = [str(own) if own.exists() else sys.executable, "-c", MAIN]
    command += ["compare" if "arms" in content else "search", config, "-o", str(out)]
    command += [argument for setting in settings for argument in ("--set", setting)]
    environment = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def shorter(content: Mapping[str, Any]) -> Sequence[str]:
    """Settings that make the config a matter of seconds; meta-training keeps the steps that its budget is made for."""
    settings = ["confirm.candidates=1", "confirm.seeds=2"]
    if "arms" in content:
        return [*settings, "repeats=1"]
    if content["strategy"]["name"] == "bilevel":
        return [*settings, "strategy.outer_steps=3"]
    training = content["training"]
    settings += (
        ["training.epochs=1"] if "epochs" in training else [f"training.steps={min(training['steps'], 60)}"]
    )
    return settings


def rows_of(run_dir: Path) -> dict[tuple[Any, ...], dict[str, Any]]:
    """The rows of a run by their key, floats as their bits."""
    rows = pq.read_table(run_dir / "leaderboard").to_pylist()
    return {tuple(row[name] for name in KEY): {k: bits(v) for k, v in row.items()} for row in rows}


def bits(value: Any) -> Any:
    return value.hex() if isinstance(value, float) else value


def difference(
    key: tuple[Any, ...], before: Mapping[str, Any] | None, after: Mapping[str, Any] | None
) -> str:
    """What differs in a row; empty if nothing does."""
    name = " ".join(f"{k} {v}" for k, v in zip(KEY, key, strict=True) if v is not None)
    if before is None or after is None:
        return f"{name}: only {'after' if before is None else 'before'}"
    columns = [c for c in (before.keys() | after.keys()) - VARIES if before.get(c) != after.get(c)]
    return f"{name}: {json.dumps(sorted(columns))}" if columns else ""


if __name__ == "__main__":
    main()
