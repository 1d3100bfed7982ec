"""Damaged inputs end in an answer or in one sentence; `python -m tests.fuzz` tries many more of them."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import attempt


@pytest.mark.slow
@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_comes_is_answered_or_refused_in_one_sentence(seed):
    """Within 2 s of processor time, which does not depend on what else the machine does, and 500 MB."""
    outcome = attempt(random.Random(seed))
    assert not outcome.wrong, outcome.wrong
