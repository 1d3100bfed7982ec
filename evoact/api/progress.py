"""Live progress: one line that moves on a terminal, bars in a notebook, plain lines elsewhere."""

import time
from contextlib import AbstractContextManager, nullcontext, suppress
from html import escape
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
from rich.progress import Progress as Bar
from rich.table import Column

from evoact.config import Plan
from evoact.errors import UserError, counted, times
from evoact.execution.progress import Progress
from evoact.records import UNLIMITED
from evoact.tasks.metrics import in_percent

PLAIN_EVERY = 5.0  # seconds between plain lines
BAR = 8  # characters; leaves room for the figures on a terminal of 80 columns
WHERE = {"local": "in this process", "ray_tune": "on Ray", "table": "in a table"}


def shown_where_seen(made: Plan, run_dir: str) -> "AbstractContextManager[Display | Notebook | None]":
    """Return what shows progress in a notebook or on a terminal; nothing elsewhere."""
    console = Console(stderr=True)
    if console.is_jupyter:
        return Notebook(made, run_dir)
    return Display(made, run_dir) if console.is_terminal else nullcontext()


class Notebook:
    """Shows a run's progress below a notebook's cell, a bar for each phase; give `update` to the run."""

    def __init__(self, made: Plan, run_dir: str):
        self.what = f"{_what(made, WHERE[made.config.execution.backend])}, run directory {run_dir}"
        self.phases: dict[str, Progress] = {}
        self.handle: Any = None

    def __enter__(self) -> "Notebook":
        return self

    def __exit__(self, *ended: object) -> None:
        """Leave the last state where it is."""

    def update(self, p: Progress) -> None:
        """Take in where the run stands."""
        from IPython.display import HTML, display

        self.phases[p.phase] = p
        page = HTML(self.html())
        if self.handle is None:
            self.handle = display(page, display_id=True)
        else:
            self.handle.update(page)

    def html(self) -> str:
        """Return all phases so far, each a bar with its figures."""
        lines = [f"<p>{escape(self.what)}</p>"]
        for phase, p in self.phases.items():
            timed = p.planned >= UNLIMITED
            # A bar without a value moves: nobody knows how many networks fit the time.
            bar = "" if timed else f' value="{p.done}" max="{max(1, p.planned)}"'
            of = f"{p.done}" if timed else f"{p.done}/{p.planned}"
            lines.append(
                f'<div><label style="display:inline-block;min-width:5em">{phase}</label> <progress{bar}></progress> '
                f"{of} {escape(figures(p))}</div>"
            )
        return "".join(lines)


class Display:
    """Shows a run's progress while the `with` block lasts; give `update` to the run."""

    def __init__(self, made: Plan, run_dir: str):
        self.console = Console(stderr=True)
        self.made, self.run_dir = made, run_dir
        self.started = False
        self.last_line = 0.0
        self.phases: set[str] = set()
        self.bar: Bar | None = None
        self.tasks: dict[str, object] = {}

    def __enter__(self) -> "Display":
        return self

    def _start(self) -> None:
        where = WHERE[self.made.config.execution.backend]
        self.console.print(
            f"{_what(self.made, where)}, run directory {self.run_dir}", highlight=False, soft_wrap=True
        )
        if self.made.config.execution.backend != "table":  # which needs no data
            from evoact.tasks.own.data_summary import understood

            with suppress(UserError):  # the run itself says what is wrong with data that it needs
                line = f"{self.made.config.task.name}: {understood(self.made.task)}"
                self.console.print(line, highlight=False, markup=False, soft_wrap=True)
        if self.console.is_terminal:
            self.bar = Bar(
                TextColumn("{task.description:>8}"),
                BarColumn(bar_width=BAR),
                MofNCompleteColumn(table_column=Column(no_wrap=True)),
                TextColumn("{task.fields[figures]}"),
                console=self.console,
            )
            self.bar.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.bar:
            self.bar.stop()

    def update(self, p: Progress) -> None:
        """Take in where the run stands; the first call comes when nothing was found wrong with it."""
        if not self.started:
            self.started = True
            self._start()
        if self.bar is not None:
            self._move(self.bar, p)
            return
        now, over = time.monotonic(), p.done == p.planned
        if over or p.waiting or p.phase not in self.phases or now - self.last_line > PLAIN_EVERY:
            self.last_line = now
            self.phases.add(p.phase)
            planned = p.planned if p.planned < UNLIMITED else "?"
            line = f"{p.phase:>8} {p.done}/{planned} {figures(p)}"
            self.console.print(line, highlight=False, soft_wrap=True)

    def _move(self, bar: Bar, p: Progress) -> None:
        total = p.planned if p.planned < UNLIMITED else None
        if p.phase not in self.tasks:
            self.tasks[p.phase] = bar.add_task(p.phase, total=total, figures="")
        bar.update(self.tasks[p.phase], completed=p.done, figures=figures(p))  # type: ignore[arg-type]


def _what(made: Plan, where: str) -> str:
    if made.compares:
        arms = f"{counted(len(made.arms), 'arm')}, {times(made.repeats)}"
        return f"Comparing {arms}, on {made.config.task.name} {where}: {', '.join(made.arms)}"
    strategy, genomes = made.config.strategy.name, f"{made.first.space.size():.3g} genomes"
    return f"Searching {made.config.task.name} with {strategy} {where}: {genomes}"


def figures(p: Progress) -> str:
    """Return best and median validation metric, failures, networks per second and time left, as one text."""
    parts = []
    if p.best is not None and p.median is not None:
        percent = in_percent(p.metric)  # as in the tables at the end
        best, median = (f"{100 * v:.1f}" if percent else f"{v:.4g}" for v in (p.best, p.median))
        parts.append(f"best {best} median {median}{' %' if percent else ''}")
    if p.failures:
        parts.append(f"{p.failures} failed")
    if p.rate is not None:
        parts.append(f"{p.rate:.2g}/s" if p.rate < 10 else f"{p.rate:.0f}/s")
    if p.waiting:
        parts.append(p.waiting)
    if p.seconds_left is not None and p.done < p.planned:
        minutes, seconds = divmod(round(p.seconds_left), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return "  ".join(parts)
