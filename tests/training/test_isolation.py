"""A failing member costs itself alone."""

import sys
import time

import pytest

from evoact.errors import UserError
from evoact.tasks.faulty import faulty
from evoact.training.evaluation import Outcome
from evoact.training.isolation import train_isolated
from evoact.training.loop import train_pack
from evoact.training.pack import TrainingSettings
from tests.training.examples import member, network


def outcome_of(m):
    return Outcome("completed", {"validation": float(m.steps)})


def members(n=11):
    net = network()
    return [member(i, net, steps=i) for i in range(n)]


@pytest.mark.parametrize("guilty", [set(), {0}, {10}, {3, 4}, set(range(11))])
def test_a_raising_pack_is_bisected(guilty):
    def train(part):
        if any(m.steps in guilty for m in part):
            raise RuntimeError("cannot")
        return [outcome_of(m) for m in part]

    outcomes = train_isolated(members(), train)
    assert [o.state for o in outcomes] == ["failed" if i in guilty else "completed" for i in range(11)]
    assert all(o.error == "RuntimeError: cannot" for i, o in enumerate(outcomes) if i in guilty)
    assert all(o.metrics == {"validation": i} for i, o in enumerate(outcomes) if i not in guilty)


def test_a_pack_that_does_not_fit_is_halved():
    sizes = []

    def train(part):
        if len(part) > 3:
            raise MemoryError("no room")
        sizes.append(len(part))
        return [outcome_of(m) for m in part]

    assert all(o.state == "completed" for o in train_isolated(members(), train))
    assert sum(sizes) == 11

    def never(part):
        raise RuntimeError("[enforce fail] can't allocate memory: you tried to allocate 9 bytes")

    assert {o.state for o in train_isolated(members(), never)} == {"out_of_memory"}


def test_a_hanging_member_is_timed_out():
    def train(part):
        if any(m.steps == 2 for m in part):
            time.sleep(30)
        return [outcome_of(m) for m in part]

    started = time.perf_counter()
    outcomes = train_isolated(members(4), train, seconds=0.2)
    assert [o.state for o in outcomes] == ["completed", "completed", "timed_out", "completed"]
    assert time.perf_counter() - started < 10


def test_a_time_limit_waits_for_an_import(tmp_path, monkeypatch):
    """An import that is interrupted leaves modules behind that no later pack could use."""
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.3)\nready = True\n")
    monkeypatch.syspath_prepend(tmp_path)

    def train(part):
        import slow_to_import

        assert slow_to_import.ready
        time.sleep(30)

    started = time.perf_counter()
    try:
        assert [o.state for o in train_isolated(members(1), train, seconds=0.1)] == ["timed_out"]
        assert sys.modules["slow_to_import"].ready
    finally:
        sys.modules.pop("slow_to_import", None)
    assert time.perf_counter() - started < 10


def test_a_users_mistake_is_not_a_members_failure():
    def train(part):
        raise UserError("batch too large")

    with pytest.raises(UserError):
        train_isolated(members(), train)


def test_the_faulty_task_through_the_real_trainer():
    made = faulty(raises=0.2, nan=0.2)
    net = network(features=2, classes=2)
    all_members = [member(i, net, steps=5, seeds=1) for i in range(20)]
    fates = [made.fate(m.name) for m in all_members]
    assert {"raises", "nan", "well"} == set(fates)

    def train(part):
        return train_pack(part, net, made, TrainingSettings(32))

    states = [o.state for o in train_isolated(all_members, train)]
    expected = {"raises": "failed", "nan": "diverged", "well": "completed"}
    assert states == [expected[fate] for fate in fates]
