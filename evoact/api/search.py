"""A search from Python or the command line: what was asked for, with defaults for the rest, carried out."""

import re
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from evoact.api.clock import late
from evoact.api.defaults import MINUTES, chosen, fitted, left_open, with_defaults
from evoact.api.progress import Display, Notebook, shown_where_seen
from evoact.api.search_result import SearchResult
from evoact.api.tracking import Tracking, tracked
from evoact.config import Experiment, Plan, experiment, load
from evoact.config.schema import Named
from evoact.config.stored_plan import plan_of
from evoact.errors import ConfigError, UserError, short
from evoact.execution import run
from evoact.execution.identity import check_same
from evoact.execution.precision import as_stored, with_precision
from evoact.execution.progress import Observer, Progress
from evoact.execution.run import Finished
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, config_of, is_finished
from evoact.leaderboard.store.lock import lock
from evoact.networks.own.named import given_network
from evoact.networks.own.source import source_text
from evoact.registry import lookup
from evoact.tasks.metrics import given_metric
from evoact.tasks.objective import given_loss
from evoact.tasks.own.in_memory import task_of
from evoact.trackers import tracker_class

IF_EXISTS = ("error", "resume", "replace")

Show = Callable[[Plan, str], AbstractContextManager[Display | Notebook | None]]


@dataclass(frozen=True)
class Asked:
    """What somebody asks for: a config, or none and then data; `sections` are keys that take the place of its own,
    `minutes` the time for everything, and `model` the network, as an object."""

    config: str | Path | Mapping[str, Any] | None = None
    overrides: Sequence[str] = ()
    data: Any = None
    target: Any = None
    metric: Any = None
    minutes: float | None = None
    sections: Mapping[str, Any] = field(default_factory=dict)
    model: Any = None
    loss: Any = None

    @property
    def time(self) -> float | None:
        """The minutes that were asked for; five if nothing at all limits a search of data."""
        given = "budget" in self.sections or any(key.startswith("budget") for key in self._overridden)
        return MINUTES if self.minutes is None and self.config is None and not given else self.minutes

    @property
    def _overridden(self) -> list[str]:
        return [text.partition("=")[0].strip() for text in self.overrides]

    @property
    def open_keys(self) -> frozenset[str]:
        """What of `training` follows from data and time: nothing that a config says."""
        if self.config is not None or "training" in self._overridden:
            return frozenset()
        overridden = {key.removeprefix("training.") for key in self._overridden}
        return frozenset(left_open({*_section(self.sections, "training"), *overridden}))

    def experiment(self, folder: str | Path) -> Experiment:
        """Return the experiment as far as it is known without measuring anything.

        Args:
            folder: where data in memory is stored

        Raises:
            UserError: naming every mistake in it.
        """
        keys = dict(self.sections)
        if self.data is not None:
            own = {} if self.metric is None or self.loss is not None else {"metric": _metric(self.metric)}
            keys["task"] = {**task_of(self.data, self.target, folder), **own, **_section(keys, "task")}
            keys.setdefault("name", Path(self.data).stem if isinstance(self.data, (str, Path)) else "search")
        if self.model is not None and "network" in keys:
            raise UserError("expected model or network, got both; leave one out")
        keys |= know(self.model, self.loss)
        if self.loss is not None and self.metric is not None:
            keys["metric"] = _metric(self.metric)  # of what the loss takes
        if self.time is not None:
            keys["budget"] = {**_section(keys, "budget"), "minutes": self.time}
        if isinstance(self.config, (str, Path)):
            return load(self.config, self.overrides, keys)
        if self.config is not None:
            return experiment({**self.config, **keys}, overrides=self.overrides)
        if "task" not in keys:
            raise UserError(
                "expected a config, or data, to search on, got neither; for example `evoact search quickstart`, or "
                "`evoact search --data FILE --target COLUMN`"
            )
        return experiment(with_defaults(keys, self.time), "search", overrides=self.overrides)


def know(model: Any = None, loss: Any = None, metric: Any = None) -> dict[str, Any]:
    """Return the keys of a config for objects of the program's own, which this process remembers from here on.

    Raises:
        UserError: for what is neither an object of that sort nor a name.
    """
    keys: dict[str, Any] = {}
    if model is not None:
        keys["network"] = given_network(model) | ({} if loss is None else {"free": True})
    if loss is not None:
        keys["loss"] = given_loss(loss, source_text(loss))
    if callable(metric):
        given_metric(metric)
    return keys


def settled(asked: Asked) -> Experiment:
    """Return the whole experiment, what follows from data and time measured."""
    return fitted(_stored(asked)[0], asked.time, asked.open_keys)


def _stored(asked: Asked) -> tuple[Experiment, dict[str, bytes]]:
    """The experiment, and the file that data in memory is to lie in, by its path in the run directory."""
    with TemporaryDirectory(prefix="evoact-") as folder:
        try:
            made = asked.experiment(folder)
            made.task.splits()
        except ConfigError as error:  # nobody knows the file that data in memory lies in
            file = re.compile(re.escape(f"{folder}/") + r"\S+?(?=[:\s]|$)")
            raise ConfigError(
                error.source, [file.sub("data", problem) for problem in error.problems]
            ) from None
        stored = [path for path in Path(folder).rglob("*") if path.is_file()]
        return made, {path.relative_to(folder).as_posix(): path.read_bytes() for path in stored}


def search(
    asked: Asked,
    run_dir: str | Path | None = None,
    address: str | None = None,
    observe: Observer | None = None,
    if_exists: str = "error",
    show: Show = shown_where_seen,
    report: Callable[[str], None] = warnings.warn,
    track: Sequence[str] = (),
) -> SearchResult:
    """Carry out a search; see `evoact.search`. `show` makes what shows progress, `report` is called with a sentence
    about what ends nothing, and `track` names trackers beside those of the config."""
    began, more = time.time(), trackers(track)
    lookup(dict.fromkeys(IF_EXISTS), "if_exists", if_exists)
    if address is not None and asked.config is None:  # the cluster trains, however short the time is
        asked = replace(asked, sections={"execution": {}, **asked.sections})
    made, files = _stored(asked)
    home = Location.of(run_dir if run_dir is not None else run_directory(made.name))
    for name in files:
        made = made.with_config(task=made.config.task.model_copy(update={"path": f"{home.absolute}/{name}"}))
    exists = if_exists != "error" and home.child(CONFIG).exists()
    if exists and if_exists == "resume":
        config = config_of(home)
        stored = config.get("training", {})
        made = chosen(made, {key: stored.get(key) for key in asked.open_keys})
        check_same(home, as_stored(Plan.of(made), config))
        return SearchResult(**vars(resume(home, address, observe, show, report, track)))
    if asked.time is not None:
        made = with_precision(Plan.of(made), measured=address is None).first
    made = fitted(made, asked.time, asked.open_keys)
    if exists:
        with lock(home, report):  # nobody else may be at work there
            home.filesystem.delete_dir_contents(home.path)
    with _watched(Plan.of(made), home, observe, show, report, more) as watch:
        finished = watch.end(run.search(made, home, address, watch.update, report, files))
    return _result(finished, asked.time, began)


def compare(
    plan: Plan,
    run_dir: str | Path,
    address: str | None = None,
    observe: Observer | None = None,
    show: Show = shown_where_seen,
    report: Callable[[str], None] = warnings.warn,
    track: Sequence[str] = (),
) -> Finished:
    """Carry out a comparison; the arguments are those of `search`."""
    home = Location.of(run_dir)
    with _watched(plan, home, observe, show, report, trackers(track)) as watch:
        return watch.end(run.compare(plan, home, address, watch.update, report))


def resume(
    run_dir: str | Path | Location,
    address: str | None = None,
    observe: Observer | None = None,
    show: Show = shown_where_seen,
    report: Callable[[str], None] = warnings.warn,
    track: Sequence[str] = (),
) -> Finished:
    """Continue a run; of a search the result is a `SearchResult`."""
    home, more = Location.of(run_dir), trackers(track)
    plan = plan_of(home, data=not is_finished(home))
    with _watched(plan, home, observe, show, report, more) as watch:
        finished = watch.end(run.resume(home, address, watch.update, report, plan))
    return finished if plan.compares else _result(finished)


def _result(finished: Finished, asked: float | None = None, began: float = 0.0) -> SearchResult:
    """How a search ended; the other arguments are those of `late`."""
    said = late(finished.run_dir, asked, began) if finished.complete else ""
    return SearchResult(**{**vars(finished), "late": said})


def trackers(names: Sequence[str]) -> list[Named]:
    """Return the named trackers, without options.

    Raises:
        UserError: for an unknown tracker, naming the nearest.
    """
    for name in names:
        tracker_class(name)
    return [Named(name=name) for name in names]


def run_directory(name: str) -> str:
    """Return a new directory for a run of this name."""
    return f"runs/{name.replace('/', '_')}-{datetime.now():%Y%m%d-%H%M%S}"


def _metric(metric: Any) -> Any:
    return given_metric(metric) if callable(metric) else metric


def _section(keys: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    section = keys.get(name, {})
    if not isinstance(section, Mapping):
        raise UserError(f"{name}: expected a section of keys and values, got {short(section)}")
    return section


@dataclass
class _Watched:
    """Whoever watches a run: they are updated while it goes on, and trackers are told how it ended."""

    observers: Sequence[Observer]
    tracking: Tracking

    def update(self, progress: Progress) -> None:
        for observe in self.observers:
            observe(progress)

    def end(self, finished: Finished) -> Finished:
        self.tracking.end(finished)
        return finished


@contextmanager
def _watched(
    plan: Plan,
    home: Location,
    observe: Observer | None,
    show: Show,
    report: Callable[[str], None],
    more: Sequence[Named],
) -> Iterator[_Watched]:
    with tracked(plan, home, report, more) as tracking, show(plan, home.text) as display:
        own = (display.update if display else None, tracking.update, observe)
        yield _Watched([one for one in own if one], tracking)
