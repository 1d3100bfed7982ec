"""Damaged inputs end in an answer or in one sentence; `python -m tests.fuzz` tries many more of them."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import SECONDS, attempt


@given(st.integers(0, 2**32))
@settings(max_examples=300, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_whatever_comes_is_answered_or_refused_in_one_sentence(seed):
    outcome = attempt(random.Random(seed))
    # What takes long is the program's to say: no test is timed.
    assert not outcome.wrong or outcome.seconds > SECONDS, outcome.wrong
