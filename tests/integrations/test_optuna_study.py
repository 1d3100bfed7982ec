"""A run becomes an Optuna study and a study becomes what a search begins with."""

import optuna
import pytest

import evoact
from evoact.errors import UserError
from evoact.genomes.genome import from_json, loads
from evoact.integrations.optuna_study import from_study, genomes_of, to_study


@pytest.fixture(scope="module")
def run(tiny, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "run"
    evoact.search(tiny(), place)
    return place


def test_a_run_goes_there_and_back(run):
    rows = evoact.Leaderboard(run).to_pandas()
    rows = rows[rows["phase"].isin(["baseline", "search"])].sort_values("proposal")
    study = to_study(run)
    expected: dict[object, list[float]] = {}
    for genome, value in zip(rows["genome"], rows["val_metric"], strict=True):
        expected.setdefault(loads(genome), []).append(value)
    assert genomes_of(study) == expected
    assert study.best_value == rows["val_metric"].max()
    again = optuna.create_study(direction="maximize")
    again.add_trials(study.trials)
    assert genomes_of(again) == expected


def test_a_search_begins_with_the_best_of_a_study(run, tiny, tmp_path):
    start = from_study(to_study(run), networks=3)
    evoact.search(tiny(), tmp_path / "run", warm_start=start)
    rows = evoact.Leaderboard(tmp_path / "run").to_pandas()
    searched = rows[rows["phase"] == "search"].sort_values("proposal")
    first = {loads(text).label for text in searched["genome"].head(8)}
    assert {from_json(genome).label for genome in start["genomes"]} <= first


def test_other_studies_are_refused_in_a_sentence():
    study = optuna.create_study()
    with pytest.raises(UserError, match="expected a study with completed trials, got none"):
        from_study(study)
    study.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(UserError, match="expected trials with a user attribute 'genome', got trial 0"):
        from_study(study)
