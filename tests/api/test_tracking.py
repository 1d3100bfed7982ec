"""Trackers of whole runs: told as results are stored, gone on with, and lost without harm."""

import json

import pytest
from tensorboardX import SummaryWriter

import evoact
from evoact.api import tracking
from evoact.cli.main import main
from evoact.errors import UserError
from evoact.execution.running import packs
from evoact.trackers import TRACKERS, follower

TOTAL = 16 + 6 + 2 * 3 + 2  # networks of the tiny search: search, baselines, confirmation, judgement


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(follower, "PAUSE_SECONDS", 0.001)


def stop_after(number):
    """Return an observer that stops the run when so many networks are stored, as a killed process would."""

    def observe(progress):
        if progress.total_done >= number:
            raise KeyboardInterrupt

    return observe


def test_a_run_is_shown_whole_and_said_what_it_came_to(tiny, tmp_path, scalars_of):
    found = evoact.search(tiny(), tmp_path / "run", trackers=["tensorboard"])
    shown = scalars_of(tmp_path / "run" / "events" / "search")
    rows = evoact.Leaderboard(tmp_path / "run").to_arrow().to_pylist()
    for phase in ("baseline", "search", "confirm", "judge"):
        values = sorted(row["val_metric"] for row in rows if row["phase"] == phase)
        assert sorted(v for _, v in shown[f"{phase}/validation"]) == pytest.approx(values)
    assert shown["search/best_validation"][-1][1] == pytest.approx(
        max(row["val_metric"] for row in rows if row["phase"] == "search")
    )
    assert [s for s, _ in shown["failures"]] == list(range(1, found.networks + 1))
    assert {"verdict/text_summary", "winner/text_summary", "artifacts_path/text_summary"} <= shown.keys()
    assert (
        json.loads((tmp_path / "run" / "trackers.json").read_text())["tensorboard"]["networks"]
        == found.networks
    )


def test_rows_are_the_same_with_a_tracker(tiny, tmp_path, rows_of):
    evoact.search(tiny(), tmp_path / "with", trackers="tensorboard")
    evoact.search(tiny(), tmp_path / "without")
    assert rows_of(tmp_path / "with") == rows_of(tmp_path / "without")


@pytest.mark.parametrize("named", [True, False])
def test_a_resumed_run_goes_on_and_catches_up(tiny, tmp_path, scalars_of, named):
    """`named`: by the config, or by --track of the process that was stopped."""
    from evoact.api import search as api

    asked = api.Asked(tiny(**({"trackers": ["tensorboard"]} if named else {})))
    more = () if named else ("tensorboard",)
    stopped = api.search(asked, tmp_path / "run", observe=stop_after(10), track=more)
    assert not stopped.complete
    note = tmp_path / "run" / "trackers.json"
    told = json.loads(note.read_text())["tensorboard"]
    note.write_text(json.dumps({"tensorboard": told | {"networks": 4}}))  # killed before it noted more
    whole = evoact.resume(tmp_path / "run")
    shown = scalars_of(tmp_path / "run" / "events" / "search")
    assert whole.complete
    assert [s for s, _ in shown["failures"]] == [
        *range(1, stopped.networks + 1),
        *range(5, whole.networks + 1),
    ]
    assert len(shown["config/text_summary"]) == 1


def test_a_tracker_that_comes_late_is_told_all(tiny, tmp_path, scalars_of):
    evoact.search(tiny(), tmp_path / "run", observe=stop_after(10))
    whole = evoact.resume(tmp_path / "run", trackers=["tensorboard"])
    shown = scalars_of(tmp_path / "run" / "events" / "search")
    assert [s for s, _ in shown["failures"]] == list(range(1, whole.networks + 1))


def test_one_that_raises_in_mid_run_is_said_once(tiny, tmp_path, monkeypatch, rows_of):
    write = SummaryWriter.add_scalar

    def full(self, name, value, step, time):
        if step == 9:
            raise OSError(28, "No space left on device")
        return write(self, name, value, step, time)

    monkeypatch.setattr(SummaryWriter, "add_scalar", full)
    with pytest.warns(UserWarning, match="tracker tensorboard: expected it to take in") as said:
        found = evoact.search(tiny(), tmp_path / "run", trackers=["tensorboard"])
    assert found.complete
    assert [str(w.message) for w in said] == [
        "tracker tensorboard: expected it to take in results, got OSError: [Errno 28] No space left on device; the "
        "search goes on without it"
    ]
    evoact.search(tiny(), tmp_path / "without")
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "without")


def test_one_whose_package_is_missing_is_a_sentence(tiny, tmp_path, monkeypatch):
    monkeypatch.setitem(TRACKERS, "mlflow", ("mlflow", "MLflow", "no_such_package"))
    with pytest.warns(
        UserWarning, match=r"expected the package no_such_package for the tracker mlflow, got none; the "
    ):
        found = evoact.search(tiny(), tmp_path / "run", trackers=["mlflow"])
    assert found.complete
    assert not (tmp_path / "run" / "trackers.json").exists()


def test_one_that_cannot_be_opened_is_a_sentence(tiny, tmp_path):
    (tmp_path / "file").write_text("")
    options = {"name": "tensorboard", "directory": str(tmp_path / "file" / "below")}
    with pytest.warns(UserWarning, match="tracker tensorboard: expected it to take in results, got Not"):
        assert evoact.search(tiny(), tmp_path / "run", trackers=[options]).complete


def test_a_run_that_raises_is_told_to_its_trackers(tiny, tmp_path, monkeypatch, scalars_of):
    def broken(*arguments, **more):
        raise RuntimeError("out of ideas")

    monkeypatch.setattr(packs, "write_part", broken)
    with pytest.raises(RuntimeError):
        evoact.search(tiny(), tmp_path / "run", trackers=["tensorboard"])
    assert "error/text_summary" in scalars_of(tmp_path / "run" / "events" / "search")


@pytest.mark.parametrize("content", ["", "[]", '{"tensorboard": 3}', '{"tensorboard": {"run": "x"}}'])
def test_a_damaged_note_is_none(content, tmp_path):
    (tmp_path / "trackers.json").write_text(content)
    assert tracking.noted(tracking.Location.of(tmp_path)) == {}


def test_the_command_names_trackers(config_file, tmp_path, scalars_of, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = ("search", str(config_file()), "-o", "run", "--track")
    with pytest.raises(SystemExit):
        main([*asked, "tensorboad"])
    assert "unknown tracker 'tensorboad'; did you mean 'tensorboard'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    with pytest.raises(SystemExit) as ended:
        main([*asked, "tensorboard"])
    assert not ended.value.code
    assert "search/validation" in scalars_of(tmp_path / "run" / "events" / "search")


def test_a_comparison_has_a_directory_for_each_arm_and_repeat(tiny, tmp_path):
    data = tiny(trackers=["tensorboard"], repeats=2, arms={"a": {}, "b": {"strategy": "random"}})
    data["confirm"] = {"candidates": 1, "baselines": 0, "seeds": 2, "judge": 2}
    assert evoact.compare(data, tmp_path / "run").complete
    assert {p.name for p in (tmp_path / "run" / "events").iterdir()} == {"a-0", "a-1", "b-0", "b-1", "search"}


def test_unknown_names_are_refused_before_anything_is_trained(tiny, tmp_path):
    with pytest.raises(UserError, match="unknown tracker"):
        evoact.resume(tmp_path / "run", trackers=["nothing"])
