"""What a search leaves behind, however it ends: nothing but its run."""

import os
import re
import shutil
import signal
import tempfile
import time
from contextlib import suppress

import pytest

from tests.conftest import COMMAND, started, wait_for
from tests.execution.cluster.nodes import processes_of

pytestmark = pytest.mark.ray


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
    process = started(
        [*COMMAND, "search", config, "-o", "run"],
        tmp_path,
        env=os.environ | {"TMPDIR": temporary},
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
