"""Shows a run to its trackers, result by result once they are stored, and at its end what it came to.

The file `trackers.json` in the run directory says what each tracker calls the run, and how many networks it has been
told of: a resumed run goes on there, and first tells it what it does not know.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

from evoact.analysis.search_summary import Summary
from evoact.config import Plan
from evoact.config.schema import Named
from evoact.errors import UserError, shortened
from evoact.execution.progress import Progress
from evoact.execution.run import Finished
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, RECORD, TRACKED, config_of, record_of
from evoact.leaderboard.schema import result as from_row
from evoact.leaderboard.store.write import ARTIFACTS, PARTS
from evoact.report.search_text import verdict
from evoact.trackers import TRACKERS, missing, tracker_class
from evoact.trackers.follower import Follower
from evoact.trackers.numbers import Numbers
from evoact.trackers.tracker import Begun, Ended

NOTE_SECONDS = 30.0  # between two notes of how many networks were told

Report = Callable[[str], None]


class Tracking:
    """The trackers of a run: give `update` to the run, and `end` what it came to."""

    def __init__(self, plan: Plan, home: Location, report: Report, more: Sequence[Named] = ()):
        """
        Args:
            plan: what the run does; its config names trackers
            home: the run directory
            report: called with a sentence about each tracker that is lost
            more: trackers beside those of the config
        """
        self._plan, self._home, self._report = plan, home, report
        self._named = {named.name: named for named in (*more, *plan.config.trackers)}
        self._followers: dict[str, Follower] | None = None
        self._numbers = Numbers()
        self._said: set[str] = set()
        self._noted: Mapping[str, Any] = {}
        self._noted_at = 0.0

    def update(self, progress: Progress) -> None:
        """Take in the results that a run has just stored; the first call comes when it begins."""
        if self._followers is None:
            self._followers = self._open(progress.total_done - len(progress.results))
        if not self._followers:
            return
        points = self._numbers.points(progress.results)
        if points:
            for follower in self._followers.values():
                follower.tell(points)
        self._look()

    def end(self, finished: Finished) -> None:
        """Take in what the run came to, and wait for trackers that have yet to take in something."""
        if self._followers:
            self._end(
                Ended(finished.complete, "", *_found(self._plan, self._home, finished), _files(self._home))
            )

    def fail(self, error: BaseException) -> None:
        """Take in that the run ended with an error."""
        if self._followers:
            text = shortened(str(error) or type(error).__name__, 500)
            self._end(Ended(False, text, "", {}, _files(self._home)))

    def _end(self, ended: Ended) -> None:
        for follower in (self._followers or {}).values():
            follower.end(ended)
        self._look(last=True)

    def _open(self, stored: int) -> dict[str, Follower]:
        """Open all trackers; those that the run began with go on, whatever is named now."""
        before = noted(self._home)
        for name in before.keys() & TRACKERS.keys() - self._named.keys():
            self._named[name] = Named(name=name)
        if not self._named:
            return {}
        points = self._numbers.points(_stored(self._home)) if stored else []
        begun = _begun(self._home)
        opened = {}
        for name, named in self._named.items():
            if package := missing(name):
                self._report(
                    f"expected the package {package} for the tracker {name}, got none; the search goes on without it, "
                    f"and with it after `pip install 'evoact[{name}]'`"
                )
                continue
            run, told = before.get(name, ("", 0))
            told = min(told, len(points))
            make = partial(tracker_class(name), Begun(**begun, before=run, seen=told), **named.arguments)
            opened[name] = Follower(make, told)
            if points[told:]:
                opened[name].tell(points[told:])
        return opened

    def _look(self, last: bool = False) -> None:
        """Say which trackers are lost, once, and note what the others have been told."""
        followers = self._followers or {}
        for name, follower in followers.items():
            if follower.problem and name not in self._said:
                self._said.add(name)
                own = follower.problem.startswith("expected ")  # says what to do itself
                said = follower.problem if own else f"expected it to take in results, got {follower.problem}"
                self._report(f"tracker {name}: {said}; the search goes on without it")
        note = {name: {"run": f.run, "networks": f.told} for name, f in followers.items() if f.run}
        now, opened = time.monotonic(), note.keys() != self._noted.keys()
        if note != self._noted and (opened or last or now - self._noted_at > NOTE_SECONDS):
            self._noted, self._noted_at = note, now
            others = {
                name: {"run": run, "networks": told}
                for name, (run, told) in noted(self._home).items()
                if name not in note
            }
            with suppress(OSError):  # a full disk is the run's to say
                self._home.child(TRACKED).write(json.dumps(others | note, indent=2).encode())


@contextmanager
def tracked(plan: Plan, home: Location, report: Report, more: Sequence[Named] = ()) -> Iterator[Tracking]:
    """Yield the trackers of a run; what it raises they are told."""
    tracking = Tracking(plan, home, report, more)
    try:
        yield tracking
    except BaseException as error:
        tracking.fail(error)
        raise


def noted(home: Location) -> dict[str, tuple[str, int]]:
    """Return what a run directory says of its trackers, by name: what each calls the run, and how many networks it has
    been told of; nothing of one that is damaged."""
    try:
        data = json.loads(home.child(TRACKED).read())
        return {str(name): (str(own["run"]), int(own["networks"])) for name, own in data.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _stored(home: Location) -> Iterator[Any]:
    """The results of a run, in the order in which they were found."""
    rows = Leaderboard(home, report=lambda problem: None).to_arrow().to_pylist()
    return iter(sorted(map(from_row, rows), key=lambda r: (r.finished_at, r.proposal.index)))


def _begun(home: Location) -> dict[str, Any]:
    """What a tracker is told first."""
    record = record_of(home)
    machine = record.get("machine", {})
    facts = {
        "run_directory": home.absolute,
        "evoact": str(record.get("evoact", "")),
        "started_at": str(record.get("started_at", "")),
        "data_digest": str(record.get("digest") or ""),
        "platform": str(machine.get("platform", "")),
        "python": str(machine.get("python", "")),
    }
    return {
        "name": str(record.get("run", home.name)),
        "folder": home.local,
        "config": config_of(home),
        "facts": {name: fact for name, fact in facts.items() if fact},
    }


def _files(home: Location) -> dict[str, str]:
    places = {"config": CONFIG, "record": RECORD, "leaderboard": PARTS, "artifacts": ARTIFACTS}
    here = {name: home.child(place) for name, place in places.items()}
    return {f"{name}_path": place.absolute for name, place in here.items() if place.exists()}


def _found(plan: Plan, home: Location, finished: Finished) -> tuple[str, dict[str, float | str]]:
    """What a run found: in words, and in numbers."""
    trained = {"networks_trained": float(finished.networks)}
    if not plan.compares:
        return verdict(finished.summary), trained | _winner(finished.summary)
    from evoact.report.comparison_text import comparison_text
    from evoact.report.run import read_run

    try:
        return comparison_text(read_run(home)), dict(trained)
    except UserError as error:  # stopped before there was a winner
        return str(error), dict(trained)


def _winner(summary: Summary) -> dict[str, float | str]:
    winner, baseline = summary.winner, summary.best_baseline
    if winner is None:
        return {}
    found: dict[str, float | str] = {
        "winner": winner.label,
        "winner_candidate": str(winner.candidate),
        "winner_validation": winner.validation,
        "winner_test": winner.test,
    }
    if baseline is not None:
        found |= {"baseline": baseline.label, "baseline_test": baseline.test}
    return found
