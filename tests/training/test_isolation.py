"""A failing member costs itself alone."""

import sys
import time
from dataclasses import replace

import pytest

from evoact.errors import UserError
from evoact.tasks.faulty import FaultyTask, faulty
from evoact.training.evaluation import Outcome
from evoact.training.isolation import AT_STEP, train_isolated
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


@pytest.mark.parametrize(
    "guilty", [{0: 3}, {10: 0}, {3: 5, 4: 5}, {2: 1, 7: 8, 9: 1}, dict.fromkeys(range(11), 2)]
)
def test_the_others_are_one_pack_again_if_it_is_known_when_it_raised(guilty):
    """Until it is known who raises, nobody is trained beyond the step of the failure."""
    taken, whole = [], []

    def train(part):
        named = {int(m.name): m.steps for m in part}
        last = min((guilty[name] for name in named if guilty.get(name, 99) < named[name]), default=None)
        taken.append((len(part), max(named.values()) if last is None else last + 1))
        if last is not None:
            error = RuntimeError("cannot")
            vars(error)[AT_STEP] = last
            raise error
        if max(named.values()) == 20:
            whole.append(sorted(named))
        return [outcome_of(m) for m in part]

    net = network()
    asked = [replace(member(i, net, steps=20), name=str(i)) for i in range(11)]
    outcomes = train_isolated(asked, train)
    assert [o.state for o in outcomes] == ["failed" if i in guilty else "completed" for i in range(11)]
    assert all(o.error == "RuntimeError: cannot" for i, o in enumerate(outcomes) if i in guilty)
    assert whole == [[i for i in range(11) if i not in guilty]] * (len(guilty) < 11)
    assert all(steps in {20, *(at + 1 for at in guilty.values())} for _, steps in taken)


def test_a_failure_that_does_not_come_again_costs_nobody():
    """Such as one of a value that a schedule has at no other time."""

    def train(part):
        if len(part) > 3:
            error = RuntimeError("cannot")
            vars(error)[AT_STEP] = 5
            raise error
        return [outcome_of(m) for m in part]

    assert {o.state for o in train_isolated(members(), train)} == {"completed"}


def test_training_says_at_which_step_it_raised():
    taken = []

    class Fifth(FaultyTask):
        def losses(self, outputs, targets, names):
            taken.append(names)
            if len(taken) == 5:
                raise RuntimeError("cannot")
            return super().losses(outputs, targets, names)

    net = network(2, 2)
    with pytest.raises(RuntimeError) as raised:
        train_pack([member(0, net, steps=20)], net, Fifth(0.0, 0.0, 0.0, 0.0, 0.0), TrainingSettings(32))
    assert vars(raised.value)[AT_STEP] == 4


def test_who_raises_late_is_found_without_trying_the_others():
    """Each is trained alone as far as the pack was, all others once more together."""
    taken = []

    class Late(FaultyTask):
        def losses(self, outputs, targets, names):
            taken.append(tuple(names))
            if any(sum(n in group for group in taken) > 5 for n in {"2", "6"} & {*names}):
                raise RuntimeError("cannot")
            return super().losses(outputs, targets, names)

    net, made = network(2, 2), Late(0.0, 0.0, 0.0, 0.0, 0.0)
    asked = [replace(member(i, net, steps=20), name=str(i)) for i in range(8)]
    sizes = []

    def train(part):
        sizes.append(len(part))
        del taken[:]
        return train_pack(part, net, made, TrainingSettings(32))

    outcomes = train_isolated(asked, train)
    assert [i for i, o in enumerate(outcomes) if o.state == "failed"] == [2, 6]
    alone = train_pack([asked[3]], net, faulty(), TrainingSettings(32))
    assert outcomes[3].metrics == alone[0].metrics
    assert sizes == [8, 1, 1, 6]


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
    ended = []

    def train(part):
        if any(m.steps == 2 for m in part):
            time.sleep(30)
            ended.append(part)
        return [outcome_of(m) for m in part]

    outcomes = train_isolated(members(4), train, seconds=0.4)
    assert [o.state for o in outcomes] == ["completed", "completed", "timed_out", "completed"]
    assert not ended


def test_a_time_limit_waits_for_an_import(tmp_path, monkeypatch):
    """An import that is interrupted leaves modules behind that no later pack could use."""
    ended = []
    (tmp_path / "slow_to_import.py").write_text("import time\ntime.sleep(0.3)\nready = True\n")
    monkeypatch.syspath_prepend(tmp_path)

    def train(part):
        import slow_to_import

        assert slow_to_import.ready
        time.sleep(30)
        ended.append(part)

    try:
        assert [o.state for o in train_isolated(members(1), train, seconds=0.1)] == ["timed_out"]
        assert sys.modules["slow_to_import"].ready
    finally:
        sys.modules.pop("slow_to_import", None)
    assert not ended


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
