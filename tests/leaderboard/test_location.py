"""Runs on an S3-compatible store, a server of its own that the tests start."""

import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pytest

from evoact.config import experiment
from evoact.errors import UserError
from evoact.execution.run import resume, search
from evoact.execution.running.status import status_of
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.store import compact as module
from evoact.leaderboard.store.lock import holder_of, lock
from tests.conftest import TIMING

pytestmark = pytest.mark.slow

# Says each request, as a server's log does.
SERVER = """
import sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
run_simple("127.0.0.1", int(sys.argv[1]), DomainDispatcherApplication(create_backend_app), threaded=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The port of a server, and the file that it says its requests in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = tmp_path_factory.mktemp("s3") / "requests"
    with said.open("w") as file:
        process = subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stdout=file, stderr=file)
    try:
        for _ in range(600):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                break
            time.sleep(0.1)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        yield port, said
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def uri(server, monkeypatch):
    """Makes URIs of places on the store."""
    for name, value in (
        ("ACCESS_KEY_ID", "key"),
        ("SECRET_ACCESS_KEY", "secret"),
        ("EC2_METADATA_DISABLED", "true"),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    return lambda path: f"s3://{path}?endpoint_override=127.0.0.1:{server[0]}&scheme=http&region=us-east-1"


def test_a_search_is_stopped_and_resumed_there(uri, server, tiny, tmp_path, rows_of):
    config = tiny(training__steps=3)
    run = uri("bucket/runs/a")
    states = []

    def observe(progress):
        if progress.phase == "search" and progress.done == 8:
            states.append(status_of(run))
            with pytest.raises(UserError, match="in use by process"), lock(run):
                pass
            raise KeyboardInterrupt

    assert not search(experiment(config), run, observe=observe).complete
    assert (states[0].state, states[0].phases["search"]["done"]) == ("running", 8)
    assert status_of(run).state == "stopped"
    assert holder_of(run) is None
    assert resume(run).complete
    search(experiment(config), tmp_path / "local")
    rows = Leaderboard(run).to_arrow().drop_columns([*TIMING])
    local = Leaderboard(tmp_path / "local").to_arrow().select(rows.column_names)
    assert rows.to_pylist() == local.to_pylist()
    home = Location.of(run)
    assert len(home.child("leaderboard").names()) == 1
    assert status_of(run).state == "finished"
    artifact = next(name for name in rows["artifact"].to_pylist() if name)
    assert home.child(artifact).read() == (tmp_path / "local" / artifact).read_bytes()


def test_a_pack_takes_one_request(uri, server, make_result, write):
    place = Location.of(uri("bucket/runs/b"))
    write(place, make_result(0, pack="first"))
    before = len(requests(server))
    for i in range(1, 4):
        write(place, make_result(i, pack=str(i)))
    assert [method for method, _ in requests(server)[before:]] == ["PUT"] * 3


def test_files_stay_few_there(uri, monkeypatch, make_result, write):
    monkeypatch.setattr(module, "MOST_FILES", 6)
    monkeypatch.setattr(module, "AT_ONCE", 3)
    place = Location.of(uri("bucket/runs/c"))
    rolling = module.Rolling(place)
    for i in range(14):
        write(place, make_result(i, pack=str(i)), rolling=rolling)
    assert len(place.child("leaderboard").names()) < 12
    assert module.compact(place)
    assert Leaderboard(place).to_arrow()["proposal"].to_pylist() == list(range(14))


def test_a_bucket_that_is_not_there(uri, tiny):
    with pytest.raises(UserError, match=r"expected a run directory that can be made, got 's3://other/a\?.*'"):
        search(experiment(tiny()), uri("other/a"))
    with pytest.raises(UserError, match="expected a run directory, got"):
        resume(uri("bucket/nothing"))


def requests(server):
    time.sleep(0.2)
    return re.findall(r'"(GET|PUT|POST|HEAD|DELETE) (\S+)', server[1].read_text())
