"""Nodes of `ray start`, each in a session of its own and, if asked, in a network namespace of its own."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

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
# Whatever tokens this user has; and workers get their share of a busy machine, which Ray has them leave to others.
ENVIRONMENT = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_worker_niceness": "0",
    "PYTHONUNBUFFERED": "1",
    "RAY_worker_register_timeout_seconds": "600",
}
STARTED = b"Ray runtime started"  # which `ray start` says of a node that is part of a cluster
# Of a search whose packs last a while without needing a processor.
SLEEPY = {"task": {"name": "faulty", "hangs": 1.0, "hang_seconds": 1.0}, "baselines__replicates": 0}
SEARCH_ALONE = SLEEPY | {"training__steps": 1, "confirm__candidates": 0}
PORT = 6399  # of the head of a cluster in namespaces, which nobody else can see


class Node:
    """A node of a cluster: `ray start` and all that it starts."""

    def __init__(
        self, *arguments: str, environment: Mapping[str, str] | None = None, within: tuple[str, ...] = ()
    ):
        lean = ("--block", "--include-log-monitor=false", "--no-monitor")
        command = [sys.executable, "-c", PATIENT, "start", *lean, *arguments]
        said = tempfile.TemporaryFile()  # noqa: SIM115 - until the node is killed
        self.process = subprocess.Popen(
            [*within, *command],
            env=os.environ | ENVIRONMENT | (environment or {}),
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        self.said = said

    def wait_until_started(self) -> None:
        """Wait until it is part of a cluster."""

        def started() -> bool:
            assert self.process.poll() is None, "a node has not started"
            return STARTED in os.pread(self.said.fileno(), 2**20, 0)

        wait_for(started)

    def signal(self, number: int) -> None:
        """Send a signal to all of its processes."""
        for pid in processes_of(self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.process.wait()
        self.said.close()


@contextmanager
def cluster(cpus: int = 1, environment: Mapping[str, str] | None = None) -> Iterator[tuple[str, Node]]:
    """A head on this machine: its address, and the node."""
    with short_directory() as scratch:
        port = free_port()
        head = Node(
            "--head",
            f"--port={port}",
            f"--num-cpus={cpus}",
            "--include-dashboard=false",
            f"--temp-dir={scratch}",
            environment=environment,
        )
        try:
            head.wait_until_started()
            yield f"127.0.0.1:{port}", head
        finally:
            head.kill()


class Apart:
    """Two network namespaces with a wire between them, which can be cut: a machine each for all that Ray can see."""

    def __init__(self) -> None:
        self.names = tuple(f"evoact-{os.getpid()}-{side}" for side in "ab")
        self.ends = tuple(f"ev{os.getpid()}{side}" for side in "ab")
        self.hosts = ("198.51.100.1", "198.51.100.2")  # addresses for documentation (RFC 5737)
        a, b = self.ends
        self._ip("link", "add", a, "type", "veth", "peer", "name", b)
        for name, end, host in zip(self.names, self.ends, self.hosts, strict=True):
            self._ip("netns", "add", name)
            self._ip("link", "set", end, "netns", name)
            self._ip("-n", name, "address", "add", f"{host}/24", "dev", end)
            self._ip("-n", name, "link", "set", "lo", "up")
            self._ip("-n", name, "link", "set", end, "up")

    def within(self, side: int) -> tuple[str, ...]:
        """What to put before a command that is to run on one side."""
        return "ip", "netns", "exec", self.names[side]

    def cut(self) -> None:
        self._ip("-n", self.names[1], "link", "set", self.ends[1], "down")

    def mend(self) -> None:
        self._ip("-n", self.names[1], "link", "set", self.ends[1], "up")

    def remove(self) -> None:
        for name in self.names:  # and the wire with it
            self._ip("netns", "delete", name, check=False)

    def _ip(self, *arguments: str, check: bool = True) -> None:
        subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)


def no_namespaces() -> str:
    """Why network namespaces cannot be made here; nothing if they can."""
    if shutil.which("ip") is None:
        return "there is no `ip` (iproute2)"
    if os.geteuid() != 0:
        return "only root may make network namespaces"
    name = f"evoact-{os.getpid()}-try"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
    if made.returncode:
        return made.stderr.strip()
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return ""


@contextmanager
def short_directory() -> Iterator[Path]:
    """A temporary directory with a short path, because Ray's sockets lie in it."""
    place = tempfile.mkdtemp(prefix="evoact-", dir="/tmp")
    try:
        yield Path(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def processes_of(session: int) -> list[int]:
    """What is left of a session that a test started."""
    listed = subprocess.run(["ps", "-o", "pid=", "-s", str(session)], capture_output=True, text=True)
    return [*map(int, listed.stdout.split())]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for(condition: Callable[[], object], seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
