"""What is said before a run begins."""

import pytest

from evoact.config import Plan, experiment
from evoact.execution.running.preflight import notes
from evoact.native.library import library


@pytest.mark.parametrize(
    ("name", "value", "said"), [("CC", "no-such-compiler", 1), ("EVOACT_NATIVE", "0", 0)]
)
def test_missing_kernels_are_a_sentence_unless_they_were_left_out(name, value, said, tiny, monkeypatch):
    monkeypatch.delenv("EVOACT_NATIVE", raising=False)
    monkeypatch.setenv(name, value)
    library.cache_clear()
    try:
        found = [note for note in notes(Plan.of(experiment(tiny()))) if "kernels" in note]
    finally:
        library.cache_clear()
    assert len(found) == said
    for note in found:
        assert "the compiler 'no-such-compiler' is not there" in note
