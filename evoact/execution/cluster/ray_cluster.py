"""The Ray cluster that packs run on: the one at an address, or a local one for this run alone.

Workers import evoact from where this process does, and nothing from the working directory, which Ray
would put first on their path: a folder with a `torch.py` in it is data, not code.
"""

import logging
import os
import platform
import re
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import chdir, contextmanager, suppress
from dataclasses import dataclass
from math import ceil, floor, inf, log2
from pathlib import Path
from typing import Any

from evoact.cache_directory import cache_directory

os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
try:
    Path.home()
except RuntimeError:  # without a home directory Ray cannot even be imported
    os.environ["EVOACT_CACHE"] = os.environ["HOME"] = str(cache_directory())

import ray
import torch
from ray._private import utils
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]
from ray.util.placement_group import PlacementGroup, remove_placement_group

from evoact.errors import UserError
from evoact.installation import FOLDER

NAMESPACE = "evoact"
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0  # for a head that listens to say something
# How a client of HTTP/2, which Ray speaks, begins (RFC 9113, 3.4); a server's first frame is settings, too.
_SETTINGS = bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _SETTINGS
AUTH_MODE = "RAY_AUTH_MODE"
GPU_SHARE = 0.25  # of a GPU for a pack, unless configured: small networks leave one mostly idle
# Sockets have paths of at most 107 bytes, and Ray's lie this deep in the temporary directory.
LONGEST_TEMPORARY = 107 - len("/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store")


@contextmanager
def cluster(address: str | None, cpus: float) -> Iterator[None]:
    """Hold a connection to the cluster at `address`, or a local one with at least `cpus`; one that stands
    already is used as it is.

    Raises:
        UserError: if there is no cluster at the address, it does not take this user's token, or none can be started.
    """
    if ray.is_initialized():
        yield
        return
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": NAMESPACE}
    before = os.environ.get(AUTH_MODE)
    # One that is half started leaves its files: whoever stops meanwhile is heard afterwards.
    held = {signal.SIGTERM} if address is not None else {signal.SIGTERM, signal.SIGINT}
    try:
        # Ray passes on the directory that it is started in.
        with _own_signals(held), chdir(FOLDER):
            if address is not None:
                _connect(address, quiet)
            else:
                _start(max(os.cpu_count() or 1, ceil(cpus)), quiet)
        yield
    finally:
        local = address is None and ray.is_initialized()
        left = _ends_at_once() if local else None
        ray.shutdown()
        _set_auth_mode(before)
        if left is not None:
            _clear_up(*left)


def _ends_at_once() -> tuple[Path, list[Any]]:
    """Have the processes of the local cluster, which ends now, killed instead of asked to end first: they do not hear
    SIGTERM, and Ray would wait a second for each. Return the directory of its session, and the processes that these
    have started: some, such as the raylet's agents, notice only after a minute that they are alone.
    """
    import psutil  # which Ray brings

    node = ray._private.worker._global_node
    here = [one.process.pid for started in node.all_processes.values() for one in started]
    agents = list[Any]()
    for pid in here:
        with suppress(psutil.Error):  # gone already
            agents += psutil.Process(pid).children(recursive=True)
    for started in node.all_processes.values():
        for one in started:
            one.process.terminate = one.process.kill
    return Path(node.get_session_dir_path()), agents


def _clear_up(session: Path, agents: Iterable[Any]) -> None:
    """End the processes that the local cluster leaves, and delete its logs and sockets, and the link to them."""
    import psutil

    for agent in agents:
        with suppress(psutil.NoSuchProcess):  # gone, as most are
            agent.kill()
    shutil.rmtree(session, ignore_errors=True)
    latest = session.parent / "session_latest"
    with suppress(OSError):
        if latest.is_symlink() and not latest.exists():
            latest.unlink()


def check_cluster(address: str | None) -> None:
    """Check that `cluster` can connect to the address, or start a cluster here.

    Raises:
        UserError: if not.
    """
    if ray.is_initialized():
        return
    if address is None:
        _check_temporary()
        return
    with cluster(address, 0):
        pass


def _check_temporary() -> None:
    name = "RAY_TMPDIR" if "RAY_TMPDIR" in os.environ else "TMPDIR"
    place = os.environ.get(name, "/tmp")
    length = len(os.fsencode(place))
    if length > LONGEST_TEMPORARY:
        raise UserError(
            f"expected {name} to name a directory of at most {LONGEST_TEMPORARY} characters, because Ray's sockets "
            f"lie in it, got {place!r} of {length}; set RAY_TMPDIR to a shorter one, such as /tmp"
        )
    try:
        os.makedirs(place, exist_ok=True)
        tempfile.TemporaryFile(dir=place).close()
    except OSError as error:
        raise UserError(
            f"expected {name} to name a directory that Ray can write to, got {place!r}: {error.strerror}; set "
            "RAY_TMPDIR to another"
        ) from None


def _check_answers(address: str) -> None:
    """Check that a server of Ray's kind answers at HOST:PORT: Ray itself would try for minutes, and wait without end
    for one that listens and says nothing."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not (colon and port.isdecimal()):
        raise UserError(
            f"expected --address HOST:PORT, as `ray start --head` prints it, or auto, got {address!r}; for http:// use "
            "`ray job submit`, and for ray:// the head's own port"
        )
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_SECONDS) as server:
            if os.environ.get("RAY_USE_TLS", "0") != "0":
                return
            server.settimeout(ANSWER_SECONDS)
            server.sendall(_PREFACE)
            answer = server.recv(len(_SETTINGS))
    except TimeoutError:
        raise UserError(
            _no_cluster(address, f"somebody listens there, who said nothing for {ANSWER_SECONDS:.0f} s")
        ) from None
    except (OSError, OverflowError) as error:
        raise UserError(_no_cluster(address, str(error))) from None
    if answer[3:4] != _SETTINGS[3:4]:
        raise UserError(_no_cluster(address, "another server"))


def _start(processors: int, quiet: dict[str, Any]) -> None:
    if AUTH_MODE not in os.environ:
        _set_auth_mode("token")  # Ray makes one if there is none
    try:
        # `local`: without it Ray would look for a cluster that `ray start` left on this machine.
        ray.init(address="local", num_cpus=processors, include_dashboard=False, **quiet)
    except Exception as error:  # Ray raises bare ones, such as when a node takes more than 30 s to start
        raise UserError(
            f"expected Ray to start on this machine, got none: {str(error).splitlines()[0]}; try again when it "
            "is less busy, or add --set execution.backend=local"
        ) from None


def _set_auth_mode(mode: str | None) -> None:
    """Say whether Ray sends tokens from now on, and wants them of whoever calls this process; None leaves it to Ray."""
    if mode is None:
        os.environ.pop(AUTH_MODE, None)
    else:
        os.environ[AUTH_MODE] = mode
    Config.initialize("")  # what Ray has read before
    AuthenticationTokenLoader.instance().reset_cache()


def _join(address: str, quiet: dict[str, Any], mode: str) -> None:
    _set_auth_mode(mode)
    with _silent():
        ray.init(address=address, **quiet)


def _wants_token(error: Exception) -> bool:
    return "AuthenticationError" in f"{type(error)} {error.__cause__!r} {error.__context__!r}"


def _connect(address: str, quiet: dict[str, Any]) -> None:
    """Connect to a cluster with a token if it wants one, and without if not: a cluster without could not call a process
    that wants tokens, and would take its actors for ended."""
    before = os.environ.get(AUTH_MODE)
    # Ray tries again every second, also if it was refused; a cluster that stands answers at once.
    os.environ.setdefault("RAY_gcs_server_port_wait_time_s", f"{CONNECT_SECONDS:.0f}")
    try:
        _check_answers(
            ray._private.services.canonicalize_bootstrap_address_or_die(address)
            if address == "auto"
            else address
        )
        try:
            _join(address, quiet, "disabled")
        except Exception as error:
            if before == "disabled" or not _wants_token(error):
                raise
            ray.shutdown()
            _join(address, quiet, "token")
    except (ray.exceptions.AuthenticationError, ConnectionError, ValueError, RuntimeError) as error:
        if _wants_token(error):
            raise UserError(
                f"expected the token of the Ray cluster at --address {address!r}, got none or another; set "
                "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN, or RAY_AUTH_TOKEN_PATH, to the token that it was started with"
            ) from None
        if str(error).startswith("Version mismatch"):
            raise UserError(_other_versions(address, str(error))) from None
        raise UserError(_no_cluster(address, str(error).splitlines()[0])) from None


def _other_versions(address: str, said: str) -> str:
    """Ray says in six lines which versions of Ray and Python there are there and here."""
    there_ray, there_python, here_ray, here_python = re.findall(r"^ +\w+: (\S+)$", said, re.MULTILINE)
    return (
        f"expected a Ray cluster of Ray {here_ray} and Python {here_python} at --address {address!r}, as here, got one "
        f"of Ray {there_ray} and Python {there_python}; install the same on both"
    )


def _no_cluster(address: str, reason: str) -> str:
    return (
        f"expected a Ray cluster at --address {address!r}, got none: {reason}; "
        "start one with `ray start --head` or leave --address out"
    )


@contextmanager
def _silent() -> Iterator[None]:
    """Nothing on stderr meanwhile, also from other than Python: what Ray has to say comes as an error."""
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


@contextmanager
def _own_signals(held: set[signal.Signals]) -> Iterator[None]:
    """Leave what signals do to this process; hold some back until the end, also from the processes that Ray starts
    meanwhile.

    Ray would end this process without a word. And schedulers send SIGTERM to all processes of a job: those of a
    local cluster, which inherit the mask, must outlive the search that is stopping; then Ray kills them.
    """
    main, came = threading.current_thread() is threading.main_thread(), list[int]()
    own = {number: handler for number in held if main and callable(handler := signal.getsignal(number))}
    mask, rays = signal.pthread_sigmask(signal.SIG_BLOCK, held), utils.set_sigterm_handler
    # A signal that another thread takes, which has a mask of its own, is handled here all the same.
    for number in own:
        signal.signal(number, lambda number, frame: came.append(number))
    if signal.SIGTERM in own:
        utils.set_sigterm_handler = lambda handler: None
    try:
        yield
    finally:
        utils.set_sigterm_handler = rays
        for number, handler in own.items():
            signal.signal(number, handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        for signum in came:
            signal.raise_signal(signum)


def gpus(configured: float | None) -> float:
    """Return the share of a GPU for a pack: as configured, else `GPU_SHARE` if the cluster has any."""
    if configured is not None:
        return configured
    return GPU_SHARE if ray.cluster_resources().get("GPU", 0) else 0.0


def room(resources: dict[str, float], without: frozenset[str] = frozenset(), refuse: bool = True) -> int:
    """Return how many packs the nodes have room for at once; what several have together helps no pack.

    Args:
        resources: what a pack asks for, `cpu` and `gpu`
        without: nodes that do not count
        refuse: whether no room is a mistake, as when a run begins

    Raises:
        UserError: if there is no room for any, and that is a mistake.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["NodeID"] not in without]
    wanted = {"CPU": resources["cpu"], "GPU": resources["gpu"]}
    needed = {key: amount for key, amount in wanted.items() if amount}
    found = sum(int(min(node.get(key, 0) / amount for key, amount in needed.items())) for node in nodes)
    if found == 0 and refuse:
        most = max(nodes, key=lambda node: (node.get("GPU", 0) >= wanted["GPU"], node.get("CPU", 0)))
        raise UserError(
            f"expected a node with at least {wanted['CPU']:g} CPU and {wanted['GPU']:g} GPU for a pack, "
            f"got at best {most.get('CPU', 0):g} CPU and {most.get('GPU', 0):g} GPU; "
            "lower execution.cpus_per_pack or execution.gpus_per_pack, or start a larger node"
        )
    return found


def placement_groups() -> frozenset[str]:
    """Return the placement groups of this process that hold resources, or wait for them."""
    own = ray.get_runtime_context().get_job_id()
    table = ray.util.placement_group_table()
    return frozenset(
        name for name, group in table.items() if name.endswith(own) and group["state"] != "REMOVED"
    )


def remove_placement_groups(names: Iterable[str]) -> None:
    """Give their resources back; what runs there is killed."""
    for name in names:
        remove_placement_group(PlacementGroup(ray.PlacementGroupID(bytes.fromhex(name))))


def living_nodes() -> frozenset[str]:
    """Return the nodes of the cluster."""
    return frozenset(node["NodeID"] for node in ray.nodes() if node["Alive"])


def leaving_nodes() -> frozenset[str]:
    """Return the nodes that are drained, because they are preempted or too many: nothing more is to begin there."""
    return frozenset(ray._private.state.state.get_draining_nodes())


def dashboard() -> str | None:
    """Return the address of the cluster's dashboard, if it has one."""
    address = ray._private.worker.get_dashboard_url()
    return f"http://{address}" if address else None


def this_node() -> str:
    """Return how a sentence names the machine that this process runs on."""
    return f"{socket.gethostname()} ({ray.util.get_node_ip_address()})"


@dataclass(frozen=True, slots=True)
class Kind:
    """What workers alike have in common: a name, how many of them their machine, or each of its GPUs, has at once, and
    the memory that Ray has for all of them there, in megabytes."""

    name: str
    at_once: int
    megabytes: float


def this_kind(cpus: float, gpu_share: float, device: torch.device) -> Kind:
    """Return the kind of worker that this process is.

    Args:
        cpus, gpu_share: what each asks for
        device: that it trains on
    """
    own = ray.get_runtime_context().get_node_id()
    has = next(node["Resources"] for node in ray.nodes() if node["NodeID"] == own)
    if device.type == "cuda":
        at_once = max(1, int(1 / gpu_share)) if gpu_share < 1 else 1
        gigabytes = torch.cuda.get_device_properties(device).total_memory / 1e9
        return Kind(
            f"{torch.cuda.get_device_name(device)}, {gigabytes:.0f} GB, {at_once} at once", at_once, inf
        )
    at_once = max(1, int(has.get("CPU", 1) / cpus))
    # To a power of two: what is free differs between machines alike.
    gigabytes = 2.0 ** floor(log2(has.get("memory", 2**50) / 1e9))
    return Kind(f"{_processor()}, {gigabytes:g} GB, {at_once} at once", at_once, gigabytes * 1e3)


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def enter(directory: str) -> None:
    """Go to the directory that the run was started in, where this node has it: relative paths in the
    environment, such as EVOACT_DATA, are meant from there."""
    with suppress(OSError):
        os.chdir(directory)
