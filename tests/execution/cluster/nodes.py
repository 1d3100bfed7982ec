"""What tests of clusters share: nodes of `ray start`, if asked in network namespaces of their own, and what a run on
them says of itself."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from benchmarks.ray_nodes import (
    ENVIRONMENT,
    Cluster,
    Node,
    cluster,
    free_port,
    processes_of,
    short_directory,
)
from evoact.execution.cluster import ray_cluster
from evoact.execution.running.log import events
from evoact.leaderboard.location import Location
from tests.conftest import wait_for

__all__ = [
    "ENDLESS",
    "ENVIRONMENT",
    "PORT",
    "SEARCH_ALONE",
    "SLEEPY",
    "Apart",
    "Cluster",
    "Node",
    "cluster",
    "connected",
    "faults_of",
    "free_port",
    "no_namespaces",
    "packs_of",
    "processes_of",
    "short_directory",
    "workers_of",
]

# Of a search whose packs last a while without needing a processor.
SLEEPY = {"task": {"name": "faulty", "hangs": 1.0, "hang_seconds": 1.0}, "baselines__replicates": 0}
SEARCH_ALONE = SLEEPY | {"training__steps": 1, "confirm__candidates": 0}
# One that a test ends when it has seen what it waits for, however late a worker starts.
ENDLESS = SEARCH_ALONE | {"strategy": {"name": "random"}, "budget__networks": 2000}
PORT = 6399  # of the head of a cluster in namespaces, which nobody else can see


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
def connected(nodes: int, address: str) -> Iterator[None]:
    """A connection to a cluster once it has so many nodes."""
    with ray_cluster.cluster(address, 0):
        wait_for(lambda: len(ray.nodes()) == nodes)
        yield


def packs_of(run_dir: Path) -> list[dict[str, Any]]:
    """What the log of a run says of the packs that are back."""
    return _events(run_dir, "pack")


def workers_of(run_dir: Path) -> set[str]:
    """Who trained these packs."""
    return {pack["worker"] for pack in packs_of(run_dir)}


def faults_of(run_dir: Path) -> list[str]:
    """What went wrong, as the log says."""
    return [event["what"] for event in _events(run_dir, "fault")]


def _events(run_dir: Path, which: str) -> list[dict[str, Any]]:
    if not run_dir.exists():
        return []
    return [event for event in events(Location.of(run_dir)) if event["event"] == which]
