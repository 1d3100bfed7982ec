"""What is said of a search that took longer than its clock allowed."""

import re
import time

import pytest

from evoact.api.clock import late
from evoact.config import experiment
from evoact.execution.run import search


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    """A search that ran for some moments, and has an hour."""
    place = tmp_path_factory.mktemp("runs") / "run"
    search(experiment(tiny(budget={"networks": 8, "minutes": 60.0}, training__steps=2)), place)
    return place


def test_one_in_time_and_one_without_a_clock_say_nothing(run, tiny, tmp_path):
    assert late(str(run)) == ""
    assert late(str(run), 60.0, time.time() - 3600) == ""  # a moment later is no matter
    search(experiment(tiny(training__steps=2)), tmp_path / "run")
    assert late(str(tmp_path / "run")) == ""


def test_what_the_time_was_for_is_said(run):
    said = late(str(run), 90.0, time.time() - 6600)
    assert re.fullmatch(
        r"It took 110 of 90 minutes: 1\d\d until the first network; networks that have begun are trained to their end, "
        r"and the confirmation is never cut short\.",
        said,
    )


def test_each_part_is_said(run, monkeypatch):
    monkeypatch.setattr("evoact.api.clock.covered", lambda spans: 1800.0)
    said = late(str(run), 90.0, time.time() - 7200)
    assert "120 of 90 minutes: 1" in said
    assert "30 for baselines, 30 for the search (it began packs for 60) and 60 for the confirmation; " in said


def test_a_search_that_took_longer_than_its_budget_says_so(run, monkeypatch):
    monkeypatch.setattr("evoact.api.clock.covered", lambda spans: 4500.0)
    assert late(str(run)) == (
        "The search took 75 of 60 minutes, because networks that have begun are trained to their end."
    )


def test_it_is_said_at_the_end(tiny, tmp_path, monkeypatch, capsys):
    import evoact
    from evoact.cli.results import end

    monkeypatch.setattr("evoact.api.clock.SECONDS", -1e9)
    found = evoact.search(tiny(budget={"networks": 8, "minutes": 60.0}), tmp_path / "run")
    assert re.search("The search took .* of 60 minutes", found.verdict)
    end(found)
    assert "of 60 minutes" in " ".join(capsys.readouterr().out.split())
