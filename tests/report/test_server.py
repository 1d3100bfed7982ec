"""The served report, by the real command: who may read it, SQL, and a page that follows a run."""

import html
import json
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from evoact.cli.main import main
from evoact.config import experiment
from evoact.execution.run import search
from tests.report.browser import Browser, find_browser

pytestmark = pytest.mark.slow
EVOACT = Path(sys.executable).with_name("evoact")


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory):
    """A finished run, and one whose rows have not landed yet, with where they are."""
    home = tmp_path_factory.mktemp("serve") / "finished"
    search(experiment(tiny(name="<b>one</b>")), home)
    pending = home.with_name("pending")
    shutil.copytree(home, pending)
    rows = home.with_name("rows")
    (pending / "leaderboard").rename(rows)
    (pending / "leaderboard").mkdir()
    return home, pending, rows


@pytest.fixture(scope="module")
def address(runs):
    """Of a server on any free port, stopped as from the keyboard in the end."""
    command = [str(EVOACT), "serve", str(runs[0]), str(runs[1]), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        said = server.stdout.readline()
        assert said, server.stderr.read()
        yield re.search(r"http://127\.0\.0\.1:\d+/[-\w]{32}/", said).group()
        server.send_signal(signal.SIGINT)
        out, errors = server.communicate(timeout=60)
        assert (server.returncode, out, errors) == (0, "Stopped.\n", "")


def get(url, data=None, **headers):
    """Status, text and headers of an answer."""
    request = urllib.request.Request(url, data, headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def test_only_the_whole_address_is_answered(address):
    server = address.rsplit("/", 2)[0]
    token = address.rsplit("/", 2)[1]
    wrong = ["", "wrong/", f"{token[:-1]}/", f"{token}x/0/", "wrong/0/version", "%FF/0/"]
    for path in wrong:
        status, said, _ = get(f"{server}/{path}")
        assert (status, said[:38]) == (403, "Expected the whole address that evoact"), path
    assert get(f"{server}/wrong/0/sql", b"SELECT 1")[0] == 403
    assert get(f"{address}2/")[0] == 404
    assert get(f"{address}0/favicon.ico")[0] == 403
    assert get(address, Host="evil.example")[0] == 400  # another name for this machine


def test_pages_ask_nobody_but_their_server(address):
    status, text, headers = get(address)
    assert status == 200
    assert text.count("&lt;b&gt;one&lt;/b&gt;</a>") == 2
    status, text, headers = get(f"{address}0/")
    assert status == 200
    assert "connect-src 'self'" in html.unescape(text)
    assert "Verdict: " in text
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert json.loads(get(f"{address}0/version")[1])["version"] in text


def test_sql_is_that_of_the_command_line(address, tmp_path):
    counted = (
        b"SELECT phase, count(*) AS n, avg(val_metric) > 0 AS good FROM leaderboard GROUP BY ALL ORDER BY ALL"
    )
    status, text, _ = get(f"{address}0/sql", counted)
    found = json.loads(text)
    assert (status, found["columns"]) == (200, ["phase", "n", "good"])
    assert {row[0] for row in found["rows"]} >= {"baseline", "search", "confirm"}
    status, text, _ = get(f"{address}sql", b"SELECT range FROM range(2000)")
    found = json.loads(text)
    assert (len(found["rows"]), found["total"], found["rows"][-1]) == (1000, 2000, [999])
    for refused in (
        f"COPY leaderboard TO '{tmp_path}/x'",
        "SELECT * FROM read_csv('/etc/passwd')",
        "",
        "SELECT 1; SELECT 2",
    ):
        status, said, _ = get(f"{address}0/sql", refused.encode() or b" ")
        assert status == 400
        assert said.startswith("expected one SELECT over the tables 'leaderboard' and 'curves', got ")
        assert said.count("\n") == 1


def test_mistakes_are_one_sentence(address, runs, capsys, tmp_path):
    port = re.search(r":(\d+)/", address).group(1)
    for arguments, begins in (
        (
            [str(runs[0]), "--port", port],
            f"expected a free port, got {port} (another process listens there);",
        ),
        ([str(tmp_path)], f"expected a run directory, got '{tmp_path}'"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["serve", *arguments])
        (said,) = capsys.readouterr().err.splitlines()
        assert (ended.value.code, said[: len(begins)]) == (2, begins)


@pytest.mark.skipif(find_browser() is None, reason="no Chromium here; CHROMIUM can name one")
def test_a_page_follows_its_run_and_asks_sql_by_keyboard(address, runs):
    _, pending, rows = runs
    browser = Browser(find_browser())
    try:
        browser.screen(1000, 800)
        browser.call("Page.navigate", url=f"{address}1/")
        browser.wait("document.querySelector('#sql textarea') !== null")
        assert browser.run("document.querySelector('#leaderboard')") is None
        browser.type("#sql textarea", "SELECT count(*) AS n FROM leaderboard")
        for file in sorted(rows.iterdir()):
            file.rename(pending / "leaderboard" / file.name)
        browser.wait("document.querySelectorAll('#leaderboard tbody tr').length > 5")
        assert browser.run("document.querySelector('[data-following]').textContent").startswith("Updated at ")
        assert browser.run("document.activeElement.id") == "query"
        enter = {"key": "Enter", "code": "Enter", "windowsVirtualKeyCode": 13, "modifiers": 2}
        browser.call("Input.dispatchKeyEvent", type="keyDown", **enter)
        browser.wait("document.querySelector('[data-answered]').textContent === '1 row'")
        assert int(browser.run("document.querySelector('#sql td').textContent")) > 5
        browser.type("[data-filter]", "no such thing")
        assert browser.run("document.querySelector('[data-count]').textContent") == "0 of 0 rows shown"
        bad = ("Runtime.exceptionThrown", "Log.entryAdded")
        assert [e for e in browser.events if e["method"] in bad] == []
    finally:
        browser.close()
