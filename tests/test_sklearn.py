"""The estimators keep scikit-learn's conventions, in its own tools."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from evoact.sklearn import EvoActClassifier, EvoActRegressor

# One network, trained again on one fresh seed: the checks fit a hundred times.
TINY = {
    "networks": 1,
    "steps": 40,
    "hidden": (16,),
    "space": {
        "functions": ["tanh"],
        "types": {"base": {}},
        "types_per_layer": [1, 1],
        "learning_rate": {"values": [0.05]},
    },
    "config": {
        "strategy": "random",
        "baselines": {"replicates": 0},
        "confirm": {"candidates": 1, "baselines": 0, "seeds": 1, "judge": 0},
        "packs": {"size": 8},
    },
    "random_state": 0,
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the checks' own data is small and odd, and evoact says so
@pytest.mark.parametrize("estimator", [EvoActClassifier(**TINY), EvoActRegressor(**TINY)], ids=["c", "r"])
def test_all_checks_of_scikit_learn_pass(estimator):
    found = check_estimator(estimator, on_skip=None)
    assert {check["status"] for check in found if check["check_name"] != "check_array_api_input"} == {
        "passed"
    }


def test_attributes_follow_the_conventions():
    x, y = load_wine(return_X_y=True, as_frame=True)
    names = np.array(["barolo", "grignolino", "barbera"])[y]
    fitted = EvoActClassifier(**TINY).fit(x, names)
    assert fitted.classes_.tolist() == sorted(set(names))
    assert fitted.n_features_in_ == 13
    assert fitted.feature_names_in_.tolist() == list(x.columns)
    assert fitted.n_iter_ == 2
    assert fitted.leaderboard_["candidate"].iloc[0] == fitted.winner_.candidate
    assert "winner" in fitted.verdict_
    odds = fitted.predict_proba(x)
    assert np.allclose(odds.sum(axis=1), 1)
    assert (fitted.classes_[odds.argmax(axis=1)] == fitted.predict(x)).all()


def test_tools_of_scikit_learn_take_them(tmp_path):
    x, y = load_wine(return_X_y=True)
    piped = make_pipeline(StandardScaler(), EvoActClassifier(**TINY))
    assert cross_val_score(piped, x, y, cv=2).mean() > 0.8
    grid = GridSearchCV(EvoActClassifier(**TINY), {"hidden": [(2,), (16,)]}, cv=2).fit(x, y)
    assert grid.best_params_ in grid.cv_results_["params"]
    again = clone(grid.best_estimator_).fit(x, y)
    stored = pickle.loads(pickle.dumps(again))
    assert (stored.predict_proba(x) == again.predict_proba(x)).all()
    kept = clone(again).set_params(run_dir=tmp_path).fit(x, y)
    assert (tmp_path / kept.run_dir_.rpartition("/")[2] / "config.yaml").is_file()


@pytest.mark.slow
def test_real_data_is_learned_as_it_is():
    quick = TINY | {
        "networks": 8,
        "steps": 200,
        "hidden": (32,),
        "space": "four_functions",
        "config": {
            "strategy": "random",
            "confirm": {"candidates": 1, "seeds": 1, "judge": 3},
            "learning_rate": {"values": [0.01]},
        },
    }
    x, y = load_breast_cancer(return_X_y=True)
    assert EvoActClassifier(**quick).fit(x[::2], y[::2]).score(x[1::2], y[1::2]) > 0.95
    x, y = load_diabetes(return_X_y=True)
    test = np.arange(len(x)) % 4 == 0
    fitted = EvoActRegressor(**quick | {"steps": 60}, metric="mae").fit(x[~test], y[~test])
    assert fitted.score(x[test], y[test]) > 0.3
    assert fitted.leaderboard_["val_mean"].iloc[0] > 10  # in the targets' units


def test_several_targets_at_once():
    x = np.random.default_rng(0).normal(size=(60, 3))
    y = np.stack([x[:, 0], x[:, 1] * 100], axis=1)
    assert EvoActRegressor(**TINY).fit(x, y).predict(x).shape == (60, 2)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"space": "four_function"}, "unknown search space 'four_function'; did you mean 'four_functions'"),
        ({"metric": "auc"}, "unknown metric 'auc'; did you mean 'roc_auc'"),
        ({"config": {"trainings": 3}}, "trainings: unknown key; did you mean 'training'"),
    ],
)
def test_a_wrong_argument_is_a_value_error_of_one_sentence(changes, sentence):
    x, y = load_wine(return_X_y=True)
    with pytest.raises(ValueError, match=sentence):
        EvoActClassifier(**(TINY | changes)).fit(x, y)


def test_wrong_data_is_a_value_error_of_one_sentence():
    x, y = np.random.default_rng(0).normal(size=(40, 2)), np.arange(40) % 2
    with pytest.raises(ValueError, match="expected at least 2 classes, got 1 class"):
        EvoActClassifier(**TINY).fit(x, np.zeros(40))
    with pytest.raises(ValueError, match="expected at least 10 examples, to split them, got n_samples = 4"):
        EvoActClassifier(**TINY).fit(x[:4], y[:4])
    with pytest.raises(ValueError, match="X contains NaN"):
        EvoActClassifier(**TINY).fit(np.where(x > 1, np.nan, x), y)
    fitted = EvoActClassifier(**TINY).fit(x, y)
    with pytest.raises(ValueError, match="X has 1 features, but EvoActClassifier is expecting 2"):
        fitted.predict(x[:, :1])
    with pytest.raises(NotFittedError):
        EvoActClassifier(**TINY).predict(x)
    frame = pd.DataFrame(x, columns=["a", "b"])
    with pytest.warns(UserWarning, match="fitted without feature names"):
        fitted.predict(frame)


def test_a_number_is_the_width_of_one_layer():
    asked = EvoActClassifier(hidden=7)._asked(np.zeros((20, 3)), np.arange(20) % 2, "classification")
    assert asked.sections["network"]["hidden"] == [7]
