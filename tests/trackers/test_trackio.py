"""Trackio, in a folder of its own."""

import json
import os
import sqlite3
import subprocess
import sys

import pytest

pytestmark = [
    pytest.mark.skipif("not __import__('importlib').util.find_spec('trackio')", reason="needs trackio"),
    pytest.mark.slow,
]

PROGRAM = """
import sys
from pathlib import Path
from evoact.trackers.trackio import Trackio
from tests.trackers.examples import ENDED, begun, points

before, start, stop = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
tracker = Trackio(begun(Path.cwd(), before=before, seen=start - 1), project="mine")
tracker.observe(points(start, stop))
tracker.end(ENDED)
print("run", tracker.run)
"""


def test_a_run_goes_on_where_it_was(tmp_path):
    """Trackio looks up its folder when it is imported."""
    environment = os.environ | {"TRACKIO_DIR": str(tmp_path)}

    def carry_out(*arguments: str) -> str:
        command = [sys.executable, "-c", PROGRAM, *arguments]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        (said,) = (line for line in done.stdout.splitlines() if line.startswith("run "))
        return said.removeprefix("run ")

    run = carry_out("", "1", "4")
    assert carry_out(run, "4", "6") == run
    with sqlite3.connect(tmp_path / "mine.db") as store:
        rows = store.execute("SELECT run_name, step, metrics FROM metrics ORDER BY id").fetchall()
        config = json.loads(store.execute("SELECT config FROM configs").fetchone()[0])
    assert {name for name, _, _ in rows} == {run}
    values = [(step, json.loads(metrics)) for _, step, metrics in rows]
    assert [(s, v["search/validation"]) for s, v in values if "search/validation" in v] == [
        (step, step / 10) for step in range(1, 6)
    ]
    assert values[-1][1]["verdict"] == "A gain."
    assert config["training"] == {"steps": 20}
