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
from tests.conftest import COMMAND, DIVISION, started, wait_for
from tests.execution.cluster.nodes import (
    ENDLESS,
    ENVIRONMENT,
    PORT,
    SEARCH_ALONE,
    Apart,
    Node,
    faults_of,
    no_namespaces,
    packs_of,
    short_directory,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow]

# A head that takes a node for dead that has not answered for half a minute.
HASTY = {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "3000",
    "RAY_health_check_timeout_ms": "3000",
    "RAY_health_check_failure_threshold": "8",
}


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
    # More than an exchange that lives needs for an answer on a busy machine.
    monkeypatch.setattr("evoact.execution.cluster.driver.EXCHANGE_SECONDS", 30.0)
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


def test_a_node_in_another_namespace_is_cut_off_and_back(apart, config_file, tmp_path, is_prefix):
    """For a moment, and its worker goes on; for long, and the others train what it held, whose results count once. It
    is of the cluster no more then, and ends itself when it hears so. Started again, as whoever runs it would, it is a
    node like any other, and gets packs."""
    run, config = tmp_path / "run", config_file(**ENDLESS, execution={"backend": "ray_tune"})
    (here, there), near, far = apart.hosts, apart.within(0), apart.within(1)

    def node(side, *arguments):
        own = ("--num-cpus=1", f"--node-ip-address={apart.hosts[side]}")
        return Node(*arguments, *own, environment=HASTY, within=apart.within(side))

    def on(host):
        return [pack for pack in packs_of(run) if host in pack["worker"]]

    def until(condition):
        wait_for(lambda: condition() or process.poll() is not None)
        assert process.poll() is None, process.communicate()

    with short_directory() as scratch:
        of_head = (f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={scratch}")
        process, nodes = None, [node(0, "--head", *of_head)]
        reached = [
            *far,
            sys.executable,
            "-c",
            f"import socket; socket.create_connection(({here!r}, {PORT}), 1)",
        ]
        try:
            wait_for(lambda: not subprocess.run(reached, capture_output=True).returncode)
            nodes.append(node(1, f"--address={here}:{PORT}"))
            command = [*near, *COMMAND, "search", config, "-o", "run", "--address", f"{here}:{PORT}"]
            process = started(command, tmp_path, env=os.environ | ENVIRONMENT)
            until(lambda: on(here) and on(there))
            (worker,) = {pack["worker"] for pack in on(there)}
            apart.cut()
            time.sleep(5.0)
            apart.mend()
            before = len(on(there))
            until(lambda: len(on(there)) > before + 2)
            assert {pack["worker"] for pack in on(there)} == {worker}
            assert not faults_of(run)
            apart.cut()
            until(lambda: faults_of(run))
            apart.mend()
            nodes[1].process.wait(timeout=240)
            nodes.append(node(1, f"--address={here}:{PORT}"))
            until(lambda: {pack["worker"] for pack in on(there)} - {worker})
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=240)
        finally:
            for one in nodes:
                one.kill()
            if process is not None:
                process.kill()
                process.communicate()
    assert process.returncode == 130, err
    assert {*faults_of(run)} <= {"node lost", "worker lost", "worker hung", "worker did not start"}
    is_prefix(run, **ENDLESS)
