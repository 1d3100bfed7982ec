"""Errors cross processes as values: each class can be pickled and says the same afterwards."""

import importlib
import pickle
import pkgutil
from inspect import getmembers, isclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

import evoact
from evoact.errors import ConfigError, SearchFailed, UserError, portable


def own_errors():
    """Every class of evoact that can be raised."""
    for module in pkgutil.walk_packages(evoact.__path__, "evoact."):
        if "triton" not in module.name:  # comes with PyTorch for CUDA
            for _, found in getmembers(importlib.import_module(module.name), isclass):
                if issubclass(found, BaseException) and found.__module__ == module.name:
                    yield found


ERRORS = sorted(set(own_errors()), key=lambda error: error.__qualname__)


def test_the_errors_are_found():
    assert {UserError, ConfigError, SearchFailed} < set(ERRORS)


@pytest.mark.slow
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__qualname__)
@given(source=st.text(), problems=st.lists(st.text(), max_size=3))
def test_an_error_says_the_same_in_another_process(error, source, problems):
    made = error(source, problems) if error is ConfigError else error(source)
    back = pickle.loads(pickle.dumps(made))
    assert type(back) is error
    assert (str(back), vars(back)) == (str(made), vars(made))
    assert portable(made) is made


def test_a_mistake_that_is_found_twice_is_said_once():
    assert str(ConfigError("a.yaml", ["b: one", "c: two", "b: one"])) == "a.yaml: b: one\na.yaml: c: two"


class Stubborn(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def test_an_error_that_cannot_be_pickled_crosses_as_its_words():
    crossed = portable(Stubborn("this", "that"))
    assert str(pickle.loads(pickle.dumps(crossed))) == "Stubborn: this and that"
