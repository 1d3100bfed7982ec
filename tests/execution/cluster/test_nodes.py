"""Searches on clusters whose nodes come, go, and are unlike each other."""

import os
import signal

import pytest
import ray

from evoact.config.stored_plan import experiment_of
from evoact.execution.run import search
from evoact.execution.running.scale import Scale, ask
from tests.conftest import COMMAND, started, wait_for
from tests.execution.cluster.nodes import (
    ENDLESS,
    ENVIRONMENT,
    Node,
    cluster,
    connected,
    faults_of,
    packs_of,
    workers_of,
)

pytestmark = pytest.mark.ray


def test_a_node_lost_on_the_way(on_ray, tiny, tmp_path, is_prefix):
    run, lost = tmp_path / "ray", []

    def observe(progress):
        if not lost and len(workers_of(run)) == 2:
            here.nodes[0].kill()
            lost.append(len(packs_of(run)))
        if lost and faults_of(run) and len(packs_of(run)) > lost[0] + 2:
            raise KeyboardInterrupt

    with cluster(1, 1) as here, connected(2, here.address):
        assert not search(on_ray(tiny(**ENDLESS)), run, observe=observe).complete
        wait_for(lambda: sum(node["Alive"] for node in ray.nodes()) == 1)
    is_prefix(run, **ENDLESS)


def test_a_node_without_memory(on_ray, tiny, tmp_path, is_prefix):
    """Ray kills whatever takes more of a node's memory than it may, here anything: others go on, and it is noted."""
    run, joined = tmp_path / "ray", []
    forbids = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "250"}

    def observe(progress):
        if progress.done and not joined:
            joined.append(Node(f"--address={here.address}", "--num-cpus=1", environment=forbids))
            here.nodes.append(joined[0])
            assert joined[0].comes_up()
        if faults_of(run) and progress.done >= 16:
            raise KeyboardInterrupt

    with cluster() as here, connected(1, here.address):
        assert not search(on_ray(tiny(**ENDLESS)), run, observe=observe).complete
    assert {*faults_of(run)} <= {"worker did not start", "worker lost"}
    is_prefix(run, **ENDLESS)


def test_workers_follow_the_cluster(on_ray, tiny, tmp_path):
    """A node that joins gets work, so many workers as are asked for stay, and the end is at once if need be."""
    joined, asked, seen = [], [], []

    def observe(progress):
        packs = [pack["workers"] for pack in packs_of(tmp_path / "ray")]
        if len(packs) > 2 and not joined:
            joined.append(here.join("--num-cpus=1"))
        if packs[-1:] == [2] and not asked:
            asked.append(len(packs))
            ask(tmp_path / "ray", Scale(workers=1))
        if asked and packs[-1] == 1:
            seen[:] = packs
            raise KeyboardInterrupt

    with cluster() as here, connected(1, here.address):
        assert not search(on_ray(tiny(**ENDLESS)), tmp_path / "ray", observe=observe).complete
    assert sorted({*seen}) == [1, 2]
    assert experiment_of(tmp_path / "ray").config.execution.workers == 1


def test_a_running_cluster_by_its_address(config_file, tmp_path, is_prefix):
    """Each node has one processor, so both are used once two workers have trained."""
    config, run = config_file(**ENDLESS, execution={"backend": "ray_tune"}), tmp_path / "run"
    with cluster(1, 1) as here:
        command = [*COMMAND, "search", config, "-o", "run", "--address", here.address]
        process = started(command, tmp_path, env=os.environ | ENVIRONMENT)
        try:
            wait_for(lambda: len(workers_of(run)) == 2 or process.poll() is not None)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=240)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 130, err
    is_prefix(run, **ENDLESS)
