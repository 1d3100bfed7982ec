"""A run is what it was when it began, whatever its folder is called, and goes on as that or not at all."""

import os
import re

import numpy as np
import pytest
import yaml

from evoact.config import comparison, experiment
from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.execution.identity import trained_by
from evoact.execution.run import compare, resume, search
from evoact.leaderboard.ask.query import Leaderboard
from evoact.report import write_report
from evoact.report.run import read_run
from evoact.tasks import TASKS
from evoact.tasks.outline import data_digest
from tests.conftest import change_record
from tests.execution.test_run import Stop, interrupted


@pytest.fixture
def data(tmp_path):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 4)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=(x[:, 0] > 0).astype(np.int64))
    return tmp_path / "data.npz"


@pytest.fixture
def on_data(tiny, data):
    """A tiny config on a file that is named relatively."""

    def make(**changes):
        path = os.path.relpath(data)
        return tiny(
            task={"name": "arrays", "path": path}, training__steps=2, training__batch_size=8, **changes
        )

    return make


def edit(run_dir, *path, value):
    config = yaml.safe_load((run_dir / "config.yaml").read_text())
    section = config
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = value
    (run_dir / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.mark.slow
def test_a_renamed_run_is_the_same_run(tiny, tmp_path, rows_of):
    config = tiny(training__steps=2)
    search(experiment(config), tmp_path / "undisturbed")
    interrupted(config, tmp_path / "before", after=8)
    (tmp_path / "before").rename(tmp_path / "after")
    resume(tmp_path / "after")
    assert rows_of(tmp_path / "after") == rows_of(tmp_path / "undisturbed")
    assert set(Leaderboard(tmp_path / "after").to_arrow()["run"].to_pylist()) == {"before"}
    top = Leaderboard(tmp_path / "after").top(100)["candidate"].to_pylist()
    assert len(top) == len(set(top))


def test_a_run_without_a_record_of_what_it_is_goes_on(tiny, tmp_path):
    interrupted(tiny(training__steps=2), tmp_path / "old", after=8)
    change_record(tmp_path / "old", run=None, trains=None, digest=None, task=None)
    (tmp_path / "old").rename(tmp_path / "new")
    assert resume(tmp_path / "new").complete
    assert set(Leaderboard(tmp_path / "new").to_arrow()["run"].to_pylist()) == {"old"}


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("training", "batch_size"), 16, "expected training.batch_size 8, as when this run began, got 16"),
        (("training", "steps"), 3, "expected training.steps 2, as when this run began, got 3"),
        (("training", "optimizer", "name"), "sgd", 'expected training.optimizer.name "adam", .* got "sgd"'),
        (("training", "optimizer", "beta1"), 0.5, "expected training.optimizer.beta1 left out, .* got 0.5"),
        (("network", "hidden"), [9], r"expected network.hidden \[8\], as when this run began, got \[9\]"),
        (("task", "seed"), 3, "expected task.seed left out, as when this run began, got 3"),
        (
            ("space", "functions"),
            ["relu", "tanh"],
            'expected space.functions .*, as when this run began, got .*"relu", "tanh"',
        ),
    ],
)
def test_what_trains_must_not_change(path, value, said, on_data, tmp_path):
    interrupted(on_data(), tmp_path / "run", after=8)
    edit(tmp_path / "run", *path, value=value)
    with pytest.raises(UserError, match=said) as error:
        resume(tmp_path / "run")
    assert "\n" not in str(error.value)
    expected, got = re.search(
        r"expected \S+ (.*), as when this run began, got (.*); resume with", str(error.value)
    ).groups()
    assert expected != got


def test_what_may_change_does(on_data, tmp_path, data):
    interrupted(on_data(), tmp_path / "run", after=8)
    data.rename(tmp_path / "moved.npz")
    edit(tmp_path / "run", "task", "path", value=str(tmp_path / "moved.npz"))
    edit(tmp_path / "run", "budget", "networks", value=20)
    edit(tmp_path / "run", "packs", "size", value=2)
    edit(tmp_path / "run", "description", value="another")
    assert resume(tmp_path / "run").complete


def test_changed_data_is_another_run(on_data, tmp_path, data):
    interrupted(on_data(), tmp_path / "run", after=8)
    before = Leaderboard(tmp_path / "run").to_arrow()
    stored = dict(np.load(data))
    stored["y"][0] = 1 - stored["y"][0]
    np.savez(data, **stored)
    said = r"expected the data on which this run began, with digest (\w+), got (\w+) in .*data.npz; restore the data"
    with pytest.raises(UserError, match=said) as error:
        resume(tmp_path / "run")
    was, got = re.search(said, str(error.value)).groups()
    assert was != got
    assert Leaderboard(tmp_path / "run").to_arrow() == before
    stored["y"][0] = 1 - stored["y"][0]
    np.savez(data, **stored)  # the same values, in a new file
    assert resume(tmp_path / "run").complete


@pytest.mark.slow
def test_an_arm_must_not_change(tiny_comparison, tmp_path):
    def observe(progress):
        if progress.total_done >= 8:
            raise Stop

    config = tiny_comparison(training__steps=2)
    config["arms"]["common"] = config["arms"].pop("random")  # a name as any other
    with pytest.raises(Stop):
        compare(comparison(config), tmp_path / "run", observe=observe)
    edit(tmp_path / "run", "arms", "common", "group", value="drawn")
    edit(tmp_path / "run", "arms", "common", "strategy", "name", value="optuna")
    with pytest.raises(UserError, match=r'expected arms.common.strategy.name "random", .*, got "optuna"'):
        resume(tmp_path / "run")
    edit(tmp_path / "run", "arms", "common", "strategy", "name", value="random")
    assert resume(tmp_path / "run").complete


@pytest.mark.slow
def test_a_finished_run_needs_no_data(on_data, tmp_path, data, monkeypatch):
    search(experiment(on_data(training={"epochs": 1, "batch_size": 8})), tmp_path / "run")
    assert plan_of(tmp_path / "run").config.task.arguments["path"] == str(data)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    with_data = [(tmp_path / "run" / name) for name in ("a.html", "a.md")]
    for place in with_data:
        write_report(read_run(tmp_path / "run"), place.suffix[1:], place)
    data.unlink()
    for place in with_data:
        write_report(read_run(tmp_path / "run"), place.suffix[1:], place.with_stem("b"))
        assert place.with_stem("b").read_text() == place.read_text()
    write_report(read_run(tmp_path / "run"), "optuna", tmp_path / "journal")
    assert resume(tmp_path / "run").complete
    with pytest.raises(UserError, match="got its outline alone"):
        plan_of(tmp_path / "run", data=False).task.splits()["train"].inputs[np.arange(1)]


def test_digests_tell_data_apart(data):
    stored = dict(np.load(data))
    digests = set()
    for change in ("none", "value", "label", "order"):
        x, y = stored["x"].copy(), stored["y"].copy()
        x[3, 2] += change == "value"
        y[5] = y[5] ^ (change == "label")
        if change == "order":
            x, y = x[::-1], y[::-1]
        np.savez(data, x=x, y=y)
        digests.add(data_digest(TASKS["arrays"](str(data))))
    assert len(digests) == 4


def test_digests_tell_targets_of_another_unit_apart(data):
    """Standardised they are the same, but their metric is not."""
    x, digests = np.load(data)["x"], set()
    for unit in (1.0, 2.0):
        np.savez(data, x=x, y=unit * x[:, 0].astype(np.float64))
        digests.add(data_digest(TASKS["arrays"](str(data), standardise=True)))
    assert len(digests) == 2


def test_long_values_are_known_by_their_digest():
    texts = [trained_by({"curves": {"a@1": {"values": [n / 7 for n in range(m)]}}}) for m in (99, 100)]
    assert texts[0] != texts[1]
    assert all(len(text["common"]["curves.a@1.values"]) < 40 for text in texts)
