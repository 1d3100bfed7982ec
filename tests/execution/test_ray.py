"""Searches on Ray: the rows of `local`, whatever the number of workers and whichever of them die."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import ray
import torch
from ray.cluster_utils import Cluster

from evoact.config import experiment
from evoact.errors import UserError
from evoact.execution.run import resume, search
from evoact.seeding import derive
from evoact.strategies import create
from evoact.tasks.faulty import faulty

pytestmark = pytest.mark.ray

# Beside what clocks say: what it ran on, and the names of packs that were halved.
BUT = (
    "run",
    "train_seconds",
    "step_seconds_solo",
    "started_at",
    "finished_at",
    "pack",
    "pack_size",
    "device",
)

# Packs that last a while without needing a processor.
SLEEPY = {"task": {"name": "faulty", "hangs": 1.0, "hang_seconds": 1.0}, "baselines__replicates": 0}


@pytest.fixture(scope="module")
def shared_cluster():
    """Four processors and two GPUs, whatever the machine has."""
    ray.init(address="local", num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def on_ray(config, **settings):
    return experiment(config | {"execution": {"backend": "ray_tune", "gpus_per_pack": 0, **settings}})


@pytest.fixture
def expected(tiny, tmp_path, rows_of):
    """The rows of the tiny search in one process."""
    search(experiment(tiny()), tmp_path / "local")
    return rows_of(tmp_path / "local", BUT)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_same_leaderboard_for_any_number_of_workers(
    workers, shared_cluster, expected, tiny, tmp_path, rows_of
):
    finished = search(on_ray(tiny(), workers=workers, cpus_per_pack=0.5), tmp_path / "ray")
    assert finished.complete
    assert rows_of(tmp_path / "ray", BUT) == expected


def test_learned_curves_travel_with_the_networks_made_of_them(shared_cluster, tiny, tmp_path, rows_of):
    learning = {"name": "bilevel", "starts": 2, "outer_steps": 2, "inner_steps": 3, "batch_size": 20}
    config = tiny(strategy=learning, budget__networks=20)
    search(experiment(config), tmp_path / "local")
    search(on_ray(config, workers=2, cpus_per_pack=0.5), tmp_path / "ray")
    rows = rows_of(tmp_path / "ray", BUT)
    assert rows == rows_of(tmp_path / "local", BUT)
    assert [r["kind"] for r in rows if r["phase"] == "search"][:3] == ["meta_train", "meta_train", "train"]


def test_any_worker_goes_on_from_anothers_checkpoint(shared_cluster, tiny, tmp_path, monkeypatch, rows_of):
    """Also where the run directory is named relative to the driver's."""
    halving = {
        "name": "successive_halving",
        "proposes": {"name": "evolution", "population": 9, "elites": 2, "parents": 4},
    }
    config = tiny(strategy=halving, training__steps=18, budget={"networks": 6}, packs__size=2)
    search(experiment(config), tmp_path / "local")
    monkeypatch.chdir(tmp_path)
    search(on_ray(config, workers=2, cpus_per_pack=0.5), "ray")
    rows = rows_of(tmp_path / "ray", BUT)
    assert rows == rows_of(tmp_path / "local", BUT)
    assert {r["steps_run"] for r in rows if r["rung"] == 2} == {12}


@pytest.mark.skipif(torch.cuda.is_available(), reason="pretends to have GPUs")
def test_half_a_gpu_each_places_two_packs_on_a_gpu(shared_cluster, tiny, tmp_path, rows_of):
    config = tiny(
        **SLEEPY,
        strategy={"name": "random"},
        budget__networks=40,
        training__steps=1,
        packs__size=2,
        confirm__candidates=0,
    )
    search(on_ray(config, gpus_per_pack=0.5), tmp_path / "ray")
    rows = rows_of(tmp_path / "ray", ())
    packs = {r["pack"]: (r["started_at"], r["finished_at"], r["device"]) for r in rows}
    assert {device for _, _, device in packs.values()} == {
        "cpu (granted GPU 0, but no CUDA)",
        "cpu (granted GPU 1, but no CUDA)",
    }
    at_once = [
        sorted(device for start, end, device in packs.values() if start <= moment < end)
        for moment, _, _ in packs.values()
    ]
    assert max(map(len, at_once)) == 4
    assert all(devices.count(device) <= 2 for devices in at_once for device in devices)


def test_more_than_a_node_has_is_refused(shared_cluster, tiny, tmp_path):
    with pytest.raises(
        UserError, match=r"expected a node with at least 5 CPU and 0 GPU for a pack, got at b"
    ):
        search(on_ray(tiny(), cpus_per_pack=5), tmp_path / "ray")
    search(experiment(tiny(training__steps=1)), tmp_path / "ray")  # the directory is free for another try


def test_timeouts_and_failures_on_workers(shared_cluster, tiny, tmp_path, rows_of):
    rates = {"raises": 0.2, "hangs": 0.2, "nan": 0.2}
    config = tiny(
        task={"name": "faulty", "hang_seconds": 60.0, **rates},
        packs={"size": 2, "timeout_seconds": 2.0},
        training__steps=2,
        budget__networks=16,
        baselines__replicates=0,
    )
    search(on_ray(config, workers=2), tmp_path / "ray")
    rows = rows_of(tmp_path / "ray")
    states = {"well": "completed", "raises": "failed", "nan": "diverged", "hangs": "timed_out"}
    task = faulty(**rates)
    for row in rows:
        assert row["state"] == states[task.fate(f"{row['fingerprint']}-{row['seed']}")]
    assert {"completed", "failed", "timed_out", "diverged"} == {row["state"] for row in rows}


def test_a_candidate_that_kills_its_worker_is_isolated(shared_cluster, tiny, tmp_path, rows_of):
    config = tiny(
        baselines__replicates=0, strategy={"name": "random"}, budget__networks=8, confirm__candidates=1
    )
    guilty, rate = most_likely_to_fail(experiment(config))
    config["task"] |= {"kills": rate}
    finished = search(on_ray(config, workers=1, max_failures=0), tmp_path / "ray")
    assert finished.complete
    rows = rows_of(tmp_path / "ray")
    assert [r["proposal"] for r in rows] == list(range(10))
    failed = [r for r in rows if r["state"] != "completed"]
    assert [(f"{r['fingerprint']}-{r['seed']}", r["state"]) for r in failed] == [(guilty, "failed")]
    assert "its worker process died, in 1 of 1 attempts" in failed[0]["error"]


def most_likely_to_fail(made):
    """Of a random search's proposals, the one that fails at the lowest rate, and a rate for it alone."""
    strategy = create(
        "random", made.space, seed=made.seed, networks=made.networks, steps=made.steps, replicates=10
    )
    names = [f"{p.fingerprint}-{p.seed}" for p in strategy.ask(made.networks)]
    first, second = sorted(names, key=lambda name: derive("faulty", name))[:2]
    rate = (derive("faulty", first) + derive("faulty", second)) / 2**65
    assert [n for n in names if faulty(kills=rate).fate(n) == "kills"] == [first]
    return first, rate


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_search_resumes(how, command, expected, config_file, tmp_path, rows_of, shared_cluster):
    """The signal reaches all processes of the search, as from a terminal; then another cluster goes on."""
    config = config_file(execution={"backend": "ray_tune", "workers": 1})
    process = subprocess.Popen(
        [*command, "search", config, "-o", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: list((tmp_path / "run" / "leaderboard").glob("part*.parquet")))
    os.killpg(process.pid, how)
    out, err = process.communicate(timeout=180)
    assert process.returncode == (130 if how == signal.SIGINT else -signal.SIGKILL)
    if how == signal.SIGINT:
        assert "Traceback" not in err
        assert "Stopped after" in out
        assert "evoact resume run" in out
    assert len(rows_of(tmp_path / "run")) < len(expected)
    resume(tmp_path / "run")
    assert rows_of(tmp_path / "run", BUT) == expected


# --- clusters of their own; these tests stand last, because they end the shared one ---------------


@pytest.fixture
def two_nodes():
    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False)
    yield cluster, second
    ray.shutdown()
    cluster.shutdown()


def test_a_node_lost_on_the_way(two_nodes, tiny, tmp_path, rows_of):
    cluster, second = two_nodes
    config = tiny(**SLEEPY, budget__networks=48, training__steps=1, confirm__candidates=0)
    removed = []

    def observe(progress):
        if progress.done >= 16 and not removed:
            removed.append(progress.done)
            cluster.remove_node(second, allow_graceful=False)

    finished = search(on_ray(config), tmp_path / "ray", observe=observe)
    assert finished.complete
    assert removed
    assert removed[0] < 40
    wait_for(lambda: sum(node["Alive"] for node in ray.nodes()) == 1)
    search(experiment(config | {"task": {"name": "faulty"}}), tmp_path / "local")
    assert rows_of(tmp_path / "ray", BUT) == rows_of(tmp_path / "local", BUT)


def test_a_running_cluster_by_its_address(evoact, config_file, tmp_path, rows_of):
    config = config_file(
        **SLEEPY,
        execution={"backend": "ray_tune"},
        strategy={"name": "random"},
        budget__networks=32,
        training__steps=1,
        confirm__candidates=0,
    )
    ray.shutdown()
    port = free_port()
    scratch = tempfile.mkdtemp(prefix="evoact-")  # paths of sockets must be short
    nodes = [start_node("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={scratch}")]
    try:
        wait_for(lambda: answers(port))
        nodes.append(start_node(f"--address=127.0.0.1:{port}"))
        ray.init(address=f"127.0.0.1:{port}", log_to_driver=False)
        wait_for(lambda: len(ray.nodes()) == 2)
        ray.shutdown()
        done = evoact("search", config, "-o", "run", "--address", f"127.0.0.1:{port}", seconds=120)
    finally:
        for node in nodes:
            os.killpg(node.pid, signal.SIGKILL)
            node.wait()
        shutil.rmtree(scratch, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    rows = rows_of(tmp_path / "run", ())
    assert [r["proposal"] for r in rows] == list(range(32))
    # Each node has one processor: packs that ran at once ran on both.
    spans = {r["pack"]: (r["started_at"], r["finished_at"]) for r in rows}.values()
    assert max(sum(a <= start < b for a, b in spans) for start, _ in spans) == 2


def test_no_cluster_at_the_address(evoact, config_file, tmp_path):
    started = time.monotonic()
    config = config_file(execution={"backend": "ray_tune"})
    done = evoact("search", config, "-o", "run", "--address", f"127.0.0.1:{free_port()}")
    assert done.returncode == 2
    assert "expected a Ray cluster at --address" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
    assert time.monotonic() - started < 90


def start_node(*arguments):
    ray_command = Path(sys.executable).with_name("ray")
    return subprocess.Popen(
        [ray_command, "start", "--num-cpus=1", "--block", *arguments],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition, seconds=240.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
