"""Programs in benchmarks/ have one shape: the same options, and a table that is also a JSON file."""

import ast
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PROGRAMS = sorted(p for p in BENCHMARKS.glob("*.py") if "__main__" in p.read_text())


def called(text):
    return {
        node.func.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and hasattr(node.func, "id")
    }


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda p: p.stem)
def test_a_program_takes_the_same_options_and_reports_rows(program):
    text = program.read_text()
    assert {"arguments", "report", "Row"} <= called(text)
    assert "ArgumentParser(" not in text
    assert f"\n    python benchmarks/{program.name}" in text.replace("PYTHONPATH=. ", ""), (
        "expected how it is called"
    )


def test_what_make_bench_runs_is_there():
    makefile = (BENCHMARKS.parent / "Makefile").read_text()
    names = makefile.partition("BENCHMARKS := ")[2].partition("\n\n")[0].replace("\\\n", " ").split()
    assert set(names) < {p.stem for p in PROGRAMS}
    assert len(set(names)) == len(names)
