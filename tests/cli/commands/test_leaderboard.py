"""The command that shows the leaderboard: tables, formats, mistakes, and the ranking of a running search."""

import csv
import io
import json
import os
import pty
import re
import select
import subprocess
import sys
import time

import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from evoact.cli.commands.leaderboard import leaderboard
from evoact.cli.main import main
from evoact.config import experiment
from evoact.errors import UserError
from evoact.execution.run import search
from evoact.leaderboard.store.write import write_part
from tests.conftest import change_record

app = typer.Typer()
app.command()(leaderboard)


def run(*arguments):
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result


def test_a_plain_table(run_dir):
    lines = run(run_dir, "--top", 2).stdout.splitlines()
    assert lines[0].split() == ["rank", "candidate", "label", "val", "seeds", "rate", "phase"]
    assert lines[1].split() == ["1", "19", "5", "relu", "+", "5", "sin", "0.19", "1", "0.01", "search"]
    assert len(lines) == 3


def test_a_directory_named_twice_counts_once(run_dir):
    asked = ("--sql", "SELECT count(*) FROM leaderboard", "--format", "csv")
    twice = run(run_dir, run_dir.parent / "." / run_dir.name, *asked)
    assert twice.stdout == run(run_dir, *asked).stdout


def test_a_table_on_a_terminal_fits(run_dir):
    code = (
        "import sys, typer; from evoact.cli.commands.leaderboard import leaderboard; typer.run(leaderboard)"
    )
    master, slave = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", code, str(run_dir)],
        stdout=slave,
        check=True,
        env=os.environ | {"COLUMNS": "70"},
    )
    os.close(slave)
    text = os.read(master, 100_000).decode()
    os.close(master)
    assert "candidate" in text
    assert max(map(len, text.replace("\x1b[1m", "").replace("\x1b[0m", "").split("\r\n"))) <= 70


def test_sql_as_json(run_dir):
    query = "SELECT candidate, val_metric / 0 AS inf, started_at, now() AS now FROM leaderboard ORDER BY 1"
    first, second, *_ = json.loads(run(run_dir, "--sql", query, "--format", "json").stdout)
    assert (first["candidate"], second["inf"], first["started_at"]) == (0, None, None)
    assert first["now"][10] == "T"


def test_csv(run_dir):
    text = run(
        run_dir, "--sql", "SELECT candidate, parents FROM leaderboard ORDER BY 1", "--format", "csv"
    ).stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 20
    assert rows[3] == {"candidate": "3", "parents": "[]"}


def test_parquet_to_a_pipe_and_to_a_file(run_dir, tmp_path):
    piped = run(run_dir, "--format", "parquet").stdout_bytes
    run(run_dir, "--format", "parquet", "-o", tmp_path / "top.parquet")
    assert pq.read_table(io.BytesIO(piped)).equals(pq.read_table(tmp_path / "top.parquet"))


def test_a_file_that_cannot_be_written(run_dir, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="expected a file that can be written, got"):
        run(run_dir, "--format", "csv", "-o", tmp_path / "file" / "such.csv")


def test_the_folder_of_an_output_is_made(run_dir, tmp_path):
    run(run_dir, "--format", "csv", "-o", tmp_path / "made" / "here" / "top.csv")
    assert (tmp_path / "made" / "here" / "top.csv").read_bytes()


def test_long_answers_are_cut_and_say_so(run_dir):
    result = run(run_dir, "--sql", "SELECT * FROM range(1000)")
    assert len(result.stdout.splitlines()) == 201
    assert "and 800 more rows" in result.stderr


def test_problems_are_named_and_the_rest_answers(run_dir):
    bad = run_dir / "leaderboard" / "part-bad.parquet"
    bad.write_bytes(b"x")
    result = run(run_dir, "--format", "json")
    assert len(json.loads(result.stdout)) == 10
    assert result.stderr.count("\n") == 1
    assert str(bad) in result.stderr


def test_mistakes(tmp_path):
    with pytest.raises(UserError, match="expected a run directory, got nothing there"):
        run(tmp_path / "missing")


def test_an_empty_run(tmp_path):
    (tmp_path / "config.yaml").touch()
    assert run(tmp_path).stdout.split()[:2] == ["rank", "candidate"]
    assert run(tmp_path, "--format", "json").stdout == "[]\n"


def on_a_terminal(columns, *arguments):
    """The lines that the command prints on a terminal of so many columns."""
    code = "import typer; from evoact.cli.commands.leaderboard import leaderboard; typer.run(leaderboard)"
    master, slave = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=slave,
        check=True,
        env=os.environ | {"COLUMNS": str(columns), "NO_COLOR": "1"},
    )
    os.close(slave)
    text = os.read(master, 100_000).decode()
    os.close(master)
    return [line.rstrip() for line in re.sub(r"\x1b\[\d*m", "", text).split("\r\n")]


@pytest.mark.parametrize("columns", [80, 130])
def test_labels_are_readable_on_a_terminal(tmp_path, make_result, make_genome, write, columns):
    """Of runs whose columns all say something, the confirmed with test metrics."""
    tests = {"phase": "confirm", "test_metric": 0.8765, "test_large_metric": 0.8712}
    made = [
        make_result(i, val=i / 100, genome=make_genome(i, 10**-i), **(tests if i > 2 else {}))
        for i in range(1, 5)
    ]
    lines = on_a_terminal(columns, write(tmp_path / "run", *made, run="quickstart-20261122-040207"))
    assert max(map(len, lines)) <= columns
    assert any("4 relu + 6 sin" in line for line in lines)
    assert any("1 relu + 9 sin" in line for line in lines)
    left_out = [line for line in lines if line.startswith("Hidden, because the terminal is too narrow: ")]
    assert len(left_out) == (columns < 100)
    assert all("structure" in line for line in left_out)


def test_runs_of_different_tasks_are_ranked_one_by_one(tmp_path, make_result):
    """Accuracies would beat any error, and a run with a minimised metric ranks the other way round."""
    write_part(
        tmp_path / "a", [make_result(i, val=i / 10) for i in range(3)], run="a", task="digits", network="mlp"
    )
    errors = [make_result(i, val=i, metric="mse", direction="minimize") for i in range(1, 4)]
    write_part(tmp_path / "b", errors, run="b", task="van_der_pol", network="mlp")
    both = (tmp_path / "a", tmp_path / "b", "--top", 2)
    first, second = run(*both).stdout.split("\n\n")
    assert first.splitlines()[0] == "digits, accuracy:"
    assert [line.split()[:3] for line in first.splitlines()[2:]] == [["1", "a", "2"], ["2", "a", "1"]]
    assert second.splitlines()[0] == "van_der_pol, mse:"
    assert [line.split()[:3] for line in second.splitlines()[2:]] == [["1", "b", "1"], ["2", "b", "2"]]
    rows = json.loads(run(*both, "--format", "json").stdout)
    assert [(r["rank"], r["task"], r["metric"], r["run"], r["candidate"]) for r in rows] == [
        (1, "digits", "accuracy", "a", 2),
        (2, "digits", "accuracy", "a", 1),
        (1, "van_der_pol", "mse", "b", 1),
        (2, "van_der_pol", "mse", "b", 2),
    ]
    lines = on_a_terminal(80, *both)
    assert "digits, accuracy:" in lines
    assert "van_der_pol, mse:" in lines
    alone = run(tmp_path / "a", "--top", 2).stdout.splitlines()
    assert "run" not in alone[0].split()


@pytest.fixture
def running(tiny, tmp_path):
    """A run directory that looks as if its search went on."""
    search(experiment(tiny(training__steps=2, confirm__candidates=0)), tmp_path / "run")
    record = tmp_path / "run" / "run.json"
    finished = record.read_text()
    change_record(tmp_path / "run", finished_at=None)
    return tmp_path / "run", lambda: record.write_text(finished)


@pytest.mark.slow
def test_it_is_shown_again_until_the_run_ends(running, command):
    run_dir, finish = running
    ours, theirs = pty.openpty()
    shown = subprocess.Popen(
        [*command, "leaderboard", run_dir, "--live", "--top", "3"], stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    text, end, ended = b"", time.monotonic() + 120, False
    try:
        while time.monotonic() < end:
            if select.select([ours], [], [], 0.2)[0]:
                try:
                    text += os.read(ours, 1 << 16)
                except OSError:  # the other side has closed
                    break
            if not ended and text.count(b"22 networks, ") >= 2:
                finish()
                ended = True
        assert shown.wait(timeout=60) == 0
    finally:
        shown.kill()
        shown.wait()
        os.close(ours)
    assert text.count(b"22 networks, ") >= 3
    last = text.rsplit(b"\x1b[?1049l", 1)[1].decode()  # what stands there when the screen of its own is gone
    assert "rank" in last
    assert len([line for line in last.splitlines() if line.strip()[:1].isdigit()]) >= 3


@pytest.mark.parametrize("more", [[], ["--sql", "SELECT 1"], ["--format", "csv"]])
def test_only_on_a_terminal_and_alone(running, more, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["leaderboard", str(running[0]), "--live", *more])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("expected --live alone and on a terminal")
