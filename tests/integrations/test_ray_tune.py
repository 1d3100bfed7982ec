"""The searcher proposes neuron types that networks take, learns from what trials report, and goes on where it was."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from ray.tune.search import Searcher

import evoact
from evoact.errors import UserError
from evoact.integrations.ray_tune import NeuronTypes, use


def network():
    torch.manual_seed(0)
    made = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
    return evoact.heterogenize(made, torch.ones(1, 2))


@dataclass
class Drawn:
    name: str = "hidden"
    width: int = 16


def test_networks_take_what_is_proposed():
    mixed, calls = network()
    search = NeuronTypes(calls.sites, "four_functions", metric="accuracy", mode="max", networks=4)
    for trial in "abcd":
        config = search.suggest(trial)
        assert 1e-3 <= config["learning_rate"] <= 3.2e-2
        output = use(mixed, config)(torch.ones(3, 2))
        assert output.shape == (3, 1)
        search.on_trial_complete(trial, {"accuracy": 0.5})
    assert search.suggest("e") == Searcher.FINISHED


def best_of(search, trials):
    """The share of sin in what is proposed, trial by trial, if sin alone is good."""
    shares = []
    for trial in range(trials):
        config = search.suggest(str(trial))
        if config in (None, Searcher.FINISHED):
            break
        terms = [term.split() for term in config["neuron_types"]["hidden"].split(" + ")]
        shares.append(sum(int(n) for n, name in terms if name == "sin") / 16)
        search.on_trial_complete(str(trial), {"accuracy": shares[-1]}, error=trial % 7 == 6)
    return shares


def test_it_learns_from_what_trials_report():
    options = {"population": 16, "elites": 2, "parents": 8}
    search = NeuronTypes([Drawn()], "four_functions", "accuracy", "max", networks=96, options=options)
    shares = best_of(search, 96)
    assert len(shares) == 96
    assert sum(shares[-16:]) > sum(shares[:16])


@pytest.mark.parametrize(
    ("reported", "learned"), [(np.float32(0.5), 0.5), (np.int64(1), 1.0), (float("nan"), None), ("0.5", None)]
)
def test_numbers_of_any_type_count(monkeypatch, reported, learned):
    search, told = NeuronTypes([Drawn()], metric="accuracy", mode="max", networks=4), []
    monkeypatch.setattr(search._strategy, "tell", told.extend)
    search.suggest("a")
    search.on_trial_complete("a", {"accuracy": reported})
    assert [(result.val_metric, result.state == "completed") for result in told] == [
        (learned, learned is not None)
    ]


def test_it_goes_on_where_it_was(tmp_path):
    first, second = (NeuronTypes([Drawn()], metric="accuracy", mode="max", networks=20) for _ in range(2))
    for trial in range(6):
        first.suggest(str(trial))
        first.on_trial_complete(str(trial), {"accuracy": trial / 10})
    first.save(str(tmp_path / "state"))
    second.restore(str(tmp_path / "state"))
    assert [first.suggest(f"n{i}") for i in range(4)] == [second.suggest(f"n{i}") for i in range(4)]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"sites": []}, "expected at least one site to propose activations for"),
        ({"strategy": "discretise"}, "expected a strategy that proposes networks of the space alone"),
        ({"strategy": "evolve"}, "unknown strategy 'evolve'; did you mean 'evolution'"),
        ({"space": "four"}, "unknown search space 'four'"),
    ],
)
def test_a_mistake_is_a_sentence(arguments, sentence):
    with pytest.raises(UserError, match=sentence):
        NeuronTypes(**({"sites": [Drawn()], "metric": "accuracy", "mode": "max"} | arguments))


def test_a_network_with_other_sites_is_a_sentence():
    mixed, _ = network()
    with pytest.raises(UserError, match="expected the sites 1, got 'hidden'"):
        use(mixed, {"neuron_types": {"hidden": "8 sin"}})
