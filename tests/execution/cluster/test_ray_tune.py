"""Searches on Ray: the rows of `local`, whatever the number of workers and whichever of them die."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from types import SimpleNamespace

import numpy as np
import pytest
import ray
import torch
from ray.cluster_utils import Cluster
from ray.util.placement_group import placement_group

from evoact.config import experiment
from evoact.config.stored_plan import experiment_of
from evoact.errors import UserError
from evoact.execution.cluster.driver import Driver
from evoact.execution.cluster.pack_exchange import Exchange
from evoact.execution.run import resume, search
from evoact.execution.running.log import events
from evoact.execution.running.scale import Scale, ask
from evoact.leaderboard.location import Location
from evoact.networks.own.named import given_network
from evoact.seeding import derive
from evoact.strategies import create
from evoact.tasks.faulty import faulty
from tests.conftest import COMMAND, DIVISION
from tests.execution.cluster.nodes import SLEEPY, answers, free_port, processes_of, wait_for

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def shared_cluster():
    """Four processors and two GPUs, whatever the machine has."""
    ray.init(address="local", num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def on_ray(config, **settings):
    return experiment(config | {"execution": {"backend": "ray_tune", "gpus_per_pack": 0, **settings}})


@pytest.fixture(scope="module")
def expected(tiny, tmp_path_factory, rows_of):
    """The rows of the tiny search in one process."""
    place = tmp_path_factory.mktemp("expected") / "local"
    search(experiment(tiny()), place)
    return rows_of(place, DIVISION)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_same_leaderboard_for_any_number_of_workers(
    workers, shared_cluster, expected, tiny, tmp_path, rows_of
):
    finished = search(on_ray(tiny(), workers=workers, cpus_per_pack=0.5), tmp_path / "ray")
    assert finished.complete
    assert rows_of(tmp_path / "ray", DIVISION) == expected


def test_learned_curves_travel_with_the_networks_made_of_them(shared_cluster, tiny, tmp_path, rows_of):
    learning = {"name": "bilevel", "starts": 2, "outer_steps": 2, "inner_steps": 3, "batch_size": 20}
    config = tiny(strategy=learning, budget__networks=20)
    search(experiment(config), tmp_path / "local")
    search(on_ray(config, workers=2, cpus_per_pack=0.5), tmp_path / "ray")
    rows = rows_of(tmp_path / "ray", DIVISION)
    assert rows == rows_of(tmp_path / "local", DIVISION)
    assert [r["kind"] for r in rows if r["phase"] == "search"][:3] == ["meta_train", "meta_train", "train"]


def test_models_travel_with_the_run(shared_cluster, tiny, tmp_path, rows_of):
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
    rows = rows_of(tmp_path / "ray", DIVISION)
    assert rows == rows_of(tmp_path / "local", DIVISION)
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


def test_what_a_worker_lacks_ends_the_run_at_once_with_one_sentence(shared_cluster, tiny, tmp_path):
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


def test_more_than_a_node_has_is_refused(shared_cluster, tiny, tmp_path):
    with pytest.raises(
        UserError, match=r"expected a node with at least 5 CPU and 0 GPU for a pack, got at b"
    ):
        search(on_ray(tiny(), cpus_per_pack=5), tmp_path / "ray")
    assert not (tmp_path / "ray").exists()
    (tmp_path / "ray").mkdir()  # one that was there stays, and is as it was
    with pytest.raises(UserError, match="expected a node with at least 5 CPU"):
        search(on_ray(tiny(), cpus_per_pack=5), tmp_path / "ray")
    assert os.listdir(tmp_path / "ray") == []


def test_workers_without_room_are_named(shared_cluster, tiny, tmp_path):
    """The run goes on with those who have room: others may follow."""
    said = []

    def observe(progress):
        said.append(progress.waiting)
        if progress.done:
            raise KeyboardInterrupt

    search(on_ray(tiny(), workers=9), tmp_path / "ray", observe=observe)
    assert "waiting for the first of 9 workers, 5 of which wait for room: this cluster has it for 4" in said


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
        baselines__replicates=0,
        strategy={"name": "random"},
        budget__networks=8,
        confirm={"candidates": 1, "seeds": 2, "judge": 0},
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


def test_a_worker_that_hangs_is_given_up(shared_cluster, tiny, tmp_path, monkeypatch, rows_of):
    """Stopped in the middle of a pack: another process trains that, and the row says nothing of it."""
    monkeypatch.setattr("evoact.execution.cluster.driver.SILENT_SECONDS", 15.0)
    stopped = []

    def observe(progress):
        if progress.done >= 4 and not stopped:
            worker = [e for e in events(Location.of(tmp_path / "ray")) if e["event"] == "pack"][-1]["worker"]
            stopped.append(int(worker.rpartition(":")[2]))
            os.kill(stopped[0], signal.SIGSTOP)

    config = tiny(**SLEEPY, budget__networks=16, training__steps=1, confirm__candidates=0)
    assert search(on_ray(config, workers=1), tmp_path / "ray", observe=observe).complete
    search(experiment(config | {"task": {"name": "faulty"}}), tmp_path / "local")
    assert rows_of(tmp_path / "ray", DIVISION) == rows_of(tmp_path / "local", DIVISION)
    faults = [e["what"] for e in events(Location.of(tmp_path / "ray")) if e["event"] == "fault"]
    assert faults == ["worker hung"]
    wait_for(lambda: not os.path.exists(f"/proc/{stopped[0]}"))


def test_an_interrupt_gives_the_resources_back(shared_cluster, tiny, tmp_path):
    """Also in a program that keeps Ray, whose own placement groups stay."""
    own = placement_group([{"CPU": 0.5}])
    ray.get(own.ready())

    def observe(progress):
        if progress.done >= 4:
            raise KeyboardInterrupt

    made = on_ray(tiny(baselines__replicates=0), workers=8, cpus_per_pack=1)  # some wait for room
    assert not search(made, tmp_path / "ray", observe=observe).complete
    wait_for(lambda: ray.available_resources().get("CPU") == 3.5)
    states = [group["state"] for group in ray.util.placement_group_table().values()]
    assert states.count("CREATED") == 1
    assert {*states} <= {"CREATED", "REMOVED"}
    ray.util.remove_placement_group(own)


def test_idle_workers_give_their_resources_back(shared_cluster, expected, tiny, tmp_path, rows_of):
    """A worker that has nothing to do for a while goes, and another comes if there is."""
    slept = []

    def observe(progress):
        if progress.done == 8 and not slept:
            slept.append(time.sleep(4.0))  # the driver offers nothing meanwhile

    made = on_ray(tiny(packs__size=8), workers=1, cpus_per_pack=0.5, idle_seconds=0.5)
    assert search(made, tmp_path / "ray", observe=observe).complete
    assert rows_of(tmp_path / "ray", DIVISION) == expected
    assert slept
    workers = [e["worker"] for e in events(Location.of(tmp_path / "ray")) if e["event"] == "pack"]
    assert len({*workers}) >= 2


def in_memory(session):
    """What the processes of a session have in /dev/shm, by name."""
    found = set()
    for process in processes_of(session):
        with suppress(OSError), open(f"/proc/{process}/maps") as maps:
            found |= {*re.findall(r"/dev/shm/(\S+)", maps.read())}
    return found


@pytest.mark.parametrize("backend", ["local", "ray_tune"])
@pytest.mark.parametrize("how", ["end", "once", "twice", "SIGTERM", "SIGTERM at the start"])
def test_nothing_is_left_behind(how, backend, config_file, tmp_path):
    """No process, no file in /dev/shm or in the temporary directory, however a search ends; the signals reach all its
    processes."""
    endless = {} if how == "end" else {"budget__networks": 5000, "training__steps": 2000}
    config = config_file(
        **endless, execution={"backend": backend, **({"workers": 1} if backend != "local" else {})}
    )
    temporary = tempfile.mkdtemp(prefix="evoact-")  # paths of sockets must be short
    process = subprocess.Popen(
        [*COMMAND, "search", config, "-o", "run"],
        cwd=tmp_path,
        env=os.environ | {"TMPDIR": temporary},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        if how == "SIGTERM at the start":
            # The run has its directory, and Ray is starting, or the first pack in training.
            wait_for(lambda: (tmp_path / "run" / "config.yaml").exists())
            time.sleep(0.5)
            held = in_memory(process.pid)
            os.killpg(process.pid, signal.SIGTERM)
        else:
            wait_for(lambda: list((tmp_path / "run" / "leaderboard").glob("*.parquet")))
            held = in_memory(process.pid)
        if how in ("once", "twice", "SIGTERM"):
            os.killpg(process.pid, signal.SIGTERM if how == "SIGTERM" else signal.SIGINT)
            if how == "twice":
                time.sleep(0.3)
                os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=240)
        assert process.returncode == (0 if how == "end" else 130), err
        assert "Traceback" not in err
        wait_for(lambda: not processes_of(process.pid))
        # Ray keeps the folder of all its sessions.
        assert {*os.listdir(temporary)} <= {"ray"}
        assert os.listdir(temporary) == [] or os.listdir(os.path.join(temporary, "ray")) == []
        assert not held & {*os.listdir("/dev/shm")}
    finally:
        for pid in processes_of(process.pid):
            os.kill(int(pid), signal.SIGKILL)
        shutil.rmtree(temporary)


POISON = "import pathlib; pathlib.Path(__file__).with_suffix('.ran').touch(); raise SystemExit('poisoned')"


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_search_resumes(how, expected, config_file, tmp_path, rows_of, shared_cluster):
    """The signal reaches all processes of the search, as from a terminal or a scheduler; then another cluster goes
    on. What lies in the working directory is imported by none of them."""
    (tmp_path / "evoact").mkdir()
    for module in ("evoact/__init__.py", "torch.py", "yaml.py", "numpy.py", "ray.py", "psutil.py"):
        (tmp_path / module).write_text(POISON)
    config = config_file(execution={"backend": "ray_tune", "workers": 1})
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", COMMAND[-1], "search", config, "-o", "run"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(lambda: list((tmp_path / "run" / "leaderboard").glob("part*.parquet")))
    os.killpg(process.pid, how)
    out, err = process.communicate(timeout=180)
    assert process.returncode == (-how if how == signal.SIGKILL else 130)
    wait_for(lambda: not processes_of(process.pid))
    assert not list(tmp_path.glob("**/*.ran"))
    if how != signal.SIGKILL:
        assert "starting Ray" in err
        assert "Traceback" not in err
        assert "Stopped after" in out
        assert "evoact resume run" in out
    assert len(rows_of(tmp_path / "run")) < len(expected)
    resume(tmp_path / "run")
    assert rows_of(tmp_path / "run", DIVISION) == expected


@pytest.mark.parametrize("name", ["TMPDIR", "RAY_TMPDIR"])
@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ("/tmp/" + 8 * "a_folder_of_a_job/", "expected {} to name a directory of at most 39 characters"),
        ("/dev/null/nothing", "expected {} to name a directory that Ray can write to"),
    ],
)
def test_a_temporary_directory_that_ray_cannot_use(name, place, sentence, tiny, tmp_path, monkeypatch):
    """Said before anything is made; this test and the next need no cluster."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv(name, place)
    with pytest.raises(UserError, match=f"{sentence.format(name)}.*set RAY_TMPDIR to"):
        search(on_ray(tiny()), tmp_path / "run")
    assert not (tmp_path / "run").exists()


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
    assert rows_of(tmp_path / "ray", DIVISION) == rows_of(tmp_path / "local", DIVISION)


def test_workers_follow_the_cluster(tiny, tmp_path):
    """A node that joins gets work, so many workers as are asked for stay, and the end is at once if need be."""
    ray.shutdown()
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    ray.init(address=cluster.address, log_to_driver=False)
    joined, asked, seen = [], [], []

    def observe(progress):
        packs = [e["workers"] for e in events(Location.of(tmp_path / "ray")) if e["event"] == "pack"]
        if len(packs) > 2 and not joined:
            joined.append(cluster.add_node(num_cpus=1))
        if packs[-1:] == [2] and not asked:
            asked.append(len(packs))
            ask(tmp_path / "ray", Scale(workers=1))
        if asked and packs[-1] == 1:
            seen[:] = packs
            raise KeyboardInterrupt

    try:
        config = tiny(**SLEEPY, budget__networks=4000, training__steps=1, strategy={"name": "random"})
        assert not search(on_ray(config), tmp_path / "ray", observe=observe).complete
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert sorted({*seen}) == [1, 2]
    assert experiment_of(tmp_path / "ray").config.execution.workers == 1


def test_unlike_nodes_take_packs_of_their_own_size(expected, tiny, tmp_path, rows_of):
    """Each kind measures once, also over a resume, and the rows are those of any other size."""
    ray.shutdown()
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "memory": 300 * 10**6, "include_dashboard": False},
    )
    cluster.add_node(num_cpus=1, memory=4 * 10**9)
    ray.init(address=cluster.address, log_to_driver=False)
    wait_for(lambda: len(ray.nodes()) == 2)

    def observe(progress):
        if progress.done == 8:
            raise KeyboardInterrupt

    try:
        made = on_ray(tiny(packs={"size": "auto"}), workers=2)
        assert not search(made, tmp_path / "ray", observe=observe).complete
        ray.shutdown()  # as when its process ends: Tune leaves its workers' room taken
        ray.init(address=cluster.address, log_to_driver=False)
        assert resume(tmp_path / "ray").complete
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert rows_of(tmp_path / "ray", DIVISION) == expected
    packs = experiment_of(tmp_path / "ray").config.packs
    assert packs.size == "auto"
    sizes = {kind.partition(", ")[2]: size for kind, size in packs.sizes.items()}
    assert sizes.keys() == {"0.25 GB, 1 at once", "4 GB, 1 at once"}
    assert sizes["0.25 GB, 1 at once"] == 1 < sizes["4 GB, 1 at once"]
    told = [*events(Location.of(tmp_path / "ray"))]
    assert sum(e["event"] == "pack size" for e in told) == 2
    process, largest, above_one = 0, 0, {}
    for e in told:
        process += e["event"] == "begin"
        if e["event"] == "pack":
            largest = max(largest, e["networks"])
            if (
                e["networks"] > 1
            ):  # so the worker of the large node, though it may find fewer left than it could take
                above_one.setdefault(process, set()).add(e["worker"])
    assert largest == sizes["4 GB, 1 at once"]
    assert all(len(workers) == 1 for workers in above_one.values())


@pytest.mark.skipif(torch.cuda.is_available(), reason="pretends to have a GPU")
def test_processors_train_beside_gpus(tiny, tmp_path, rows_of):
    """A worker that is granted a GPU, on a small node, and two without, on a large one: each kind takes packs of the
    size that it measured once, and rows say who trained them."""
    ray.shutdown()
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 1, "num_gpus": 1, "memory": 300 * 10**6, "include_dashboard": False},
    )
    cluster.add_node(num_cpus=2, memory=4 * 10**9)
    ray.init(address=cluster.address, log_to_driver=False)
    wait_for(lambda: len(ray.nodes()) == 2)
    config = tiny(
        **SLEEPY, packs={"size": "auto"}, strategy={"name": "random"}, budget__networks=60, training__steps=1
    )
    config["execution"] = {"backend": "ray_tune", "gpus_per_pack": 1, "workers": 1, "cpu_workers": 2}
    try:
        assert search(experiment(config), tmp_path / "ray").complete
    finally:
        ray.shutdown()
        cluster.shutdown()
    told = [*events(Location.of(tmp_path / "ray"))]
    sizes = {e["kind"].partition(", ")[2]: e["size"] for e in told if e["event"] == "pack size"}
    assert sum(e["event"] == "pack size" for e in told) == 2
    assert sizes["0.25 GB, 1 at once"] == 1 < sizes["4 GB, 2 at once"]
    found = {}
    for row in rows_of(tmp_path / "ray", ()):
        found.setdefault(row["device"], set()).add(row["pack_size"])
    assert found.keys() == {"cpu", "cpu (granted GPU 0, but no CUDA)"}
    assert found["cpu (granted GPU 0, but no CUDA)"] == {1}
    assert max(found["cpu"]) == sizes["4 GB, 2 at once"]
    assert len({e["worker"] for e in told if e["event"] == "pack"}) == 3


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


def test_a_wrong_token_is_said_to_be_wrong(config_file, tmp_path):
    config = config_file(execution={"backend": "ray_tune"})
    port, scratch = free_port(), tempfile.mkdtemp(prefix="evoact-")
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": 32 * "a"}
    head = start_node(
        "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={scratch}", environment=token
    )
    try:
        wait_for(lambda: answers(port))
        done = subprocess.run(
            [*COMMAND, "search", config, "-o", "run", "--address", f"127.0.0.1:{port}"],
            env=os.environ | token | {"RAY_AUTH_TOKEN": 32 * "b"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
    finally:
        os.killpg(head.pid, signal.SIGKILL)
        head.wait()
        shutil.rmtree(scratch, ignore_errors=True)
    assert done.returncode == 2
    assert "expected the token of the Ray cluster at --address" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def start_node(*arguments, environment=None):
    # By its module: `ray` need not lie beside the interpreter.
    return subprocess.Popen(
        [sys.executable, "-m", "ray.scripts.scripts", "start", "--num-cpus=1", "--block", *arguments],
        env=os.environ | (environment or {}),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
