"""What cannot be trained on Ray: said at once, in one sentence, and nothing is written."""

import os
import re
import socket
from types import SimpleNamespace

import numpy as np
import pytest
import ray

from evoact.config import experiment
from evoact.errors import UserError
from evoact.execution.cluster.driver import Driver
from evoact.execution.cluster.pack_exchange import Exchange
from evoact.execution.run import search
from tests.execution.cluster.nodes import free_port

pytestmark = pytest.mark.ray


def test_what_a_worker_lacks_ends_the_run_at_once_with_one_sentence(shared_cluster, on_ray, tiny, tmp_path):
    """Here a data file that goes when the driver has read it; on a cluster, one that only the driver's node has."""
    data, rng = tmp_path / "mine.npz", np.random.default_rng(0)
    np.savez(data, x=rng.normal(size=(200, 2)), y=rng.integers(0, 2, 200))
    config = on_ray(tiny(task={"name": "arrays", "path": str(data)}), workers=2, cpus_per_pack=0.5)
    lacks = rf"{re.escape(socket.gethostname())} \([0-9.]+\) cannot train this: .*expected task.path to name an npz"
    said = []

    def observe(progress):
        data.unlink(missing_ok=True)
        said.append(progress.waiting)

    with pytest.raises(UserError, match=lacks) as refused:
        search(config, tmp_path / "ray", observe=observe)
    assert len(str(refused.value).splitlines()) == 1
    assert said == ["", "starting Ray", "waiting for the first of 2 workers"]
    assert not (tmp_path / "ray").exists()  # as if nobody had tried


def test_a_node_without_evoact_ends_the_run_at_once(shared_cluster, tiny):
    exchange = ray.remote(num_cpus=0)(Exchange).remote({})
    source = SimpleNamespace(next_pack=lambda size: ("", []), finished=False, workers=2)
    driver = Driver(
        source,
        experiment(tiny()),
        lambda sizes: exchange,
        {"cpu": 1.0, "gpu": 0.0},
        lambda event, **fields: None,
    )
    driver.lose("a worker", "ModuleNotFoundError: No module named 'evoact'")
    assert driver.done
    assert re.match(
        r"expected evoact [\w.]+ on every node, got one that lacks it: .*; install the same",
        str(driver.error),
    )
    ray.kill(exchange)


def test_more_than_a_node_has_is_refused(shared_cluster, on_ray, tiny, tmp_path):
    with pytest.raises(
        UserError, match=r"expected a node with at least 5 CPU and 0 GPU for a pack, got at b"
    ):
        search(on_ray(tiny(), cpus_per_pack=5), tmp_path / "ray")
    assert not (tmp_path / "ray").exists()
    (tmp_path / "ray").mkdir()  # one that was there stays, and is as it was
    with pytest.raises(UserError, match="expected a node with at least 5 CPU"):
        search(on_ray(tiny(), cpus_per_pack=5), tmp_path / "ray")
    assert os.listdir(tmp_path / "ray") == []


def test_workers_without_room_are_named(shared_cluster, on_ray, tiny, tmp_path):
    """The run goes on with those who have room: others may follow."""
    said = []

    def observe(progress):
        said.append(progress.waiting)
        if progress.done:
            raise KeyboardInterrupt

    search(on_ray(tiny(), workers=9), tmp_path / "ray", observe=observe)
    assert "waiting for the first of 9 workers, 5 of which wait for room: this cluster has it for 4" in said


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("/tmp/" + 8 * "a_folder_of_a_job/", "expected {} to name a directory of at most 39 characters"),
        ("/dev/null/nothing", "expected {} to name a directory that Ray can write to"),
    ],
)
def test_a_temporary_directory_that_ray_cannot_use(
    name, place, sentence, on_ray, tiny, tmp_path, monkeypatch
):
    """Said before anything is made; this test and the next need no cluster."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(name, place)
    with pytest.raises(UserError, match=f"{sentence.format(name)}.*set RAY_TMPDIR to"):
        search(on_ray(tiny()), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_no_cluster_at_the_address(evoact, config_file, tmp_path):
    config = config_file(execution={"backend": "ray_tune"})
    done = evoact("search", config, "-o", "run", "--address", f"127.0.0.1:{free_port()}")
    assert done.returncode == 2
    assert "expected a Ray cluster at --address" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
