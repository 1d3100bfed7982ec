"""`kill -9` at any moment, then resume: the rows are those of a run that nobody disturbed."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from evoact.config import experiment
from evoact.execution.run import search
from tests.conftest import DIVISION

KILLED = Path(__file__).with_name("killed.py")


def run_killed(config, directory, moments):
    """Runs by name, each disturbed at its moments; what `killed.py` says about them."""
    texts = [f"{name}={','.join(map(str, chosen))}" for name, chosen in moments.items()]
    out = subprocess.run(
        [sys.executable, KILLED, config, directory, *texts], capture_output=True, text=True, timeout=1200
    )
    assert out.returncode == 0, out.stderr
    return json.loads(out.stdout.splitlines()[-1])


def check_same(directory, names, rows_of):
    expected = rows_of(directory / "undisturbed")
    keys = [(r["candidate"], r["seed"], r["phase"], r["rung"]) for r in expected]
    assert len(set(keys)) == len(keys) > 10
    for name in names:
        assert rows_of(directory / name) == expected, name
        for row in expected:
            assert not row["artifact"] or (directory / name / row["artifact"]).stat().st_size > 0


def at_random(seed, n):
    chance = random.Random(seed)
    return [f"{chance.uniform(0.02, 0.7):.3f}" for _ in range(n)]


@pytest.mark.slow
def test_killed_at_any_operation(config_file, tmp_path, rows_of):
    config = config_file(budget__networks=8, training__steps=3)
    operations = run_killed(config, tmp_path, {"undisturbed": []})["undisturbed"]["operations"]
    assert operations > 60
    moments = {
        "early": ["#1", "#2", "#4", "#7"],  # before there is a config, a row, a strategy
        "often": ["#9"] * 5 + ["#14"] * 3,
        "seldom": ["#31", "#27"],
        "clock": at_random(0, 3),
    }
    # The last operations are those of the compaction.
    moments |= {f"end{i}": [f"#{operations - i}"] for i in range(0, 15, 3)}
    found = run_killed(config, tmp_path, moments)
    assert sum(run["killed"] for run in found.values()) >= 18
    check_same(tmp_path, moments, rows_of)


# While the first parts of the confirmation are written, and before each step of the compaction.
LATE = ["#1@part-confirm", "#4@part-confirm", "#2@part-confirm"]


COMPACTING = [r"#1@\.compact", r"#2@\.compact", r"#1@\.run\.json", r"#2@\.run\.json"]


@pytest.mark.slow
def test_killed_in_confirmation_and_compaction(config_file, tmp_path, rows_of):
    config = config_file(training__steps=3)
    moments = {"undisturbed": [], "confirming": LATE, "compacting": COMPACTING}
    found = run_killed(config, tmp_path, moments)
    assert [run["killed"] for run in found.values()] == [0, 3, 4]
    check_same(tmp_path, moments, rows_of)


@pytest.mark.ray
def test_killed_in_confirmation_and_compaction_on_ray(config_file, tiny, tmp_path, rows_of):
    """Its workers' results come in any order, and those that are back at once are one file: the confirmation leaves
    one file or more, and so does its judge."""
    search(experiment(tiny(training__steps=3)), tmp_path / "local")
    execution = {"backend": "ray_tune", "workers": 2, "cpus_per_pack": 0.5, "gpus_per_pack": 0}
    config = config_file(training__steps=3, execution=execution)
    moments = {"run": ["#3@part-(confirm|judge)", r"#2@\.compact"]}
    assert run_killed(config, tmp_path, moments)["run"]["killed"] == 2
    assert rows_of(tmp_path / "run", DIVISION) == rows_of(tmp_path / "local", DIVISION)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["hybrid", "random", "optuna"])
def test_killed_with_every_strategy(strategy, config_file, tmp_path, rows_of):
    settings = {
        "hybrid": {"batch": 8, "elites": 2},
        "random": {"batch": 6},
        "optuna": {},
    }[strategy]
    config = config_file(
        strategy={"name": strategy, **settings}, budget__networks=22, training__steps=3, confirm__candidates=1
    )
    moments = {"undisturbed": [], "operations": ["#35", "#33", "#31"], "clock": at_random(strategy, 3)}
    found = run_killed(config, tmp_path, moments)
    assert found["operations"]["killed"] == 3
    check_same(tmp_path, moments, rows_of)
