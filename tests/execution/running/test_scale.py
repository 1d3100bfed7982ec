"""Another budget or number of workers for a run that goes on."""

import pytest

from evoact.config import comparison, experiment
from evoact.errors import UserError
from evoact.execution.run import compare, resume, search
from evoact.execution.running import packs
from evoact.execution.running.scale import SCALE, Scale, ask
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import config_of


@pytest.fixture(autouse=True)
def _looks_at_once(monkeypatch):
    monkeypatch.setattr(packs, "LOOK_SECONDS", 0.0)


def at(done, act):
    """An observer that acts once, when so many networks of the search are done."""
    acted = []

    def observe(progress):
        if progress.phase == "search" and progress.done >= done and not acted:
            acted.append(progress.done)
            act()

    return observe


@pytest.mark.parametrize(("before", "after"), [(16, 30), (30, 12), (20, 20)])
@pytest.mark.parametrize("strategy", ["evolution", "random"])
def test_as_if_begun_with_that_budget(strategy, before, after, tiny, tmp_path, rows_of):
    settings = {"evolution": {"population": 8, "elites": 2, "parents": 4}}.get(strategy, {})
    config = tiny(strategy={"name": strategy, **settings}, training__steps=3)
    search(experiment(config | {"budget": {"networks": after}}), tmp_path / "from the start")
    scaled = at(8, lambda: ask(tmp_path / "run", Scale(networks=after), "search"))
    search(experiment(config | {"budget": {"networks": before}}), tmp_path / "run", observe=scaled)
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "from the start")
    assert config_of(Location.of(tmp_path / "run"))["budget"]["networks"] == after
    assert not (tmp_path / "run" / SCALE).exists()


def test_a_stopped_run_takes_it_up_when_it_resumes(tiny, tmp_path, rows_of):
    def stop():
        raise KeyboardInterrupt

    search(experiment(tiny(training__steps=3)), tmp_path / "run", observe=at(12, stop))
    ask(tmp_path / "run", Scale(networks=24), "search")
    assert resume(tmp_path / "run").complete
    search(experiment(tiny(training__steps=3, budget__networks=24)), tmp_path / "from the start")
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "from the start")


def test_what_was_trained_cannot_be_undone(tiny, tmp_path, rows_of):
    less = at(12, lambda: ask(tmp_path / "run", Scale(networks=3), "search"))
    assert search(experiment(tiny(training__steps=3)), tmp_path / "run", observe=less).complete
    assert sum(row["phase"] == "search" for row in rows_of(tmp_path / "run")) == 12


def test_what_cannot_be_asked_for(tiny, tiny_comparison, tmp_path, evoact):
    run = tmp_path / "run"
    search(experiment(tiny(training__steps=1)), run, observe=at(1, lambda: refused(run)))
    with pytest.raises(UserError, match="expected a run that has not finished"):
        ask(run, Scale(networks=5))
    said = evoact("scale", run, "--networks", 5)
    assert said.returncode == 2
    assert len(said.stderr.splitlines()) == 1


def refused(run):
    for scale, phase, sentence in [
        (Scale(), "", "expected --workers or --networks with a number, got neither"),
        (Scale(networks=0), "", "expected --networks of at least 1, got 0"),
        (Scale(workers=2), "", "expected a run on Ray for --workers, got one with execution.backend local"),
        (Scale(networks=9), "confirm", "expected a search that goes on for --networks, got one in its phase"),
    ]:
        with pytest.raises(UserError, match=sentence):
            ask(run, scale, phase)
    (run / SCALE).write_text('{"networks": "many"}')  # and is left alone


def test_a_comparison_keeps_its_budget(tiny_comparison, tmp_path):
    def observe(progress):
        with pytest.raises(UserError, match="expected a search for --networks, got a comparison"):
            ask(tmp_path / "run", Scale(networks=9))
        raise KeyboardInterrupt

    compare(comparison(tiny_comparison()), tmp_path / "run", observe=observe)
