"""Rows of packs that are back at once, and on a store that does not answer for a while."""

from functools import partial

from pyarrow import fs

from evoact.config import experiment
from evoact.execution import local
from evoact.execution.run import search
from evoact.execution.running import packs
from evoact.execution.running.log import FAULT, PACK, events
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location


def test_a_store_out_of_reach_is_waited_for(tiny, monkeypatch):
    home = Location(fs.SubTreeFileSystem("runs", fs._MockFileSystem()), "a", "memory")
    tries, said, real = [], [], packs.write_part

    def write_part(*arguments, **named):
        tries.append(0)
        if len(tries) in (2, 3):
            raise OSError("AWS Error EXPIRED_TOKEN during PutObject operation")
        return real(*arguments, **named)

    monkeypatch.setattr(packs, "write_part", write_part)
    monkeypatch.setattr(packs.time, "sleep", lambda seconds: None)
    made = experiment(tiny(training__steps=1, confirm__candidates=0))
    assert search(made, home, observe=lambda p: said.append(p.waiting)).complete
    assert said.count("waiting for memory: AWS Error EXPIRED_TOKEN during PutObject operation") == 2
    assert [e["what"] for e in events(home) if e["event"] == FAULT] == ["store out of reach"] * 2
    assert len(Leaderboard(home)) == 6 + 16


def test_packs_that_are_back_at_once_are_one_file(tiny, tmp_path, monkeypatch, rows_of):
    """They are told one by one: the log has a line of each, and an observer hears of each."""
    made = experiment(tiny(training__steps=1, confirm__candidates=0, packs={"size": 2}))
    assert search(made, tmp_path / "one").complete
    written, heard, real = [], [], packs.write_part

    def write_part(*arguments, **named):
        written.append(len({r.pack for r in arguments[1]}))
        return real(*arguments, **named)

    monkeypatch.setattr(packs, "write_part", write_part)
    monkeypatch.setattr(local, "execute", partial(local.execute, together=3))
    assert search(
        made, tmp_path / "three", observe=lambda p: heard.append(len(p.results)) if p.results else None
    ).complete
    assert rows_of(tmp_path / "three") == rows_of(tmp_path / "one")
    lines = [e for e in events(Location.of(tmp_path / "three")) if e["event"] == PACK]
    assert max(written) == 3
    assert sum(written) == len(lines) == len(heard)
    assert [e["networks"] for e in lines] == heard
