"""Runs on an S3-compatible store, a server of its own that the tests start."""

import json
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress

import pyarrow as pa
import pytest

from evoact.config import experiment
from evoact.errors import UserError
from evoact.execution.run import resume, search
from evoact.execution.running import packs
from evoact.execution.running.log import events
from evoact.execution.running.status import status_of
from evoact.exports.write import new_directory
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.store import compact as module
from evoact.leaderboard.store.lock import holder_of, lock
from evoact.tasks.own.table_file import encoded, read_table
from tests.conftest import TIMING

pytestmark = pytest.mark.slow

# Says each request, as a server's log does; refuses all of them while there is a file of that name.
SERVER = """
import os, sys
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
serve = DomainDispatcherApplication(create_backend_app)

def or_busy(environment, start):
    if not os.path.exists(sys.argv[2]):
        return serve(environment, start)
    start("503 Slow Down", [("Content-Type", "application/xml")])
    return [b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"]

run_simple("127.0.0.1", int(sys.argv[1]), or_busy, threaded=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The port of a server, the file that it says its requests in, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = tmp_path_factory.mktemp("s3") / "requests"
    with said.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(port), said.with_name("busy")], stdout=file, stderr=file
        )
    try:
        for _ in range(600):
            with suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=5).close()
                break
            time.sleep(0.1)
        request = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
        urllib.request.urlopen(request, timeout=30).close()
        yield port, said, process
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


def test_files_that_people_name_are_written_and_read_there(uri):
    there = Location.of(uri("bucket/runs/d"))
    assert there.child("config.yaml").text == uri("bucket/runs/d/config.yaml")
    content = encoded(pa.table({"a": [1, 2], "b": ["x", None]}), "csv")
    Location.of(uri("bucket/made/t.csv")).write_output(content)
    assert read_table(uri("bucket/made/t.csv")).to_pydict() == {"a": [1, 2], "b": ["x", None]}
    with pytest.raises(UserError, match=r"expected a file that can be written, got 's3://other/t.csv\?"):
        Location.of(uri("other/t.csv")).write_output(content)
    with pytest.raises(UserError, match="expected a directory on this machine to export into, got 's3://"):
        new_directory(uri("bucket/winner"))


def requests(server):
    time.sleep(0.2)
    return re.findall(r'"(GET|PUT|POST|HEAD|DELETE) (\S+)', server[1].read_text())


@pytest.fixture
def keys(server):
    """Credentials with rights by name: of a store that asks for them, where each is a user's with a policy of its own;
    `allow` gives and takes what a user may do."""
    import boto3

    port = server[0]
    place = {"endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1"}
    client = boto3.client("iam", **place, aws_access_key_id="key", aws_secret_access_key="secret")
    name = f"test-{time.time_ns()}"

    def user(own):
        client.create_user(UserName=own)
        key = client.create_access_key(UserName=own)["AccessKey"]
        return {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def allow(*actions, of=name):
        statement = {"Effect": "Allow", "Action": [*actions], "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        client.put_user_policy(UserName=of, PolicyName="rights", PolicyDocument=document)

    admin, own = user(f"{name}-admin"), user(name)
    allow("*", of=f"{name}-admin")
    allow("s3:*")
    client = boto3.client("iam", **place, **admin)
    from_now(port, "0")
    try:
        yield own, allow
    finally:
        from_now(port, "inf")


def from_now(port, actions):
    """Have the server take so many requests before it asks who is there."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/moto-api/reset-auth",
        data=actions.encode(),
        headers={"Content-Type": "text/plain"},
        method="POST",
    )
    urllib.request.urlopen(request, timeout=30).close()


@pytest.fixture
def as_user(uri, keys, monkeypatch):
    for name, value in keys[0].items():
        monkeypatch.setenv(name.upper(), value)
    return keys[1]


@pytest.mark.parametrize("rights", [["s3:ListBucket"], ["s3:GetObject", "s3:ListBucket"], ["sqs:*"]])
def test_a_bucket_without_permission(rights, uri, as_user, tiny, evoact, config_file):
    as_user(*rights)
    with pytest.raises(
        UserError, match=r"expected a run directory that can be made, got 's3://.*ACCESS_DENIED"
    ) as error:
        search(experiment(tiny()), uri("bucket/forbidden"))
    assert len(str(error.value).splitlines()) == 1
    done = evoact("leaderboard", uri("bucket/forbidden"))
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert ("nothing there" if "s3:GetObject" in rights else "ACCESS_DENIED") in done.stderr


@pytest.mark.parametrize("moment", ["search", "judge"])
def test_rights_that_end_while_it_runs_are_waited_for(moment, uri, as_user, tiny, tmp_path):
    """The run says so, and goes on as soon as they are back, with all rows."""
    config, said, events_before = tiny(training__steps=3), [], []

    def observe(progress):
        if progress.phase == moment and not events_before:
            events_before.append(progress.total_done)
            as_user("s3:ListBucket")
        if progress.waiting.startswith("waiting for s3://"):
            said.append(progress.waiting)
            as_user("s3:*")

    run = uri(f"bucket/runs/expired-{moment}")
    assert search(experiment(config), run, observe=observe).complete
    assert said
    assert "ACCESS_DENIED" in said[0]
    search(experiment(config), tmp_path / "local")
    rows = Leaderboard(run).to_arrow().drop_columns([*TIMING])
    local = Leaderboard(tmp_path / "local").to_arrow().select(rows.column_names)
    assert rows.to_pylist() == local.to_pylist()
    assert [e["what"] for e in events(Location.of(run)) if e["event"] == "fault"] == [
        "store out of reach"
    ] * len(said)


@pytest.mark.parametrize("how", ["stopped", "busy"])
def test_a_store_that_does_not_answer_is_waited_for(how, uri, server, tiny, tmp_path, monkeypatch):
    """It is stopped in the middle of a search, or answers that it has too much to do; the run says so, and goes on when
    it is back, with all rows."""
    monkeypatch.setattr(packs, "SILENT_SECONDS", 1.0 if how == "stopped" else 600.0)
    _, said, process = server
    struck, waited, busy = [], [], said.with_name("busy")

    def observe(progress):
        if progress.phase == "search" and progress.done == 8 and not struck:
            struck.append(busy.touch() if how == "busy" else process.send_signal(signal.SIGSTOP))
        if progress.waiting.startswith("waiting for s3://"):
            waited.append(progress.waiting)
            mended()

    def mended():
        process.send_signal(signal.SIGCONT)
        busy.unlink(missing_ok=True)

    config, run = experiment(tiny(training__steps=3)), uri(f"bucket/runs/{how}")
    try:
        assert search(config, run, observe=observe).complete
    finally:
        mended()
    assert ("no answer for" if how == "stopped" else "SLOW_DOWN") in waited[0]
    search(config, tmp_path / "local")
    rows = Leaderboard(run).to_arrow().drop_columns([*TIMING])
    local = Leaderboard(tmp_path / "local").to_arrow().select(rows.column_names)
    assert rows.to_pylist() == local.to_pylist()
    faults = [e["what"] for e in events(Location.of(run)) if e["event"] == "fault"]
    assert {*faults} == {"store out of reach"}
