"""Downloads: on request, whole or not at all, and never where they are forbidden."""

import dataclasses
import hashlib
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from evoact.errors import UserError
from evoact.tasks.files import DataFile, require

CONTENTS = bytes(range(256)) * 5000
SHA256 = hashlib.sha256(CONTENTS).hexdigest()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/gone":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENTS)))
        self.end_headers()
        self.wfile.write(CONTENTS[: len(CONTENTS) // 2 if self.path == "/torn" else None])

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("EVOACT_OFFLINE", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        thread = threading.Thread(target=made.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()
        thread.join()


def file(url, sha256=SHA256):
    return DataFile(("a.bin", "other.bin"), url, sha256, gzipped=False)


def test_a_download(nothing, server, capsys):
    path = require(file(f"{server}/a.bin"), "t", None, True)
    assert path == nothing / "t" / "a.bin"
    assert path.read_bytes() == CONTENTS
    assert "downloading" in capsys.readouterr().err
    assert require(file("http://none.invalid/a.bin"), "t", None, True) == path
    assert [p.name for p in path.parent.iterdir()] == ["a.bin"]
    assert capsys.readouterr().err == ""


def test_a_download_to_the_users_folder(nothing, server, tmp_path):
    assert require(file(f"{server}/a.bin"), "t", str(tmp_path / "mine"), True).parent == tmp_path / "mine"


@pytest.mark.parametrize(
    ("path", "sha256", "message"),
    [
        ("/a.bin", "00ff", f"expected contents with sha256 00ff, found {SHA256}"),
        ("/torn", SHA256, "bytes"),
        ("/gone", SHA256, "404|Not Found"),
    ],
)
def test_nothing_stays_of_a_failed_download(nothing, server, path, sha256, message):
    with pytest.raises(UserError, match=message):
        require(file(server + path, sha256), "t", None, True)
    assert not [p for p in nothing.rglob("*") if p.is_file()]


def test_no_server(nothing, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("EVOACT_OFFLINE", raising=False)
    with pytest.raises(UserError, match=r"could not download http://127.0.0.1:9/a.bin to .*refused"):
        require(file("http://127.0.0.1:9/a.bin"), "t", None, True)


def test_offline(nothing, server, monkeypatch):
    monkeypatch.setenv("EVOACT_OFFLINE", "1")
    with pytest.raises(UserError, match="but EVOACT_OFFLINE is set: put the file into"):
        require(file(f"{server}/a.bin"), "t", None, True)
    monkeypatch.setenv("EVOACT_OFFLINE", "0")
    assert require(file(f"{server}/a.bin"), "t", None, True).is_file()


def test_only_on_request(nothing, server):
    with pytest.raises(UserError, match=r"task\.download: true"):
        require(file(f"{server}/a.bin"), "t", None, False)


def test_where_files_are_looked_for(nothing, tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_DATA", str(tmp_path / "shared"))
    for folder in (nothing / "t", tmp_path / "shared" / "t", tmp_path / "mine"):
        folder.mkdir(parents=True)
        (folder / "other.bin").write_bytes(b"")
        asked = str(folder) if folder.name == "mine" else None
        assert require(file(""), "t", asked, False).parent == folder
    with pytest.raises(UserError, match="found none"):
        require(dataclasses.replace(file(""), names=("b.bin",)), "t", str(tmp_path / "mine"), False)
