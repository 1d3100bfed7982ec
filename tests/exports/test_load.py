"""A winner carried home: an ordinary module that gives the metrics that its row says."""

import copy
import dataclasses
import pickle

import numpy as np
import pytest
import torch

import evoact
from evoact.config import comparison, experiment
from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.execution.run import compare, search
from evoact.exports.shown import shown
from evoact.genomes.genome import loads
from evoact.records import FRESH


def metric(network, split):
    found = network.predict(split.inputs)
    return float((found == split.targets).mean())


def test_the_winner_gives_the_metrics_of_its_row(home):
    network = evoact.load(home)
    splits = plan_of(home).task.splits()
    assert isinstance(network, torch.nn.Module)
    assert not network.training
    assert metric(network, splits["test"]) == network.rows[0]["test_metric"]
    assert metric(network, splits["validation"]) == network.rows[0]["val_metric"]


def test_every_candidate_and_seed_and_their_ensemble(home):
    x = np.random.default_rng(0).normal(size=(7, *evoact.load(home).shape))
    rows = evoact.Leaderboard(home).to_arrow().to_pylist()
    fresh = [(row["candidate"], row["seed"]) for row in rows if row["phase"] in FRESH]
    assert fresh
    for candidate in {candidate for candidate, _ in fresh}:
        alone = [evoact.load(home, candidate, seed) for c, seed in fresh if c == candidate]
        both = evoact.load(home, candidate, seed="all")
        assert len(both.members) == len(alone)
        assert np.allclose(both.outputs(x), np.mean([n.outputs(x) for n in alone], axis=0), atol=1e-6)


def test_a_module_like_any_other(home):
    network = evoact.load(home)
    x = torch.randn(5, *network.shape)
    expected = network(x)
    for other in (copy.deepcopy(network), pickle.loads(pickle.dumps(network))):
        assert torch.equal(other(x), expected)
    fresh = evoact.load(home)
    with torch.no_grad():
        for p in fresh.parameters():
            p.zero_()
    fresh.load_state_dict(network.state_dict())
    assert torch.equal(fresh(x), expected)
    assert network.double()(x.double()).dtype == torch.float64


def test_training_goes_on(home):
    network = evoact.load(home).train()
    split = plan_of(home).task.splits()["train"]
    x, y = torch.as_tensor(np.asarray(split.inputs)), torch.as_tensor(split.targets).long()
    optimizer = torch.optim.Adam(network.parameters(), 0.01)
    losses = []
    for _ in range(20):
        loss = torch.nn.functional.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_training_goes_on_with_the_dropout_of_the_genome(home):
    network = evoact.load(home)
    x = torch.randn(5, *network.shape)
    assert torch.equal(network.train()(x), network.eval()(x))
    settings = (("dropout", 0.5), *network.genome.hyperparameters)
    network.genome = dataclasses.replace(network.genome, hyperparameters=settings)
    assert not torch.equal(network.train()(x), network.eval()(x))


def test_own_data_goes_in_raw_and_labels_come_out(tiny, tmp_path):
    draw = np.random.default_rng(0)
    x = draw.normal(size=(200, 3)) * [1e4, 1.0, 1e-3]
    y = np.where(x[:, 0] > 0, "yes", "no")
    np.savez(tmp_path / "own.npz", x=x, y=y)
    task = {"name": "arrays", "path": str(tmp_path / "own.npz"), "standardise": True}
    search(experiment(tiny(task=task, training__steps=100)), tmp_path / "run")
    (tmp_path / "own.npz").unlink()  # nothing of it is needed any more
    found = evoact.load(tmp_path / "run").predict(x)
    assert set(found) <= {"yes", "no"}
    assert (found == y).mean() > 0.8


def test_an_arm_of_a_comparison(tiny_comparison, tmp_path):
    compare(comparison(tiny_comparison(task={"name": "digits"})), tmp_path / "run")
    network = evoact.load(tmp_path / "run", arm="random", repeat=1)
    assert (network.rows[0]["arm"], network.rows[0]["repeat"]) == ("random", 1)
    with pytest.raises(
        UserError, match=r"expected an arm of the comparison .*, got none; take one of homogeneous"
    ):
        evoact.load(tmp_path / "run")
    with pytest.raises(UserError, match="unknown arm 'randon'"):
        evoact.load(tmp_path / "run", arm="randon")


def test_a_candidate_in_lines_of_text(home):
    lines = list(shown(evoact.load(home, seed="all")))
    network = evoact.load(home)
    assert lines[0] == f"candidate {network.rows[0]['candidate']}: {network.genome.label}"
    assert sum("artifacts/" in line for line in lines) == len(evoact.load(home, seed="all").rows)
    assert any(line.startswith("hidden0: ") for line in lines)
    assert loads(lines[-1]) == network.genome


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"candidate": 10_000}, "expected a confirmed candidate of .*, got 10000; confirmed are [0-9]"),
        ({"seed": 3}, "expected a fresh seed of candidate .* or 'all', got 3"),
    ],
)
def test_what_is_not_there(home, arguments, match):
    with pytest.raises(UserError, match=match):
        evoact.load(home, **arguments)


def test_a_damaged_artifact_and_inputs_of_another_shape(home, tmp_path):
    import shutil

    with pytest.raises(UserError, match=r"expected prepared inputs \[B, .*\], got \[2, 3\]"):
        evoact.load(home)(torch.zeros(2, 3))
    shutil.copytree(home, tmp_path / "run")
    (tmp_path / "run" / evoact.load(home).rows[0]["artifact"]).write_bytes(b"damaged")
    with pytest.raises(UserError, match="which cannot be read"):
        evoact.load(tmp_path / "run")
