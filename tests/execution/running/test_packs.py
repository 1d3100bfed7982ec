"""Rows on a store that does not answer for a while."""

from pyarrow import fs

from evoact.config import experiment
from evoact.execution.run import search
from evoact.execution.running import packs
from evoact.execution.running.log import FAULT, events
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
