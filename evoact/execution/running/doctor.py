"""What a machine has that a search needs, and what it means if it has not."""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from evoact.cache_directory import cache_directory
from evoact.config import read_plan
from evoact.errors import UserError, counted
from evoact.installation import VERSION, package_versions
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import made_or_refused
from evoact.native.library import why_missing
from evoact.training.gpu.devices import GpuLost, check_usable, gpu_here, unlike_memories, without_gpu

OK, WARNING, WRONG = "ok", "warning", "wrong"
ALIKE = ("evoact", "python", "ray")  # what must be the same on all machines of a cluster
LITTLE_MEMORY = 2e9  # bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is `ok`, a `warning` or `wrong`, what was found, and what that means."""

    what: str
    state: str
    found: str
    meaning: str = ""


def versions() -> dict[str, str]:
    """Return the versions of what a search runs on."""
    return {"evoact": VERSION, "python": platform.python_version(), **package_versions()}


def examine(
    config: Mapping[str, Any] | None, run_dir: str, like: Mapping[str, str] | None = None
) -> list[Finding]:
    """Return what this machine has.

    Args:
        config: a resolved config that is to be carried out, as plain data
        run_dir: the run directory, or its URI
        like: the versions of the machine that the run is started on
    """
    checks: list[tuple[str, Callable[[], Iterator[Finding]]]] = [
        ("versions", lambda: _versions(like or {})),
        ("kernels", _kernels),
        ("processors", _processors),
        ("memory", _memory),
        ("gpu", _gpu),
        ("cache", _cache),
        ("run directory", lambda: _writable(run_dir)),
    ]
    if config is not None:
        checks.append(("task", lambda: _task(config)))
    found: list[Finding] = []
    for what, check in checks:
        try:
            found += check()
        except (UserError, OSError, RuntimeError, ValueError) as error:
            found.append(Finding(what, WRONG, " ".join(str(error).split())))
    return found


def _versions(like: Mapping[str, str]) -> Iterator[Finding]:
    here = versions()
    other = [name for name in ALIKE if name in like and like[name] != here[name]]
    found = ", ".join(f"{name} {version}" for name, version in here.items())
    if other:
        theirs = ", ".join(f"{name} {like[name]}" for name in other)
        yield Finding(
            "versions", WRONG, found, f"expected {theirs}, as where the run starts; install the same"
        )
    else:
        yield Finding("versions", OK, found)


def _kernels() -> Iterator[Finding]:
    why = why_missing()
    if not why:
        yield Finding("kernels", OK, "compiled for this processor")
        return
    yield Finding(
        "kernels", WARNING, why, "PyTorch computes the same, slower; install a C compiler such as gcc"
    )


def _processors() -> Iterator[Finding]:
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    load = os.getloadavg()[0]
    found = f"{counted(usable, 'processor')}, load {load:.1f}"
    if load > 1.5 * usable:
        yield Finding("processors", WARNING, found, "others use them, so that packs take longer")
    else:
        yield Finding("processors", OK, found)


def _memory() -> Iterator[Finding]:
    pages = os.sysconf("SC_AVPHYS_PAGES") if hasattr(os, "sysconf") else 0
    free = pages * os.sysconf("SC_PAGE_SIZE")
    low = free < LITTLE_MEMORY
    meaning = "a worker takes about 0.5 GB before its first pack" if low else ""
    yield Finding("memory", WARNING if low else OK, f"{free / 1e9:.1f} GB free", meaning)


def _gpu() -> Iterator[Finding]:
    if gpu_here():
        amiss, names = "", list[str]()
        try:
            check_usable()
            names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
            amiss = unlike_memories()
        except (UserError, GpuLost) as error:
            amiss = str(error)
        yield Finding("gpu", WARNING if amiss else OK, ", ".join(names) or "a GPU", amiss)
    elif shutil.which("nvidia-smi"):
        yield Finding(
            "gpu", WARNING, without_gpu(), "packs train on the processors; install PyTorch for CUDA"
        )
    else:
        yield Finding("gpu", OK, "none, packs train on the processors")


def _cache() -> Iterator[Finding]:
    place = cache_directory()
    place.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=place).close()
    yield Finding("cache", OK, str(place))


def _writable(run_dir: str) -> Iterator[Finding]:
    home = Location.of(run_dir)
    if home.local is None:
        probe = home.child(".doctor")
        probe.write(b"")
        probe.delete()
    else:
        home.child("run.json").check_writable()
        there = next(folder for folder in (home.local, *home.local.parents) if folder.exists())
        with made_or_refused(home):
            tempfile.TemporaryFile(dir=there).close()  # also where the rights promise too much
    yield Finding("run directory", OK, f"{home.text} can be written to")


def _task(config: Mapping[str, Any]) -> Iterator[Finding]:
    plan = read_plan(config)
    sizes = ", ".join(f"{name} {len(split):,}" for name, split in plan.task.splits().items())
    yield Finding("task", OK, f"{plan.config.task.name}: {sizes} examples")
