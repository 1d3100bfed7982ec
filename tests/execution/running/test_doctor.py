"""What a machine has that a search needs."""

import json

import numpy as np
import pytest
import torch
import yaml

from evoact.config import experiment
from evoact.execution.running.doctor import OK, WARNING, WRONG, examine, versions
from evoact.native.library import library


def by_name(findings):
    return {finding.what: finding for finding in findings}


def test_a_machine_that_has_all(tiny, tmp_path):
    found = by_name(examine(experiment(tiny()).plain(), str(tmp_path / "run"), versions()))
    assert {f.state for f in found.values()} <= {OK, WARNING}
    assert found["task"].found == "faulty: train 400, validation 400, test 400 examples"
    assert found["versions"].state == OK
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("capability", "gigabytes", "state", "meaning"),
    [
        ((9, 0), [80, 80], OK, ""),
        ((9, 0), [80, 24], WARNING, "this machine's GPUs have 24, 80 GB"),
        (
            (6, 1),
            [80, 80],
            WARNING,
            "expected a GPU of compute capability 7.0 or more, got NVIDIA H200 of 6.1",
        ),
    ],
)
def test_gpus(capability, gigabytes, state, meaning, tmp_path, monkeypatch):
    class Properties:
        def __init__(self, i):
            self.total_memory = gigabytes[i] * 1e9

    def asked(i=None):
        if capability is None:
            raise RuntimeError("CUDA error: busy")
        return capability

    answers = {
        "is_available": lambda: True,
        "device_count": lambda: len(gigabytes),
        "get_device_name": lambda i=None: "NVIDIA H200",
        "get_device_capability": asked,
        "get_device_properties": Properties,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    found = by_name(examine(None, str(tmp_path / "run")))["gpu"]
    assert found.state == state
    assert found.found == ("NVIDIA H200, NVIDIA H200" if capability == (9, 0) else "a GPU")
    assert found.meaning.startswith(meaning)
    assert bool(found.meaning) == bool(meaning)


def test_what_is_wrong_is_said(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_NATIVE", "0")
    library.cache_clear()
    data = tmp_path / "mine.npz"
    np.savez(data, x=np.random.default_rng(0).normal(size=(200, 2)), y=np.arange(200) % 2)
    plain = experiment(tiny(task={"name": "arrays", "path": str(data)})).plain()
    data.unlink()
    (tmp_path / "file").touch()
    found = by_name(
        examine(plain, str(tmp_path / "file" / "run"), versions() | {"ray": "1.0", "optuna": "1.0"})
    )
    library.cache_clear()
    assert found["kernels"].state == WARNING
    assert "EVOACT_NATIVE=0" in found["kernels"].found
    assert found["versions"].meaning == "expected ray 1.0, as where the run starts; install the same"
    assert found["run directory"].state == WRONG
    assert "expected task.path to name an npz" in found["task"].found
    assert len(found["task"].found.splitlines()) == 1


@pytest.mark.slow
def test_the_command(evoact, config_file):
    config = config_file()
    done = evoact("doctor", config)
    assert done.returncode == 0, done.stdout
    assert "ok       task" in done.stdout
    broken = yaml.safe_load(config.read_text()) | {"seed": "x"}
    config.write_text(json.dumps(broken))
    assert evoact("doctor", config).returncode == 2


@pytest.mark.ray
def test_the_nodes_of_a_cluster(evoact, config_file):
    import ray

    ray.shutdown()
    with ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False) as context:
        done = evoact("doctor", config_file(), "--address", context.address_info["address"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 node, 2 CPU" in done.stdout
    assert "2 packs at once" in done.stdout
    assert "ok       token" in done.stdout
    assert done.stdout.count("ok       task") == 2
