"""Runs an experiment in child processes that are killed with SIGKILL, until one of them finishes.

    python killed.py CONFIG DIRECTORY NAME=MOMENT,MOMENT,...

Child number i dies at moment number i: `#12` is just before its twelfth operation on files of the run
(opening, renaming, deleting, making directories), `#3@confirm` before the third one on a file whose path has a match
of that pattern, `0.3` is after 0.3 seconds. The last child is left alone. Prints, by run, how many children died, and
how many operations the last one made.

The children are forked from a process that has imported everything and run nothing, which saves the
seconds of imports that a process of its own needs; what is killed is a real process all the same.
"""

import json
import os
import re
import signal
import sys
import time
import traceback
from pathlib import Path

import deap.tools  # noqa: F401
import optuna  # noqa: F401
import pandas  # noqa: F401
import safetensors.numpy  # noqa: F401
import sympy  # noqa: F401
import yaml

import evoact.strategies.surrogate.gaussian_process  # noqa: F401
from evoact.config import experiment
from evoact.execution.run import resume, search
from evoact.leaderboard.run_files import CONFIG

OPERATIONS = ("open", "os.rename", "os.remove", "os.mkdir", "os.rmdir")


def count_operations(run_dir: str, moment: str) -> list[int]:
    """Counts operations in the run directory from now on, and dies at the moment."""
    count, struck = [0], 0
    last, _, pattern = moment.removeprefix("#").partition("@")

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        # shutil.rmtree names files relative to an open directory, so their paths say nothing.
        if event in OPERATIONS and (
            event in ("os.remove", "os.rmdir") or str(arguments[0]).startswith(run_dir)
        ):
            nonlocal struck
            count[0] += 1
            struck += re.search(pattern, str(arguments[0])) is not None
            if moment.startswith("#") and struck == int(last):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    return count


def child(config: str, run_dir: str, moment: str, report: int) -> None:
    count = count_operations(run_dir, moment)
    try:
        if (Path(run_dir) / CONFIG).exists():
            resume(run_dir)
        else:
            search(experiment(yaml.safe_load(Path(config).read_text())), run_dir)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os.write(report, str(count[0]).encode())
    os._exit(0)


def run(config: str, run_dir: str, moments: list[str]) -> dict[str, int]:
    killed = 0
    for moment in [*moments, ""]:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            child(config, run_dir, moment, writing)
        os.close(writing)
        if moment and not moment.startswith("#"):
            time.sleep(float(moment))
            os.kill(pid, signal.SIGKILL)
        status = os.waitpid(pid, 0)[1]
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL and not said:
            killed += 1
        elif not said:
            sys.exit(f"a child ended with status {status}")
        else:
            return {"killed": killed, "operations": int(said)}
    raise AssertionError("the last child is never killed")


def main(config: str, directory: str, *runs: str) -> None:
    """Each of `runs` is NAME=MOMENT,MOMENT,...: a run directory and when its children die."""
    if "ray_tune" in Path(config).read_text():
        import evoact.execution.cluster.ray_tune  # noqa: F401
    found = {}
    for text in runs:
        name, _, moments = text.partition("=")
        found[name] = run(config, os.path.join(directory, name), moments.split(",") if moments else [])
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
