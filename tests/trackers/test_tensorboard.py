"""TensorBoard: event files that grow while a run goes on."""

import time
from pathlib import Path

import pytest

from evoact.errors import UserError
from evoact.trackers.tensorboard import TensorBoard
from evoact.trackers.tracker import Point
from tests.trackers.examples import ENDED, begun, points


def test_scalars_are_there_at_once_and_go_on_after_a_resume(tmp_path, scalars_of):
    first = TensorBoard(begun(tmp_path))
    first.observe(points(1, 4))
    place = tmp_path / "events" / "search"
    while len(scalars_of(place).get("search/validation", [])) < 3:  # they come before anything is closed
        time.sleep(0.1)
    assert "config/text_summary" in scalars_of(place)
    second = TensorBoard(begun(tmp_path, before=first.run, seen=3))
    second.observe(points(4, 6))
    second.end(ENDED)
    found = scalars_of(place)
    assert [s for s, _ in found["search/validation"]] == [1, 2, 3, 4, 5]
    assert [v for _, v in found["search/validation"]] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert len(found["config/text_summary"]) == 1
    assert {"verdict/text_summary", "winner_test/text_summary"} <= found.keys()


def test_parts_of_a_comparison_have_directories(tmp_path, scalars_of):
    board = TensorBoard(begun(tmp_path), directory=str(tmp_path / "elsewhere"))
    board.observe([Point(1, 0.0, "hulls-0", {"search/validation": 0.5})])
    board.end(ENDED)
    assert scalars_of(Path(board.run) / "hulls-0") == {"search/validation": [(1, 0.5)]}


def test_a_run_elsewhere_needs_a_directory_here(tmp_path):
    with pytest.raises(UserError, match="expected a directory on this machine for event files"):
        TensorBoard(begun(None))
