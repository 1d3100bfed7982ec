"""Searches on Ray whose candidates fail, hang, or take their workers down."""

import os
import signal

import pytest

from evoact.config import experiment
from evoact.execution.run import search
from evoact.tasks.faulty import faulty
from tests.conftest import DIVISION, wait_for
from tests.execution.cluster.nodes import SEARCH_ALONE, faults_of, packs_of
from tests.execution.poisoned import most_likely_to_fail

pytestmark = pytest.mark.ray


def test_timeouts_and_failures_on_workers(shared_cluster, on_ray, tiny, tmp_path, rows_of):
    rates = {"raises": 0.2, "hangs": 0.2, "nan": 0.2}
    config = tiny(
        task={"name": "faulty", "hang_seconds": 60.0, **rates},
        packs={"size": 2, "timeout_seconds": 5.0},  # which two steps do not take on a busy machine
        training__steps=2,
        budget__networks=16,
        baselines__replicates=0,
    )
    search(on_ray(config, workers=2), tmp_path / "ray")
    rows = rows_of(tmp_path / "ray")
    states = {"well": "completed", "raises": "failed", "nan": "diverged", "hangs": "timed_out"}
    task = faulty(**rates)
    for row in rows:
        assert row["state"] == states[task.fate(f"{row['fingerprint']}-{row['seed']}")]
    assert {"completed", "failed", "timed_out", "diverged"} == {row["state"] for row in rows}


def test_a_candidate_that_kills_its_worker_is_isolated(shared_cluster, on_ray, tiny, tmp_path, rows_of):
    config = tiny(
        baselines__replicates=0,
        strategy={"name": "random"},
        budget__networks=8,
        confirm={"candidates": 1, "seeds": 2, "judge": 0},
    )
    guilty, rate = most_likely_to_fail(experiment(config))
    config["task"] |= {"kills": rate}
    finished = search(on_ray(config, workers=1, max_failures=0), tmp_path / "ray")
    assert finished.complete
    rows = rows_of(tmp_path / "ray")
    assert [r["proposal"] for r in rows] == list(range(10))
    failed = [r for r in rows if r["state"] != "completed"]
    assert [(f"{r['fingerprint']}-{r['seed']}", r["state"]) for r in failed] == [(guilty, "failed")]
    assert "its worker process died, in 1 of 1 attempts" in failed[0]["error"]


def test_a_worker_that_hangs_is_given_up(shared_cluster, on_ray, tiny, tmp_path, monkeypatch, rows_of, alone):
    """Stopped in the middle of a pack: another process trains that, and the row says nothing of it."""
    monkeypatch.setattr("evoact.execution.cluster.driver.SILENT_SECONDS", 20.0)
    stopped = []

    def observe(progress):
        if progress.done >= 4 and not stopped:
            stopped.append(int(packs_of(tmp_path / "ray")[-1]["worker"].rpartition(":")[2]))
            os.kill(stopped[0], signal.SIGSTOP)

    changes = {**SEARCH_ALONE, "budget__networks": 16}
    assert search(on_ray(tiny(**changes), workers=1), tmp_path / "ray", observe=observe).complete
    assert rows_of(tmp_path / "ray", DIVISION) == alone(**changes)
    assert {*faults_of(tmp_path / "ray")} == {"worker hung"}
    wait_for(lambda: not os.path.exists(f"/proc/{stopped[0]}"))
