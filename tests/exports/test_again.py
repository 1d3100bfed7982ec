"""A candidate trained again: to the same network, longer, or on all data."""

import json

import numpy as np
import pytest

import evoact
from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.exports import again, write
from evoact.exports.again import OnAllData


@pytest.mark.slow
def test_the_same_training_gives_the_same_network(home, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "write_programs", lambda *_: {})  # tested elsewhere, and slow
    evoact.train(home, tmp_path / "same", overrides=["training.steps=60"])
    network, same = evoact.load(home), evoact.load(tmp_path / "same")
    x = np.random.default_rng(0).normal(size=(7, *network.shape))
    assert np.array_equal(same.outputs(x), network.outputs(x))
    row = json.loads((tmp_path / "same" / "model.json").read_text())["row"]
    assert (row["phase"], row["steps"]) == ("trained again", 60)
    assert "trained again for 60 steps" in (tmp_path / "same" / "README.md").read_text()


def test_on_all_data_the_test_split_stays_apart(home):
    task = plan_of(home).task
    before, after = task.splits(), OnAllData(task).splits()
    assert len(after["train"]) == len(before["train"]) + len(before["validation"])
    assert after["test"] is before["test"]
    planned = again.plan(home, overrides=["training.epochs=2", "training.steps=null"], all_data=True)
    assert planned.steps == 2 * (len(after["train"]) // planned.experiment.training.batch_size)


@pytest.mark.parametrize(
    ("overrides", "all_data", "match"),
    [
        (
            ["seed=3"],
            False,
            "expected --set training.KEY=VALUE, since the candidate stays as it is, got 'seed=3'",
        ),
        (["training.stesp=3"], False, "training.stesp: unknown key; did you mean 'steps'"),
        (
            ["training.early_stop={every: 5, patience: 2}"],
            True,
            "expected training without early_stop on all data",
        ),
    ],
)
def test_what_cannot_be_trained_again(home, tmp_path, overrides, all_data, match):
    with pytest.raises(UserError, match=match):
        evoact.train(home, tmp_path / "new", overrides=overrides, all_data=all_data)
    assert list(tmp_path.iterdir()) == []


def test_a_training_that_diverges_leaves_nothing_behind(home, tmp_path):
    settings = ["training.optimizer={name: sgd, weight_decay: 1.0e+9}"]
    with pytest.raises(UserError, match=r"expected candidate \d+ to be trained to its end, got diverged"):
        evoact.train(home, tmp_path / "new", overrides=settings)
    assert list(tmp_path.iterdir()) == []
