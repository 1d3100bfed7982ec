"""What several parts of the tests need: a tiny experiment, the command, and the rows of a run."""

import copy
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

if "PYTEST_XDIST_WORKER" in os.environ:  # one thread for each of the processes that share the processors
    os.environ.setdefault("OMP_NUM_THREADS", "1")
# Ray has its workers leave the processors to everybody else, so that beside other tests they would hardly begin.
os.environ.setdefault("RAY_worker_niceness", "0")

# Differ between two runs of the same search: the run's name, and what clocks say.
TIMING = ("run", "train_seconds", "step_seconds_solo", "started_at", "finished_at")
# And between runs on other workers: what each network ran on, and the names of packs that were halved.
DIVISION = (*TIMING, "pack", "pack_size", "device")

# The command of this very environment, installed or not.
COMMAND = (sys.executable, "-c", "from evoact.cli.main import main; main()")


def started(command: Sequence[Any], place: Path, **more: Any) -> subprocess.Popen[str]:
    """Start a command that is not waited for; what it says is read with `communicate`."""
    return subprocess.Popen(
        command, cwd=place, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more
    )


def wait_for(condition: Callable[[], object], seconds: float = 240.0) -> None:
    """Wait until something is so; the time is what the slowest machine may need, and is not used up elsewhere."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def wait_for_rows(run_dir: Path) -> None:
    """Wait until a run has stored a pack."""
    wait_for(lambda: list((run_dir / "leaderboard").glob("part*.parquet")))


TINY: dict[str, Any] = {
    "name": "tiny",
    "task": {"name": "faulty"},
    "network": {"name": "mlp", "hidden": [8]},
    "space": {
        "functions": ["relu", "tanh", "sin"],
        "types": {"base": {}, "hull": {"kinds": ["convex"], "sizes": [2]}},
        "types_per_layer": [1, 2],
        "learning_rate": {"low": 0.01, "high": 0.1, "per_decade": 1},
    },
    "strategy": {"name": "evolution", "population": 8, "elites": 2, "parents": 4},
    "training": {"steps": 20, "batch_size": 32},
    "budget": {"networks": 16},
    "confirm": {"candidates": 2, "baselines": 1, "seeds": 2, "judge": 1},
    "packs": {"size": 4},
    "execution": {"backend": "local"},
}


@pytest.fixture(scope="session")
def tiny() -> Callable[..., dict[str, Any]]:
    """A config that runs in half a second; keywords replace entries: `training__steps=5`."""

    def make(**changes: Any) -> dict[str, Any]:
        data = copy.deepcopy(TINY)
        for path, value in changes.items():
            *sections, key = path.split("__")
            inner = data
            for section in sections:
                inner = inner.setdefault(section, {})
            inner[key] = value
        return data

    return make


def change_record(run_dir: Path, **entries: Any) -> None:
    """Give a run's record other entries; it has none any more that are None, but for the end."""
    from evoact.leaderboard.location import Location
    from evoact.leaderboard.run_files import record_of, write_record

    home = Location.of(run_dir)
    record = {**record_of(home), **entries}
    write_record(
        home, {k: v for k, v in record.items() if v is not None or k == "finished_at" or k not in entries}
    )


@pytest.fixture
def config_file(tiny: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., Path]:
    """The same as a file."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "tiny.yaml"
        path.write_text(yaml.safe_dump(tiny(**changes)))
        return path

    return write


@pytest.fixture(scope="session")
def scalars_of() -> Callable[[Path], dict[str, list[tuple[int, float]]]]:
    """The steps and values of all scalars in a directory of TensorBoard's event files; texts have the value 0."""
    from tensorboardX.proto.event_pb2 import Event

    def read(folder: Path) -> dict[str, list[tuple[int, float]]]:
        found: dict[str, list[tuple[int, float]]] = {}
        for file in sorted(folder.iterdir()):
            data = file.read_bytes()
            while data:  # a record: length, its checksum, content, its checksum
                (length,) = struct.unpack("<Q", data[:8])
                event = Event.FromString(data[12 : 12 + length])
                data = data[16 + length :]
                for value in event.summary.value:
                    found.setdefault(value.tag, []).append((event.step, value.simple_value))
        return found

    return read


@pytest.fixture(scope="session")
def rows_of() -> Callable[..., list[dict[str, Any]]]:
    """All rows of a run as plain Parquet holds them, without timing columns, by proposal."""

    def read(run_dir: Path, but: tuple[str, ...] = TIMING) -> list[dict[str, Any]]:
        files = sorted((run_dir / "leaderboard").glob("[!.]*.parquet"))
        rows = [row for file in files for row in pq.read_table(file).to_pylist()]
        kept = [{k: v for k, v in row.items() if k not in but} for row in rows]
        return sorted(kept, key=lambda row: row["proposal"])

    return read


@pytest.fixture
def command() -> tuple[str, ...]:
    """What to start for the command, where a test needs the process itself."""
    return COMMAND


@pytest.fixture
def evoact(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The command in a process of its own, in an empty directory."""

    def run(*arguments: str | Path, seconds: float = 300) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=seconds,
            cwd=tmp_path,
        )

    return run


@pytest.fixture(scope="session")
def tiny_comparison(tiny: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """A comparison of three arms, twice, that runs in two seconds; keywords replace entries as in `tiny`."""

    def make(**changes: Any) -> dict[str, Any]:
        common = {
            **{key: value for key, value in TINY.items() if key != "strategy"},
            "network": {"name": "mlp", "hidden": [32]},  # so that a hull is not 5 % of the parameters
            "budget": {"networks": 8},
            "confirm": {"candidates": 2, "seeds": 2, "judge": 1},
            "repeats": 2,
            "training": {"steps": 10, "batch_size": 32},
            "arms": {
                "homogeneous": {
                    "space": {**TINY["space"], "types": {"base": {}}, "types_per_layer": [1, 1]},
                    "strategy": {"name": "enumerate", "seeds": [0, 1]},
                },
                "random": {"strategy": {"name": "random"}},
                "evolution": {"strategy": {"name": "evolution", "population": 4, "elites": 1, "parents": 3}},
            },
        }
        data = copy.deepcopy(common)
        for path, value in changes.items():
            *sections, key = path.split("__")
            inner: Any = data
            for section in sections:
                inner = inner.setdefault(section, {})
            inner[key] = value
        return data

    return make


@pytest.fixture
def bend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The curve `bend`: a sine on an uneven grid."""
    from evoact.activations.curves import Curve, save_curve

    monkeypatch.setenv("EVOACT_CURVES", str(tmp_path))
    grid = np.sort(np.random.default_rng(0).uniform(-3, 3, 20))
    save_curve(tmp_path / "bend", Curve(grid, np.sin(grid)))
