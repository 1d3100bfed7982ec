"""Members that end before their last step: those that no longer improve, and those that diverged."""

from dataclasses import replace

import numpy as np
import pytest

from evoact.training.early_stop import EarlyStop
from evoact.training.loop import LOOK_STEPS, train_pack
from evoact.training.pack import TrainingSettings
from tests.training.examples import member, network, task

EVERY, END = 5, 60


def at_rate(m, rate):
    return replace(m, genome=replace(m.genome, hyperparameters=(("learning_rate", rate),)))


def assert_same(ours, theirs):
    assert (ours.state, ours.metrics, ours.train_loss) == (theirs.state, theirs.metrics, theirs.train_loss)
    assert all(np.array_equal(ours.learned[name], theirs.learned[name]) for name in theirs.learned)


@pytest.mark.slow
@pytest.mark.parametrize("regression", [False, True])
def test_members_stop_one_by_one(regression):
    """Each where its own metric stands still, as a run to just that step would have ended."""
    net, data = network(), task(regression=regression)
    members = [replace(member(i, net), steps=END) for i in range(6)]
    if regression:  # so fast that the error goes up and down
        members = [at_rate(m, 0.1) for m in members]
    settings = TrainingSettings(32, early_stop=EarlyStop(EVERY, 2))
    ours = train_pack(members, net, data, settings, keep="all")
    ends = [o.steps_run for o in ours]
    assert len(set(ends)) > 1
    assert min(ends) < END
    assert all(end == END or end % EVERY == 0 for end in ends)
    for m, outcome in zip(members, ours, strict=True):
        to_there = replace(m, steps=outcome.steps_run)
        (alone,) = train_pack([to_there], net, data, TrainingSettings(32), keep="all")
        assert_same(outcome, alone)


def test_it_stops_where_the_validation_metric_says():
    net, data, patience = network(), task(), 3
    m = replace(member(1, net), steps=END)
    (ours,) = train_pack([m], net, data, TrainingSettings(32, early_stop=EarlyStop(EVERY, patience)))
    metrics = [
        train_pack([replace(m, steps=step)], net, data, TrainingSettings(32))[0].metrics["validation"]
        for step in range(EVERY, ours.steps_run + 1, EVERY)
    ]
    *_, best = [i for i in range(len(metrics)) if metrics[i] > max(metrics[:i], default=-1)]
    assert ours.steps_run == END or len(metrics) - 1 - best == patience
    assert all(later <= metrics[best] for later in metrics[best:])


def test_patience_goes_on_from_a_checkpoint():
    net, data = network(), task()
    members = [replace(member(i, net), steps=END) for i in range(6)]
    settings = TrainingSettings(32, early_stop=EarlyStop(EVERY, 3))
    whole = train_pack(members, net, data, settings, keep="all")
    stop = 4 * EVERY + 2
    first = [min(stop, w.steps_run) for w in whole]
    halves = train_pack([replace(m, steps=stop, resumable=True) for m in members], net, data, settings)
    assert [h.steps_run for h in halves] == first
    second = [replace(m, start=stop, checkpoint=h.checkpoint) for m, h in zip(members, halves, strict=True)]
    for ours, w in zip(train_pack(second, net, data, settings, keep="all"), whole, strict=True):
        assert_same(ours, w)
        assert ours.steps_run == max(0, w.steps_run - stop)


def test_what_diverged_does_not_train_on():
    """Its neighbours do, with the bits that they would have had without it."""
    net, data, settings = network(), task(), TrainingSettings(32, "sgd")
    members = [at_rate(replace(member(i, net), steps=LOOK_STEPS + 20), 0.05) for i in range(3)]
    members[1] = at_rate(members[1], 1e30)
    ours = train_pack(members, net, data, settings, keep="all")
    assert [o.state for o in ours] == ["completed", "diverged", "completed"]
    assert [o.steps_run for o in ours] == [LOOK_STEPS + 20, LOOK_STEPS, LOOK_STEPS + 20]
    others = train_pack([members[0], members[2]], net, data, settings, keep="all")
    for a, b in zip((ours[0], ours[2]), others, strict=True):
        assert_same(a, b)
