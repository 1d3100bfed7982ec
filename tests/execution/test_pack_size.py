"""`packs.size: auto`: what bounds the choice, and that it is made once."""

import pytest
import yaml

from evoact.cli.main import main
from evoact.config import Plan, experiment
from evoact.execution.pack_size import LARGEST, UNMEASURED, asked_at_once, choose, room, with_pack_size
from evoact.execution.run import search

LARGE = [60_000, 60_000]  # 3.6e9 weights


@pytest.mark.slow
def test_a_chosen_size_stands_in_the_run(tiny, tmp_path, rows_of):
    """Nothing is measured again on resume, and results are those of any other size."""
    chosen = experiment(tiny(packs={"size": "auto"}))
    with pytest.raises(ValueError, match="to be chosen before the run"):
        _ = Plan.of(chosen).pack_size
    assert search(chosen, tmp_path / "auto").complete
    size = yaml.safe_load((tmp_path / "auto" / "config.yaml").read_text())["packs"]["size"]
    assert size == 2 ** (size.bit_length() - 1) <= 8
    search(experiment(tiny()), tmp_path / "four")
    packs = ("run", "pack", "pack_size", "train_seconds", "step_seconds_solo", "started_at", "finished_at")
    assert rows_of(tmp_path / "auto", packs) == rows_of(tmp_path / "four", packs)


def test_a_number_is_left_alone(tiny):
    plan = Plan.of(experiment(tiny()))
    assert with_pack_size(plan) is plan


def test_no_worker_is_left_without_a_pack(tiny):
    """A generation of 8 is two packs of 4 for two workers, and a budget of 3 no pack of 4."""
    two = {"backend": "ray_tune", "workers": 2, "gpus_per_pack": 0}
    assert asked_at_once(experiment(tiny(packs={"size": "auto"})), 1) == 8
    assert choose(experiment(tiny(packs={"size": "auto"}, execution=two))) <= 4
    assert choose(experiment(tiny(packs={"size": "auto"}, budget={"networks": 3}))) <= 2
    independent = experiment(tiny(strategy={"name": "random"}, budget={"networks": 100_000}))
    assert asked_at_once(independent, 1) == LARGEST


def test_meta_trainings_say_nothing_about_packs_of_networks(tiny):
    learning = {"name": "bilevel", "outer_steps": 2, "inner_steps": 3, "batch_size": 20}
    assert asked_at_once(experiment(tiny(strategy=learning, budget={"networks": 40})), 1) == UNMEASURED


def test_memory_bounds_it(tiny):
    assert room(experiment(tiny())) > 8
    assert room(experiment(tiny(network={"name": "mlp", "hidden": LARGE}))) == 1


def test_what_cannot_be_measured_is_chosen_without(tiny):
    failing = experiment(tiny(task={"name": "faulty", "raises": 1.0}, packs={"size": "auto"}))
    assert choose(failing) == 8


def test_a_dry_run_says_what_would_be_chosen(config_file, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["search", str(config_file(packs={"size": "auto"})), "--dry-run"])
    assert not ended.value.code
    assert "networks, chosen for this machine" in capsys.readouterr().out
