"""Clusters of `ray start` on this machine, for benchmarks and tests: each node, with all its processes, in a session of
its own, so that it can be killed, stopped or cut off alone."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

# Whatever tokens this user has; and workers get their share of a busy machine, which Ray has them leave to others.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_worker_niceness": "0",
    "RAY_worker_register_timeout_seconds": "600",
    "PYTHONUNBUFFERED": "1",
}
# `ray start`, but for its limit of half a minute, in which a busy machine starts no node.
PATIENT = """
import time
import ray._private.services as services

def patient(*arguments, once=services.get_node):
    while True:
        try:
            return once(*arguments)
        except RuntimeError:
            time.sleep(0.5)

services.get_node = patient
from ray.scripts.scripts import main
main()
"""
LEAN = ("--block", "--include-log-monitor=false", "--no-monitor")  # without what nobody reads here
STARTED = b"Ray runtime started"  # which `ray start` says of a node that is part of a cluster
SECONDS = 600.0  # for a node to start
TRIES = 5  # of a node that ends instead, since those that start at once choose the same ports now and then


class Node:
    """A node of a cluster: `ray start` and all that it starts."""

    def __init__(
        self, *arguments: str, environment: Mapping[str, str] | None = None, within: Sequence[str] = ()
    ):
        """`within` goes before the command, such as what enters a network namespace."""
        self.said = tempfile.TemporaryFile()  # noqa: SIM115 - until the node is killed
        self.process = subprocess.Popen(
            [*within, sys.executable, "-c", PATIENT, "start", *LEAN, *arguments],
            env=os.environ | ENVIRONMENT | (environment or {}),
            stdout=self.said,
            stderr=self.said,
            start_new_session=True,
        )

    def comes_up(self) -> bool:
        """Wait until it is part of a cluster, or has ended."""
        end = time.monotonic() + SECONDS
        while self.process.poll() is None and time.monotonic() < end:
            if STARTED in os.pread(self.said.fileno(), 2**20, 0):
                return True
            time.sleep(0.05)
        return False

    @property
    def processes(self) -> list[int]:
        return processes_of(self.process.pid)

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes."""
        for pid in self.processes:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.said.close()


class Cluster:
    """A head and the nodes that join it, one after the other."""

    def __init__(self, scratch: Path, environment: Mapping[str, str], *arguments: str):
        """`scratch` has a short path, because Ray's sockets lie in it; `arguments` are more of the head's."""
        self.environment, self.nodes = environment, list[Node]()

        def of_a_head() -> tuple[str, ...]:
            self.port = free_port()
            own = (f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={scratch}")
            return "--head", *own, *arguments

        self.head = self._started(of_a_head)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def join(self, *arguments: str) -> Node:
        """Have another node join."""
        self.nodes.append(self._started(lambda: (f"--address={self.address}", *arguments)))
        return self.nodes[-1]

    def end(self) -> None:
        for node in (*self.nodes, self.head):
            node.kill()

    def _started(self, arguments: Callable[[], Sequence[str]]) -> Node:
        for _ in range(TRIES):
            node = Node(*arguments(), environment=self.environment)
            if node.comes_up():
                return node
            said = os.pread(node.said.fileno(), 2**20, 0).decode(errors="replace")
            node.kill()
        raise RuntimeError(f"expected a node to start in {TRIES} tries, got of the last: {said}")


@contextmanager
def cluster(
    cpus: int = 1, nodes: int = 0, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Hold a cluster whose head has `cpus` processors, and so many nodes with one each; `arguments` are more of the
    head's."""
    with short_directory() as scratch:
        made = Cluster(scratch, environment or {}, f"--num-cpus={cpus}", *arguments)
        try:
            for _ in range(nodes):
                made.join("--num-cpus=1")
            yield made
        finally:
            made.end()


@contextmanager
def short_directory() -> Iterator[Path]:
    """Hold a temporary directory with a short path."""
    place = tempfile.mkdtemp(prefix="ev-", dir="/tmp")
    try:
        yield Path(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def processes_of(session: int) -> list[int]:
    """Return what is left of a session."""
    listed = subprocess.run(
        ["ps", "-o", "pid=", "-s", str(session)], capture_output=True, text=True, check=False
    )
    return [*map(int, listed.stdout.split())]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
