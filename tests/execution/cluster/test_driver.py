"""A run whose exchange or nodes are killed, stopped, or cut off, and come back."""

import os
import signal
import subprocess
import sys
import time

import pytest
import ray

from evoact.config import experiment
from evoact.execution.run import search
from evoact.execution.running.log import events
from evoact.leaderboard.location import Location
from tests.conftest import COMMAND, DIVISION
from tests.execution.cluster.nodes import (
    ENVIRONMENT,
    PORT,
    SEARCH_ALONE,
    Apart,
    Node,
    no_namespaces,
    short_directory,
    wait_for,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# A head that takes a node for dead that has not answered for half a minute.
HASTY = {
    **ENVIRONMENT,
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "3000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "8",
}


@pytest.fixture
def alone(tiny, tmp_path, rows_of):
    """The rows of a search in one process."""

    def rows(**changes):
        search(
            experiment(tiny(**changes | {"task": {"name": "faulty"}, "execution": {"backend": "local"}})),
            tmp_path / "local",
        )
        return rows_of(tmp_path / "local", DIVISION)

    return rows


def packs_of(run_dir):
    if not run_dir.exists():
        return []
    return [e for e in events(Location.of(run_dir)) if e["event"] == "pack"]


def faults_of(run_dir):
    return [e["what"] for e in events(Location.of(run_dir)) if e["event"] == "fault"]


def exchanges():
    """The exchanges of the local cluster that this process has started: children of its raylet."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True
    ).stdout.splitlines()
    processes = [line.split(maxsplit=2) for line in listed]
    own = {pid for pid, parent, _ in processes if parent == str(os.getpid())}
    return [int(pid) for pid, parent, what in processes if parent in own and what.startswith("ray::Exchange")]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_another_exchange_takes_the_place_of_one_that_died_or_hangs(
    how, tiny, tmp_path, monkeypatch, rows_of, alone
):
    """Workers find it, with what they had trained meanwhile."""
    monkeypatch.setattr("evoact.execution.cluster.driver.EXCHANGE_SECONDS", 10.0)
    monkeypatch.setenv("RAY_worker_niceness", "0")
    changes = {**SEARCH_ALONE, "budget__networks": 32, "execution": {"backend": "ray_tune", "workers": 1}}
    struck = []

    def observe(progress):
        if progress.done >= 8 and not struck:
            struck.extend(exchanges())
            os.kill(struck[0], how)

    assert search(experiment(tiny(**changes)), tmp_path / "ray", observe=observe).complete
    assert len(struck) == 1
    assert rows_of(tmp_path / "ray", DIVISION) == alone(**changes)
    assert "exchange lost" in faults_of(tmp_path / "ray")
    wait_for(lambda: not os.path.exists(f"/proc/{struck[0]}"))
    assert not ray.is_initialized()


@pytest.fixture
def apart():
    if reason := no_namespaces():
        pytest.skip(f"two network namespaces cannot be made here: {reason}")
    wire = Apart()
    yield wire
    wire.remove()


def test_a_node_in_another_namespace_is_cut_off_and_back(apart, config_file, tmp_path, rows_of, alone):
    """For a moment, and its worker goes on; for long, and the others train what it held, whose results count once. It
    is of the cluster no more then, and ends itself."""
    run, changes = (
        tmp_path / "run",
        {**SEARCH_ALONE, "budget__networks": 240, "execution": {"backend": "ray_tune"}},
    )
    config = config_file(**changes)
    here, there = apart.hosts
    own = ("--num-cpus=1",)

    def on(host):
        return [e for e in packs_of(run) if host in e["worker"]]

    def joined():
        return Node(
            f"--address={here}:{PORT}", f"--node-ip-address={there}", *own, environment=HASTY, within=far
        )

    near, far = apart.within(0), apart.within(1)
    with short_directory() as scratch:
        of_head = (
            f"--port={PORT}",
            f"--node-ip-address={here}",
            "--include-dashboard=false",
            f"--temp-dir={scratch}",
        )
        process, nodes = None, [Node("--head", *of_head, *own, environment=HASTY, within=near)]
        reached = f"import socket; socket.create_connection(({here!r}, {PORT}), 1)"
        try:
            wait_for(
                lambda: (
                    not subprocess.run([*near, sys.executable, "-c", reached], capture_output=True).returncode
                )
            )
            nodes.append(
                Node(
                    f"--address={here}:{PORT}",
                    f"--node-ip-address={there}",
                    *own,
                    environment=HASTY,
                    within=far,
                )
            )
            process = subprocess.Popen(
                [*near, *COMMAND, "search", config, "-o", "run", "--address", f"{here}:{PORT}"],
                env=os.environ | HASTY,
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            wait_for(lambda: (on(here) and on(there)) or process.poll() is not None)
            worker = on(there)[-1]["worker"]
            apart.cut()
            time.sleep(5.0)
            apart.mend()
            before = len(on(there))
            wait_for(lambda: len(on(there)) > before + 2)
            assert {e["worker"] for e in on(there)} == {worker}
            assert not faults_of(run)
            apart.cut()
            wait_for(lambda: faults_of(run))
            apart.mend()
            nodes[1].process.wait(timeout=120)  # it hears that it is taken for dead
            _, err = process.communicate(timeout=240)
        finally:
            for node in nodes:
                node.kill()
            if process is not None:
                process.kill()
                process.communicate()
    assert process.returncode == 0, err
    assert rows_of(run, DIVISION) == alone(**changes)
    assert set(faults_of(run)) <= {"node lost", "worker lost", "worker hung", "worker did not start"}
