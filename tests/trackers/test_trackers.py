"""The table of trackers, and the keys of configs made of it."""

import pytest

from evoact.config import experiment
from evoact.errors import ConfigError, UserError
from evoact.trackers import TRACKERS, missing, tracker_class


@pytest.mark.parametrize("name", TRACKERS)
def test_classes_are_there_without_their_packages(name):
    assert tracker_class(name).__name__.lower() == name


def test_an_unknown_one_is_named_with_the_nearest():
    with pytest.raises(UserError, match="unknown tracker 'mlfow'; did you mean 'mlflow'"):
        tracker_class("mlfow")


def test_tensorboard_needs_nothing_more():
    assert missing("tensorboard") == ""


@pytest.mark.parametrize("asked", ["mlflow", {"name": "mlflow"}, ["mlflow"], [{"name": "mlflow"}]])
def test_one_tracker_in_all_spellings(tiny, asked):
    (named,) = experiment(tiny(trackers=asked)).config.trackers
    assert (named.name, named.arguments) == ("mlflow", {})


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        (["mlfow"], "trackers.0.name: unknown tracker 'mlfow'; did you mean 'mlflow'"),
        (["wandb", "wandb"], "trackers.1: expected each tracker once, got 'wandb' again"),
        ([{"name": "mlflow", "url": "x"}], "trackers.0: unknown key 'url'; did you mean 'uri'"),
        ([{"name": "wandb", "project": 3}], "trackers.0.project: expected text, got 3"),
        ([3], "trackers.0"),
        (3, "trackers: expected a list, got 3"),
    ],
)
def test_mistakes_are_sentences(tiny, asked, problem):
    with pytest.raises(ConfigError) as error:
        experiment(tiny(trackers=asked))
    assert problem in str(error.value)
    assert len(error.value.problems) == 1
