"""The judgement: what the confirmation chose is trained on further seeds, whatever interrupts it, and old runs keep
their rule."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from evoact.analysis.search_summary import summarise
from evoact.config import comparison, experiment
from evoact.config.stored_plan import plan_of
from evoact.execution.run import resume, search
from evoact.execution.stages import Stages
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.schema import result as from_row
from evoact.records import FIRST_CONFIRMATION_SEED, FRESH
from evoact.report.markdown import markdown
from evoact.report.run import read_run
from tests.conftest import change_record

SETTINGS = {"confirm": {"candidates": 3, "baselines": 2, "seeds": 2, "judge": 3}, "training__steps": 3}


@pytest.fixture(scope="module")
def made(tiny):
    return experiment(tiny(**SETTINGS))


@pytest.fixture(scope="module")
def finished(made, tmp_path_factory):
    return search(made, tmp_path_factory.mktemp("judging") / "run")


@pytest.fixture(scope="module")
def results(finished):
    return [from_row(row) for row in Leaderboard(finished.run_dir).to_arrow().to_pylist()]


def means(rows, column):
    of = {}
    for row in rows:
        of.setdefault(row["candidate"], []).append(row[column])
    return {candidate: pytest.approx(sum(values) / len(values)) for candidate, values in of.items()}


def test_what_is_chosen_is_judged_on_seeds_that_chose_nothing(finished, rows_of):
    rows = rows_of(Path(finished.run_dir))
    confirmed = [row for row in rows if row["phase"] == "confirm"]
    judged = [row for row in rows if row["phase"] == "judge"]
    first = FIRST_CONFIRMATION_SEED
    assert {row["seed"] for row in confirmed} == {first, first + 1}
    assert {row["seed"] for row in judged} == {first + 2, first + 3, first + 4}
    summary = finished.summary
    both = {summary.best_found.candidate, summary.best_baseline.candidate}
    assert {row["candidate"] for row in judged} == both
    assert {c.candidate: c.validation for c in summary.confirmed} == means(confirmed, "val_metric")
    assert {c.candidate: c.test for c in summary.confirmed if c.judged_on} == means(judged, "test_metric")
    assert summary.winner.candidate in both
    assert summary.winner.validation == max(c.validation for c in summary.confirmed)
    assert summary.judge == 3


def test_several_baselines_are_confirmed_each_function_at_its_best_rate(finished, results):
    """Which of them is the best was decided by one seed each until then."""
    baseline = [r for r in results if r.proposal.phase == "baseline"]
    best = {}
    for r in baseline:
        best[r.proposal.structure] = max(best.get(r.proposal.structure, r), r, key=lambda r: r.score)
    wanted = sorted(best.values(), key=lambda r: -r.score)[:2]
    confirmed = {r.proposal.fingerprint for r in results if r.proposal.phase == "confirm"}
    assert {r.proposal.fingerprint for r in wanted} <= confirmed


def test_budgets_count_the_judgement(made, results):
    assert made.networks_by_phase == {"baseline": 6, "search": 16, "confirm": (3 + 2) * 2, "judge": 2 * 3}
    counts = Counter(r.proposal.phase for r in results)
    assert counts["confirm"] <= 10
    assert counts["judge"] in (3, 6)
    alone = experiment({**made.plain(), "confirm": {"candidates": 3, "baselines": 0, "seeds": 2, "judge": 3}})
    assert (alone.confirm_networks, alone.judge_networks) == (6, 3)


@pytest.mark.parametrize("kept", [0, 1, 3, -1])
def test_an_interrupted_judgement_goes_on_with_what_was_chosen(made, results, kept):
    """Whichever of its rows were stored."""
    judged = sorted((r for r in results if r.proposal.phase == "judge"), key=lambda r: r.proposal.index)
    before = [r for r in results if r.proposal.phase != "judge"]
    stages = Stages(made, stored=[*before, *judged[:kept]])
    asked = []
    while some := stages.ask(4):
        asked += some
    assert asked == [r.proposal for r in judged[kept:]]
    assert stages.planned("judge") == len(judged)


def test_nothing_is_judged_where_nothing_was_confirmed(tiny, tmp_path, rows_of):
    made = experiment(tiny(**SETTINGS, confirm__candidates=0))
    assert made.judge_networks == 0
    search(made, tmp_path / "run")
    assert not [row for row in rows_of(tmp_path / "run") if row["phase"] in FRESH]


def test_a_run_from_before_the_judgement_keeps_its_rule(tiny, tmp_path, rows_of):
    """Its config has no `judge`: it goes on, and is reported, as it began."""
    place = tmp_path / "run"
    made = experiment(
        tiny(training__steps=3, confirm={"candidates": 2, "baselines": 1, "seeds": 3, "judge": 0})
    )
    finished = search(made, place)
    rows = rows_of(place)
    config = yaml.safe_load((place / "config.yaml").read_text())
    del config["confirm"]["judge"], config["confirm"]["baselines"]
    (place / "config.yaml").write_text(yaml.safe_dump(config))
    plan = plan_of(place)
    assert plan.first == made
    assert "judge" not in {row["phase"] for row in rows}
    assert "Chosen and judged on the same 3 fresh seeds" in markdown(read_run(place))
    change_record(place, finished_at=None)
    assert resume(place).summary == finished.summary
    assert rows_of(place) == rows


def test_a_comparison_from_before_the_judgement_keeps_its_rule(tiny_comparison, tmp_path):
    made = comparison(tiny_comparison(confirm={"candidates": 2, "seeds": 3, "judge": 0}))
    data = made.plain()
    del data["confirm"]["judge"], data["confirm"]["baselines"]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(data))
    confirm = plan_of(tmp_path).config.confirm
    assert (confirm.judge, confirm.baselines, confirm.seeds) == (0, 0, 3)


def test_a_run_that_was_not_judged_yet_says_so(results):
    summary = summarise([r for r in results if r.proposal.phase != "judge"], judge=3)
    assert all(c.judged_on is None for c in summary.confirmed)
