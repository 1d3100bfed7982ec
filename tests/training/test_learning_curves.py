"""Learning curves measure networks as training leaves them, and change nothing."""

import random
from dataclasses import replace

import pytest
import torch

from evoact.config import experiment
from evoact.genomes.genome import fingerprint
from evoact.training import learning_curves
from evoact.training.evaluation import answers, settled
from evoact.training.learning_curves import measured, sample
from evoact.training.loop import train_pack
from evoact.training.members import Member
from evoact.training.pack import start_pack, train_step


def members(made, steps):
    genomes = [made.space.sample(random.Random(i)) for i in range(len(steps))]
    return [Member(g, f"{fingerprint(g)}-0", 0, n) for g, n in zip(genomes, steps, strict=True)]


def test_points_are_those_of_shorter_trainings(tiny, monkeypatch):
    monkeypatch.setattr(learning_curves, "SHARE", 1e6)  # all of both splits
    made = experiment(tiny())
    with_curves = replace(made.training, curve_every=10)
    curves = [o.curve for o in train_pack(members(made, [20, 35]), made.network, made.task, with_curves)]
    assert [[p.step for p in curve] for curve in curves] == [[10, 20], [10, 20, 30]]
    for step in (10, 20):
        plain = train_pack(members(made, [step, step]), made.network, made.task, made.training)
        for outcome, curve in zip(plain, curves, strict=True):
            (point,) = [p for p in curve if p.step == step]
            assert point.val_metric == outcome.metrics["validation"]
            assert point.train_loss == outcome.train_loss
    assert all(outcome.curve == () for outcome in plain)


def test_single_points_are_of_the_whole_validation_split(tiny):
    made = experiment(tiny())
    settings = replace(made.training, curve_every=10, curve_at=(7, 20))
    curves = [o.curve for o in train_pack(members(made, [20, 35]), made.network, made.task, settings)]
    assert [[p.step for p in curve] for curve in curves] == [[7, 10, 20], [7, 10, 20, 30]]
    for i, step in ((0, 7), (2, 20)):
        plain = train_pack(members(made, [step, step]), made.network, made.task, made.training)
        for outcome, curve in zip(plain, curves, strict=True):
            assert curve[i].val_metric == outcome.metrics["validation"]
            assert curve[i].train_loss == outcome.train_loss


def test_early_stopping_is_the_same_with_and_without(tiny):
    made = experiment(
        tiny(training={"steps": 60, "batch_size": 32, "early_stop": {"every": 5, "patience": 1}})
    )
    both = [
        train_pack(
            members(made, [60] * 3), made.network, made.task, replace(made.training, curve_every=every)
        )
        for every in (None, 5)
    ]
    assert [o.steps_run for o in both[0]] == [o.steps_run for o in both[1]]
    assert [[p.step for p in o.curve] for o in both[1]] == [
        list(range(5, o.steps_run + 1, 5)) for o in both[1]
    ]


@pytest.mark.parametrize(
    ("every", "share", "validation", "training"),
    [(50, 0.075, 80, 40), (50, 0.75, 400, 250), (1, 0.075, 32, 32), (10**6, 0.075, 400, 250)],
)
def test_a_point_costs_a_share_of_the_training_before_it(
    tiny, monkeypatch, every, share, validation, training
):
    asked = []

    def measure(pack, split):
        asked.append(len(split))
        return answers(pack, split)

    monkeypatch.setattr(learning_curves, "answers", measure)
    monkeypatch.setattr(learning_curves, "SHARE", share)
    made = experiment(tiny())
    pack = start_pack(members(made, [20]), made.network, made.task, made.training, 0, torch.device("cpu"))
    pack.recent_losses = [train_step(pack)]
    measured(pack, every)
    assert asked == [validation, training]


def test_batch_norms_share_what_a_point_may_cost(tiny, monkeypatch):
    passes = []
    monkeypatch.setattr(
        learning_curves, "settled", lambda pack, most: passes.append(most) or settled(pack, most)
    )
    made = experiment(tiny(network={"name": "mlp", "hidden": [8], "norm": "batch"}))
    pack = start_pack(members(made, [20]), made.network, made.task, made.training, 0, torch.device("cpu"))
    pack.recent_losses = [train_step(pack)]
    measured(pack, 50)
    measured(pack, 1)
    assert passes == [2, 1]


def test_a_sample_is_spread_over_its_split(tiny):
    split = experiment(tiny()).task.splits()["train"]
    few = sample(split, 40)
    assert len(few) == 40
    assert (few.inputs[0] == split.inputs[0]).all()
    assert (few.inputs[-1] == split.inputs[-1]).all()
    assert len(sample(split, 0)) == 32
    assert sample(split, len(split)) is split
