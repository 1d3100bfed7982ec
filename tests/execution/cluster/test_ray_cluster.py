"""Clusters that cannot be had, or not at once: one sentence each, and no directory."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import ray
from ray._common.usage.usage_constants import CLUSTER_METADATA_KEY

from evoact.errors import UserError
from evoact.execution.cluster import ray_cluster
from tests.conftest import COMMAND
from tests.execution.cluster.nodes import cluster

pytestmark = pytest.mark.ray

TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": 32 * "a"}
OPEN = {"RAY_AUTH_MODE": "disabled"}


@pytest.fixture(scope="module")
def guarded():
    with cluster(environment=TOKEN) as made:
        yield made.port


@pytest.fixture(scope="module")
def unguarded():
    with cluster(environment=OPEN) as made:
        yield made


@pytest.fixture
def searched(config_file, tmp_path):
    """What `evoact search` says, which is one sentence, of a cluster at an address."""

    def search(address, environment=OPEN):
        config = config_file(execution={"backend": "ray_tune", "gpus_per_pack": 0})
        done = subprocess.run(
            [*COMMAND, "search", config, "-o", "run", "--address", address],
            env={name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
            | {"HOME": str(tmp_path)}  # where no token lies
            | environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 2
        assert not (tmp_path / "run").exists()
        (sentence,) = done.stderr.splitlines()
        return sentence

    return search


@pytest.mark.parametrize("environment", [{}, TOKEN | {"RAY_AUTH_TOKEN": 32 * "b"}], ids=["none", "wrong"])
def test_the_token_of_the_cluster_is_needed(environment, guarded, searched):
    sentence = searched(f"127.0.0.1:{guarded}", environment)
    assert sentence.startswith("expected the token of the Ray cluster at --address")
    assert "got none or another; set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN" in sentence


def test_a_process_with_a_token_may_use_a_cluster_without(unguarded, tmp_path):
    """A local cluster makes a token, which Ray would then want of the other cluster, too; the next local one has it
    again."""
    code = """
import os, ray, sys
from evoact.execution.cluster.ray_cluster import cluster

@ray.remote(num_cpus=0)
class Asked:
    def mode(self):
        return os.environ.get("RAY_AUTH_MODE")

for address in (None, sys.argv[1], None):
    with cluster(address, 1):
        asked = Asked.remote()
        ray.get(asked.mode.remote(), timeout=120)
        print(os.environ["RAY_AUTH_MODE"])
    assert "RAY_AUTH_MODE" not in os.environ
"""
    done = subprocess.run(
        [sys.executable, "-c", code, unguarded.address],
        env={name: value for name, value in os.environ.items() if not name.startswith("RAY_AUTH")}
        | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["token", "disabled", "token"]


@pytest.mark.parametrize(("key", "theirs"), [("ray_version", "2.9.1"), ("python_version", "3.12.4")])
def test_a_cluster_of_other_versions(key, theirs, unguarded, searched):
    """A head says in a key of its store what it runs; here that is overwritten in a real one."""
    port = unguarded.port
    code = (
        "import sys, ray\n"
        f"client = ray._raylet.GcsClient(address='127.0.0.1:{port}')\n"
        f"key = {CLUSTER_METADATA_KEY!r}\n"
        "if len(sys.argv) > 1:\n"
        "    client.internal_kv_put(key, sys.argv[1].encode(), overwrite=True, namespace=b'cluster')\n"
        "print(client.internal_kv_get(key, namespace=b'cluster').decode())\n"
    )

    def told(*text):
        done = subprocess.run(
            [sys.executable, "-c", code, *text], env=os.environ | OPEN, capture_output=True, text=True
        )
        return done.stdout.splitlines()[-1]

    true = told()
    told(json.dumps(json.loads(true) | {key: theirs}))
    try:
        sentence = searched(f"127.0.0.1:{port}")
    finally:
        told(true)
    python, versions = (
        f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}",
        json.loads(true) | {key: theirs},
    )
    assert sentence == (
        f"expected a Ray cluster of Ray {ray.__version__} and Python {python} at --address "
        f"'127.0.0.1:{port}', as here, got one of Ray {versions['ray_version']} and Python "
        f"{versions['python_version']}; install the same on both"
    )


LATE = """
import os, signal, sys, threading, time
from evoact.execution.cluster.ray_cluster import check_cluster
server = int(sys.argv[2])
os.kill(server, signal.SIGSTOP)
threading.Timer(10.0, os.kill, (server, signal.SIGCONT)).start()
begin = time.monotonic()
check_cluster(sys.argv[1])
print(time.monotonic() - begin > 9.0)
"""


def test_a_head_that_answers_late_is_waited_for(unguarded):
    """It is stopped for ten seconds: the system takes connections, and nobody says anything."""
    processes = unguarded.head.processes
    (server,) = [p for p in processes if "gcs_server" in Path(f"/proc/{p}/comm").read_text()]
    done = subprocess.run(
        [sys.executable, "-c", LATE, unguarded.address, str(server)],
        env=os.environ | OPEN,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.stdout == "True\n", done.stderr


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "somebody listens there, who said nothing for 1 s"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "another server"),
        (b"", "another server"),
    ],
)
def test_somebody_else_at_the_address(answer, said, monkeypatch):
    """These tests and the next need no cluster."""
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray_cluster, "ANSWER_SECONDS", 1.0)
    with (
        listening(answer) as port,
        pytest.raises(
            UserError,
            match=rf"expected a Ray cluster at --address '127.0.0.1:{port}', got none: {said}; start",
        ),
    ):
        ray_cluster.check_cluster(f"127.0.0.1:{port}")


@pytest.mark.parametrize(
    "address", ["ray://127.0.0.1:10001", "http://127.0.0.1:8265", "127.0.0.1", "host:port", ""]
)
def test_what_is_no_address_of_a_head(address, monkeypatch):
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    sentence = f"expected --address HOST:PORT, as `ray start --head` prints it, or auto, got {address!r}"
    with pytest.raises(UserError, match=re.escape(sentence)):
        ray_cluster.check_cluster(address)


@contextmanager
def listening(answer):
    """The port of a server that answers so, or listens alone."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()

        def serve():
            with suppress(OSError):
                client, _ = server.accept()
                client.recv(100)
                client.sendall(answer)
                client.close()

        if answer is not None:
            threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_another_thread_takes_while_ray_starts_is_heard_afterwards(number):
    heard, ray_has = [], []
    before = signal.signal(number, lambda number, frame: heard.append(number))

    def elsewhere():  # in a thread that was there before, and does not hold it back
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.pthread_kill(threading.get_ident(), number)

    try:
        with ray_cluster._own_signals({signal.SIGINT, signal.SIGTERM}):
            ray._private.utils.set_sigterm_handler(lambda number, frame: ray_has.append(number))
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()
            assert not heard
        assert (heard, ray_has) == ([number], [])
    finally:
        signal.signal(number, before)
