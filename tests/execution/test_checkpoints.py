"""Successive halving end to end: rows, checkpoints, resume, and the same bits as training without a stop."""

from dataclasses import replace

import pytest

from evoact.config import Plan, experiment
from evoact.execution import checkpoints
from evoact.execution.run import resume, search
from evoact.execution.worker import PackTrainer
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.schema import result

HALVING = {
    "name": "successive_halving",
    "proposes": {"name": "evolution", "population": 9, "elites": 2, "parents": 4},
    "eta": 3,
    "rungs": 3,
}


@pytest.fixture
def halving(tiny):
    return lambda **changes: tiny(strategy=HALVING, training__steps=18, budget={"networks": 8}, **changes)


def searched(rows):
    return [r for r in rows if r["phase"] == "search"]


@pytest.mark.slow
def test_promoted_networks_go_on_to_the_same_bits(halving, tmp_path, rows_of):
    made = experiment(halving())
    assert search(made, tmp_path / "run").complete
    rows = searched(rows_of(tmp_path / "run"))
    assert {(r["rung"], r["steps"], r["steps_run"]) for r in rows} == {(0, 2, 2), (1, 6, 4), (2, 18, 12)}
    budget = 8 * 18
    assert budget - 18 < sum(r["steps_run"] for r in rows) <= budget
    assert sum(r["gradient_examples"] for r in rows) == 32 * sum(r["steps_run"] for r in rows)
    keys = [(r["candidate"], r["seed"], r["rung"]) for r in rows]
    assert len(set(keys)) == len(keys)
    assert not Location.of(tmp_path / "run").child(checkpoints.CHECKPOINTS).names()
    whole = [replace(result(r).proposal, start=0) for r in rows if r["rung"] == 2]
    for again, row in zip(
        PackTrainer(Plan.of(made), gpu=False)("again", whole), rows_at(rows, 2), strict=True
    ):
        assert (again.val_metric, again.train_loss) == (row["val_metric"], row["train_loss"])


def rows_at(rows, rung):
    return [r for r in rows if r["rung"] == rung]


@pytest.mark.slow
def test_a_lost_checkpoint_costs_time_alone(halving, tmp_path, rows_of):
    """Removed behind the search's back, as on a cluster whose machines share no disk."""
    made, home = experiment(halving()), Location.of(tmp_path / "lost")

    def remove(_):
        checkpoints.keep_only(home, set())

    search(made, tmp_path / "kept")
    search(made, tmp_path / "lost", observe=remove)
    kept, lost = (searched(rows_of(tmp_path / name)) for name in ("kept", "lost"))
    spent = ("steps_run", "gradient_examples", "error")
    assert [{k: v for k, v in r.items() if k not in spent} for r in lost] == [
        {k: v for k, v in r.items() if k not in spent} for r in kept
    ]
    assert all(r["steps_run"] == r["steps"] for r in lost)
    assert {r["error"] for r in rows_at(lost, 1)} == {
        "trained again from the start: its checkpoint was not there"
    }
    assert {r["error"] for r in kept} == {""}


class Stopped(Exception):
    pass


@pytest.mark.slow
@pytest.mark.parametrize("packs", [1, 3, 4, 5, 9])
def test_a_stopped_run_is_continued(halving, tmp_path, rows_of, packs):
    """Also in the middle of a bracket, whose checkpoints are still there."""
    alone = {"baselines": {"replicates": 0}, "confirm": {"candidates": 0}}
    made, seen = experiment(halving(**alone, packs={"size": 4})), []

    def stop(progress):
        seen.append(progress)
        if len(seen) > packs:
            raise Stopped

    with pytest.raises(Stopped):
        search(made, tmp_path / "stopped", observe=stop)
    assert resume(tmp_path / "stopped").complete
    assert not Location.of(tmp_path / "stopped").child(checkpoints.CHECKPOINTS).names()
    search(made, tmp_path / "whole")
    assert rows_of(tmp_path / "stopped") == rows_of(tmp_path / "whole")


def test_the_longest_trained_are_confirmed(halving, tmp_path):
    search(experiment(halving()), tmp_path / "run")
    board = Leaderboard(tmp_path / "run")
    rows = [dict(r) for r in board.to_arrow().to_pylist()]
    promoted = {r["candidate"] for r in rows if r["phase"] == "search" and r["rung"] == 2}
    confirmed = {r["candidate"] for r in rows if r["phase"] == "confirm"}
    baselines = {r["candidate"] for r in rows if r["phase"] == "baseline"}
    assert confirmed <= promoted | baselines


@pytest.mark.slow
def test_asynchronous_from_end_to_end(halving, tmp_path, rows_of):
    """Stopped in the middle, too; checkpoints of all who may still be promoted are kept until then."""
    made = experiment(halving(packs={"size": 4}))
    made = experiment(
        made.config.model_dump(mode="json", exclude_none=True)
        | {"strategy": HALVING | {"asynchronous": True}}
    )
    seen = []

    def stop(progress):
        seen.append(progress)
        if len(seen) > 9:
            raise Stopped

    with pytest.raises(Stopped):
        search(made, tmp_path / "run", observe=stop)
    assert Location.of(tmp_path / "run").child(checkpoints.CHECKPOINTS).names()
    assert resume(tmp_path / "run").complete
    rows = searched(rows_of(tmp_path / "run"))
    assert {(r["rung"], r["steps"], r["steps_run"]) for r in rows} == {(0, 2, 2), (1, 6, 4), (2, 18, 12)}
    assert {(r["state"], r["error"]) for r in rows} == {("completed", "")}
    assert sum(r["steps_run"] for r in rows) <= 8 * 18
    assert not Location.of(tmp_path / "run").child(checkpoints.CHECKPOINTS).names()
    whole = [replace(result(r).proposal, start=0) for r in rows_at(rows, 2)]
    for again, row in zip(
        PackTrainer(Plan.of(made), gpu=False)("again", whole), rows_at(rows, 2), strict=True
    ):
        assert (again.val_metric, again.train_loss) == (row["val_metric"], row["train_loss"])
