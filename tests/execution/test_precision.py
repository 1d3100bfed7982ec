"""`training.precision: auto`: among what it chooses, by what, and that it is chosen once."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml

from evoact.config import Plan, experiment
from evoact.errors import SearchFailed, UserError
from evoact.execution import precision
from evoact.execution.precision import as_stored, choices, fastest, with_precision
from evoact.execution.run import resume, search
from evoact.execution.stages import Stages
from evoact.execution.worker import PackTrainer
from evoact.networks.precision import has_bf16
from evoact.training.gpu.devices import GpuLost

needs_bf16 = pytest.mark.skipif(not has_bf16(torch.device("cpu")), reason="this processor has no bf16")
AUTO = {"steps": 3, "batch_size": 20, "precision": "auto"}
REGRESSION = {"name": "henon_heiles"}
OWN = """
import torch


def make():
    return torch.nn.Sequential(torch.nn.Linear(2, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
"""


@pytest.fixture
def seconds(monkeypatch):
    """How long steps take, by precision."""
    taken = {"float32": 1.0, "bf16": 1.0, "tf32": 1.0}
    monkeypatch.setattr(precision, "precisions_of", lambda device: ("float32", "bf16", "float16", "tf32"))
    monkeypatch.setattr(precision, "_seconds", lambda made, name, size: taken[name])
    return taken


@pytest.mark.parametrize(
    ("taken", "best"),
    [
        ({}, "float32"),
        ({"bf16": 0.95}, "float32"),
        ({"bf16": 0.5}, "bf16"),
        ({"bf16": 0.5, "tf32": 0.4}, "tf32"),
        ({"bf16": None, "tf32": 0.4}, "float32"),
    ],
)
def test_the_fastest_is_chosen_if_it_gains_enough(tiny, seconds, taken, best):
    seconds |= taken
    assert fastest(experiment(tiny(training=AUTO))) == best


def test_what_might_change_verdicts_is_never_chosen(tiny, seconds, tmp_path):
    made = experiment(tiny(training=AUTO))
    assert choices(made) == ("float32", "bf16", "tf32")  # float16 may overflow
    assert choices(experiment(tiny(training=AUTO, task=REGRESSION))) == ("float32",)
    pixels = np.random.default_rng(0).normal(size=(200, 1, 16, 16))
    np.savez(tmp_path / "images.npz", x=pixels, y=np.arange(200) % 2)
    images = {"task": {"name": "arrays", "path": str(tmp_path / "images.npz")}, "training": AUTO}
    assert "bf16" in choices(experiment(tiny(network={"name": "lenet5", "width": 0.5}, **images)))
    assert choices(experiment(tiny(network={"name": "kerasnet"}, **images))) == ("float32",)
    (tmp_path / "model.py").write_text(OWN)
    own = {"name": "own", "file": str(tmp_path / "model.py"), "build": "make"}
    assert choices(experiment(tiny(training=AUTO, network=own))) == ("float32",)


def test_of_other_machines_nothing_is_known(tiny, seconds):
    seconds["bf16"] = 0.1
    plan = Plan.of(experiment(tiny(training=AUTO)))
    assert with_precision(plan).config.training.precision == "bf16"
    assert with_precision(plan, measured=False).config.training.precision == "float32"


def test_a_name_is_left_alone(tiny):
    plan = Plan.of(experiment(tiny()))
    assert with_precision(plan) is plan


def test_what_this_device_lacks_is_refused_before_anything_is_written(tiny, tmp_path):
    made = experiment(tiny(training={"steps": 3, "batch_size": 20, "precision": "tf32"}))
    with pytest.raises(UserError, match="which this processor has, got 'tf32'"):
        search(made, tmp_path / "run")
    assert not (tmp_path / "run" / "config.yaml").exists()


def test_every_arm_is_looked_at(tiny, seconds, monkeypatch):
    def plan(*names):
        arms = {name: experiment(tiny(training=AUTO | {"precision": name})) for name in names}
        return replace(Plan.of(arms[names[0]]), arms=arms)

    seconds["bf16"] = 0.1
    settled = with_precision(plan("float32", "auto"))  # the first one is named, another is not
    assert [arm.config.training.precision for arm in settled.arms.values()] == ["float32", "bf16"]
    monkeypatch.undo()
    with pytest.raises(UserError, match="which this processor has, got 'tf32'"):
        with_precision(plan("float32", "tf32"))


def test_a_worker_that_lacks_it_says_so_before_its_first_pack(tiny):
    plan = Plan.of(experiment(tiny(training=AUTO | {"precision": "tf32"})))
    with pytest.raises(UserError, match="which this processor has, got 'tf32'"):
        PackTrainer(plan, gpu=False)


@needs_bf16
def test_what_was_chosen_stands_in_the_run_and_its_rows(tiny, tmp_path, rows_of, monkeypatch):
    monkeypatch.setattr(precision, "_seconds", lambda made, name, size: 1.0 if name == "float32" else 0.5)
    made = experiment(tiny(training=AUTO))
    assert search(made, tmp_path / "run").complete
    stored = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert stored["training"]["precision"] == "bf16"
    assert {row["precision"] for row in rows_of(tmp_path / "run")} == {"bf16"}
    monkeypatch.setattr(precision, "_seconds", lambda made, name, size: pytest.fail("measured again"))
    assert resume(tmp_path / "run").complete
    assert as_stored(Plan.of(made), stored).config.training.precision == "bf16"


def test_a_real_measurement_chooses_among_what_there_is(tiny):
    made = experiment(tiny(training=AUTO))
    assert fastest(made) in choices(made)


def test_a_gpu_that_vanishes_beside_training(tiny, monkeypatch):
    def lost(*arguments, **options):
        raise RuntimeError("CUDA error: unspecified launch failure")

    trainer = PackTrainer(Plan.of(experiment(tiny())), gpu=False)
    monkeypatch.setattr("evoact.execution.worker._result", lost)
    proposals = Stages(trainer.plan.first).ask(1)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device=None: None)
    with pytest.raises(RuntimeError, match="unspecified"):  # it answers: an error of another kind
        trainer("pack", proposals)
    monkeypatch.setattr(torch.cuda, "synchronize", lost)
    with pytest.raises(GpuLost, match="does not any more"):
        trainer("pack", proposals)


def test_a_search_whose_gpu_vanishes_says_how_to_go_on(tiny, tmp_path, monkeypatch):
    def gone(self, pack, proposals):
        raise GpuLost("expected a GPU that answers, got one that does not any more (CUDA error: unknown)")

    monkeypatch.setattr("evoact.execution.worker.PackTrainer.__call__", gone)
    with pytest.raises(SearchFailed, match=r"does not any more .*; continue with `evoact resume"):
        search(experiment(tiny()), tmp_path / "run")
    monkeypatch.undo()
    assert resume(tmp_path / "run").complete
