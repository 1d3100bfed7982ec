"""How long `evoact inspect` takes for a million rows of 50 columns, and its peak memory.

    python benchmarks/inspect_data.py [--quick] [--json FILE]

40 columns hold numbers, some of them missing, 5 integers, 4 categories, one is the target; as CSV and as Parquet. With
--quick there are 100,000 rows. The command runs in a process of its own, whose start, interpreter and libraries count.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from reporting import Row, arguments, report

ROWS, QUICK_ROWS = 1_000_000, 100_000
RSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


def make(folder: Path, rows: int) -> None:
    import numpy as np
    import pyarrow as pa
    from pyarrow import csv, parquet

    rng = np.random.default_rng(0)
    columns = {}
    for i in range(40):
        values = rng.normal(size=rows).round(4)
        columns[f"number{i}"] = pa.array(values, mask=rng.random(rows) < 0.05 if i % 8 == 0 else None)
    for i in range(5):
        columns[f"count{i}"] = pa.array(rng.integers(0, 10_000, rows))
    for i in range(4):
        columns[f"kind{i}"] = pa.array([f"kind {k}" for k in rng.integers(0, 20, rows)])
    columns["target"] = pa.array(np.where(rng.random(rows) < 0.3, "yes", "no"))
    table = pa.table(columns)
    csv.write_csv(table, folder / "data.csv")
    parquet.write_table(table, folder / "data.parquet")


def measure(path: Path) -> tuple[float, float, float]:
    """Seconds, those of processors, and the peak in GB."""
    run = "from evoact.cli.main import main; main()"
    command = [sys.executable, "-c", run, "inspect", str(path), "--target", "target"]
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    seconds = time.perf_counter() - start
    return seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * RSS_UNIT / 1e9


def main() -> None:
    if "--make" in sys.argv:
        make(Path(sys.argv[3]), int(sys.argv[2]))
        return
    options = arguments(__doc__)
    rows = QUICK_ROWS if options.quick else ROWS
    found = []
    with tempfile.TemporaryDirectory(prefix="evoact-benchmark-") as directory:
        # Not in this process: those started from a large one count its memory as theirs.
        subprocess.run([sys.executable, __file__, "--make", str(rows), directory], check=True)
        for name in ("csv", "parquet"):
            seconds, busy, gigabytes = measure(Path(directory, f"data.{name}"))
            found.append(Row(f"inspect_{name}_s", seconds, f"s, {rows:,} rows", 10, "lower"))
            found.append(Row(f"inspect_{name}_busy_s", busy, "s of processors", better="lower"))
            found.append(Row(f"inspect_{name}_gb", gigabytes, "GB", 2, "lower"))
    report(options, found)


if __name__ == "__main__":
    main()
