"""Searches on Ray: the rows of `local`, whatever the number of workers."""

import pytest
import torch

from evoact.config import experiment
from evoact.execution.run import search
from evoact.networks.own.named import given_network
from tests.conftest import DIVISION
from tests.execution.cluster.nodes import ENDLESS

pytestmark = pytest.mark.ray


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_same_leaderboard_for_any_number_of_workers(
    workers, shared_cluster, expected, on_ray, tiny, tmp_path, rows_of
):
    finished = search(on_ray(tiny(), workers=workers, cpus_per_pack=0.5), tmp_path / "ray")
    assert finished.complete
    assert rows_of(tmp_path / "ray", DIVISION) == expected


def test_learned_curves_travel_with_the_networks_made_of_them(
    shared_cluster, on_ray, tiny, tmp_path, rows_of
):
    learning = {"name": "bilevel", "starts": 2, "outer_steps": 2, "inner_steps": 3, "batch_size": 20}
    config = tiny(strategy=learning, budget__networks=20)
    search(experiment(config), tmp_path / "local")
    search(on_ray(config, workers=2, cpus_per_pack=0.5), tmp_path / "ray")
    rows = rows_of(tmp_path / "ray", DIVISION)
    assert rows == rows_of(tmp_path / "local", DIVISION)
    assert [r["kind"] for r in rows if r["phase"] == "search"][:3] == ["meta_train", "meta_train", "train"]


def test_models_travel_with_the_run(shared_cluster, on_ray, tiny, tmp_path, rows_of):
    """A file's text in the config, an object of the program's own beside it."""
    code = (
        "from torch import nn\ndef make(n_outputs):\n"
        "    return nn.Sequential(nn.Linear({}, 5), nn.Tanh(), nn.Linear(5, n_outputs))\n"
    )
    width = experiment(tiny()).task.input_shape[0]
    names = {}
    exec(code.format(width), names)
    (tmp_path / "model.py").write_text(code.format(width))
    config = tiny(network={"name": "own", "file": str(tmp_path / "model.py"), "build": "make"})
    made = on_ray(config, workers=1)
    (tmp_path / "model.py").unlink()
    assert search(made, tmp_path / "file").complete
    given = on_ray(tiny(network=given_network(names["make"])), workers=1)
    assert search(given, tmp_path / "object").complete
    assert rows_of(tmp_path / "file", DIVISION) == rows_of(tmp_path / "object", DIVISION)


def test_any_worker_goes_on_from_anothers_checkpoint(
    shared_cluster, on_ray, tiny, tmp_path, monkeypatch, rows_of
):
    """Also where the run directory is named relative to the driver's."""
    halving = {
        "name": "successive_halving",
        "proposes": {"name": "evolution", "population": 9, "elites": 2, "parents": 4},
    }
    config = tiny(strategy=halving, training__steps=18, budget={"networks": 6}, packs__size=2)
    search(experiment(config), tmp_path / "local")
    monkeypatch.chdir(tmp_path)
    search(on_ray(config, workers=2, cpus_per_pack=0.5), "ray")
    rows = rows_of(tmp_path / "ray", DIVISION)
    assert rows == rows_of(tmp_path / "local", DIVISION)
    assert {r["steps_run"] for r in rows if r["rung"] == 2} == {12}


@pytest.mark.skipif(torch.cuda.is_available(), reason="pretends to have GPUs")
def test_half_a_gpu_each_places_two_packs_on_a_gpu(shared_cluster, on_ray, tiny, tmp_path):
    packs = {}

    def at_once():
        """The devices of the packs in training when each of them began."""
        return [
            [device for start, end, device in packs.values() if start <= moment < end]
            for moment, _, _ in packs.values()
        ]

    def observe(progress):
        packs.update({r.pack: (r.started_at, r.finished_at, r.device) for r in progress.results})
        if max(map(len, at_once()), default=0) == 4:
            raise KeyboardInterrupt

    made = on_ray(tiny(**ENDLESS, packs__size=2), gpus_per_pack=0.5)
    search(made, tmp_path / "ray", observe=observe)
    assert max(map(len, at_once())) == 4
    granted = {"cpu (granted GPU 0, but no CUDA)", "cpu (granted GPU 1, but no CUDA)"}
    assert {device for _, _, device in packs.values()} == granted
    assert all(devices.count(device) <= 2 for devices in at_once() for device in devices)
