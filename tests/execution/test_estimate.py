"""What a dry run says beforehand against what then is trained."""

from collections import Counter

import pytest

from evoact.config import experiment
from evoact.execution.estimate import estimate
from evoact.execution.run import search

LEARNING = {"name": "bilevel", "starts": 2, "inner_steps": 3, "batch_size": 20}


@pytest.mark.slow
@pytest.mark.parametrize("strategy", [{"name": "evolution"}, LEARNING | {"outer_steps": 2}])
def test_networks_and_gradient_examples_are_those_of_the_run(strategy, tiny, tmp_path, rows_of):
    made = experiment(tiny(strategy=strategy, budget={"networks": 40}))
    found = estimate(made)
    assert search(made, tmp_path / "run").complete
    rows = rows_of(tmp_path / "run")
    assert found.networks == sum(found.by_phase.values())
    trained = Counter(row["phase"] for row in rows)
    judge = found.by_phase["judge"]
    # One is judged if the best that the search found is a baseline itself.
    assert trained.pop("judge") in (judge // 2, judge)
    assert trained == {phase: n for phase, n in found.by_phase.items() if phase != "judge"}
    spent = sum(row["gradient_examples"] for row in rows)
    # A meta-training is paid for in whole networks.
    assert spent <= found.gradient_examples < spent + 2 * made.steps * made.training.batch_size


def test_meta_training_is_timed_beside_the_networks(tiny):
    def found(outer_steps, networks):
        strategy, budget = LEARNING | {"outer_steps": outer_steps}, {"networks": networks}
        made = experiment(tiny(strategy=strategy, budget=budget))
        return made.networks - made.meta_cost, estimate(made)

    short, long = found(1, 20), found(1_000_000, 562_518)
    assert short[0] == long[0] == 18  # are left for networks
    assert long[1].worker_minutes > 100 * short[1].worker_minutes


def test_two_workers_share_out_what_there_is_to_do(tiny):
    two = {"backend": "ray_tune", "workers": 2, "gpus_per_pack": 0, "cpus_per_pack": 0.5}
    found = estimate(experiment(tiny(execution=two)))
    assert found.packs_at_once == 2
    assert found.worker_minutes == pytest.approx(2 * found.minutes)


def test_only_time_limits_it(tiny):
    found = estimate(experiment(tiny(budget={"minutes": 3})))
    assert found.minutes == found.worker_minutes == 3
