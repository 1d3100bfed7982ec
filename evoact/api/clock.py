"""Whether a search took longer than its clock allowed, and what that time was for."""

import time
from collections.abc import Sequence

from evoact.execution.interleaved import covered
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import config_of
from evoact.records import FRESH

SHARE, SECONDS = 0.1, 5.0  # beyond what was asked for, of which nothing is said
_TO_THEIR_END = "networks that have begun are trained to their end"


def late(run_dir: str, asked: float | None = None, began: float = 0.0) -> str:
    """Return a sentence about a finished search that took longer than asked for; an empty text if it did not.

    Args:
        run_dir: its directory, or the URI of one
        asked: the minutes for everything, if they were asked for; else those for the search alone count, which its
            config has
        began: when everything began, in seconds since 1970
    """
    home = Location.of(run_dir)
    budget = config_of(home).get("budget", {}).get("minutes")
    if asked is None and budget is None:
        return ""
    rows = Leaderboard(home, report=lambda problem: None).columns("phase", "started_at", "finished_at")
    spans: dict[str, list[tuple[float, float]]] = {}
    for row in rows.to_pylist():
        if row["started_at"] is not None:  # of a worker that was lost nothing is known
            span = row["started_at"].timestamp(), row["finished_at"].timestamp()
            spans.setdefault(row["phase"], []).append(span)
    took = {phase: covered(own) for phase, own in spans.items()}
    if asked is None:
        seconds = took.get("search", 0.0)
        if not _over(seconds, budget):
            return ""
        return f"The search took {_minutes(seconds)} of {_minutes(60 * budget)} minutes, because {_TO_THEIR_END}."
    seconds = time.time() - began
    if not spans or not _over(seconds, asked):
        return ""
    first = min(start for own in spans.values() for start, _ in own) - began
    limit = "" if budget is None else f" (it began packs for {_minutes(60 * budget)})"
    parts = [
        (first, "until the first network", ""),
        (took.get("baseline", 0.0), "for baselines", ""),
        (took.get("search", 0.0), "for the search", limit),
        (sum(took.get(phase, 0.0) for phase in FRESH), "for the confirmation", ""),
    ]
    said = [f"{_minutes(part)} {what}{more}" for part, what, more in parts if part >= 0.01 * seconds]
    return (
        f"It took {_minutes(seconds)} of {_minutes(60 * asked)} minutes: {_listed(said)}; {_TO_THEIR_END}, and the "
        "confirmation is never cut short."
    )


def _over(seconds: float, minutes: float) -> bool:
    return seconds > (1 + SHARE) * 60 * minutes + SECONDS


def _minutes(seconds: float) -> str:
    """Return seconds as minutes.

    >>> _minutes(18.0), _minutes(444.0), _minutes(6000.0)
    ('0.3', '7.4', '100')
    """
    minutes = seconds / 60
    return f"{minutes:.2g}" if minutes < 10 else f"{minutes:.0f}"


def _listed(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
