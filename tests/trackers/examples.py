"""What tests tell a tracker: a run of a few networks, in two processes."""

from pathlib import Path
from typing import Any

from evoact.trackers.tracker import Begun, Ended, Point

CONFIG = {"name": "tiny", "training": {"steps": 20}, "arms": {"hulls + more": {"types": ["hull"]}}}


def begun(folder: Path | None, **changes: Any) -> Begun:
    return Begun(
        **{"name": "first", "folder": folder, "config": CONFIG, "facts": {"evoact": "0.1.0"}, **changes}
    )


def points(start: int, stop: int) -> list[Point]:
    return [Point(step, 1.7e9 + step, "", {"search/validation": step / 10}) for step in range(start, stop)]


ENDED = Ended(
    True, "", "A gain.", {"winner": "8 sin", "winner_test": 0.75}, {"config_path": "/runs/first/config.yaml"}
)
