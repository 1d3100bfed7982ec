"""The printed result of a search or a comparison: its findings and the next steps."""

import math
import os
import shlex
import shutil
import sys
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from evoact.analysis.candidates import SPLITS, sign_of
from evoact.analysis.search_summary import Summary
from evoact.cli.fitting import fitted
from evoact.cli.options import STOPPED, say
from evoact.errors import counted
from evoact.execution.run import Finished
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, config_of
from evoact.report.search_text import shown, verdict
from evoact.tasks.metrics import in_percent


def end(found: Finished) -> None:
    """Print what was found; a stopped run ends as a stopped command does, so that no script goes on."""
    if not found.complete:
        say(f"Stopped after {counted(found.networks, 'network')}; nothing is lost.")
        say(f"  {this_command()} resume {shlex.quote(found.run_dir)}")
        raise typer.Exit(STOPPED)
    if len(found.summaries) > 1:
        _print_compared(found)
    else:
        _print_finished(found)


def _print_compared(compared: Finished) -> None:
    """The verdict, the table and where the report is."""
    from evoact.report import write_report
    from evoact.report.comparison_text import comparison_text
    from evoact.report.run import read_run

    run = read_run(compared.run_dir)
    say(f"\n{counted(compared.networks, 'network')} trained.")
    for state, number in compared.failures:
        say(f"{number} {state}.")
    say("\n" + comparison_text(run))
    say(f"\nReport: {write_report(run)}")


def _print_finished(finished: Finished) -> None:
    console = Console(highlight=False, markup=False)
    summary = finished.summary
    times = counted(summary.meta_trainings, "meta-training")
    learned = f"Activations learned in {times}; " if summary.meta_trainings else ""
    console.print(
        f"\n{learned}{counted(summary.networks, 'network')} trained; the search tried "
        f"{counted(summary.structures, 'distinct structure')}, {summary.heterogeneous} of them heterogeneous."
    )
    for state, number in summary.failures:
        console.print(f"{number} {state}.")
    if summary.confirmed:
        seeds = summary.confirmed[0].chosen_on.seeds
        console.print(f"\nConfirmed on {counted(seeds, 'fresh seed')}, best validation first:")
        _print_confirmed(summary, console)
    if summary.set_aside:
        console.print(f"Excluded (failed on a seed): {counted(summary.set_aside, 'candidate')}.")
    if summary.baselines:
        console.print("\nHomogeneous baselines, each at its best learning rate:")
        console.print(_baseline_table(summary))
    console.print("\n" + verdict(summary))
    if finished.late:
        console.print(finished.late)
    _next_steps(finished)


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), header_style="bold")


def _print_confirmed(summary: Summary, console: Console) -> None:
    kept, gone = fitted(_confirmed_columns(summary), console.width, ("rate", "test", "size"))
    table = _table()
    for name in kept:
        left = name == "label"
        table.add_column("activations" if left else name, justify="left" if left else "right", no_wrap=True)
    for line in zip(*kept.values(), strict=True):
        table.add_row(*line)
    console.print(table)
    better = "more" if sign_of(summary.direction) > 0 else "less"
    notes = {
        f"figures are {summary.metric}, of which {better} is better": not in_percent(summary.metric),
        "size counts trained parameters": "size" in kept,
        f"test on the {SPLITS[summary.split]}": "test" in kept or "judged" in kept,
        "± is the standard error over the seeds": summary.confirmed[0].test_error is not None,
        f"judged on {counted(summary.judge, 'other seed')}, which took no part in the choice": "judged"
        in kept,
        f"hidden, because the terminal is too narrow: {', '.join(gone)}": bool(gone),
    }
    said = "; ".join(note for note, holds in notes.items() if holds)
    if said:
        console.print(f"{said[0].upper()}{said[1:]}.", style="dim")


def _confirmed_columns(summary: Summary) -> dict[str, list[str]]:
    confirmed = summary.confirmed
    columns = {
        "candidate": [str(c.candidate) for c in confirmed],
        "label": [c.label + (" (baseline)" if c.baseline else "") for c in confirmed],
        "rate": [f"{c.learning_rate:.4g}" for c in confirmed],
    }
    if len({c.n_parameters for c in confirmed}) > 1:
        columns["size"] = [f"{c.n_parameters:,}" for c in confirmed]
    columns["val"] = [shown(summary, c.validation) for c in confirmed]
    columns["test"] = [shown(summary, c.chosen_on.test, c.chosen_on.test_error) for c in confirmed]
    if any(c.judged_on for c in confirmed):
        columns["judged"] = [shown(summary, c.test, c.test_error) if c.judged_on else "" for c in confirmed]
    return columns


def _baseline_table(summary: Summary) -> Table:
    table = _table()
    for heading in ("function", "rate", "validation"):
        table.add_column(heading, justify="left" if heading == "function" else "right")
    for b in summary.baselines:
        table.add_row(b.label, f"{b.learning_rate:g}", shown(summary, b.validation))
    return table


def _next_steps(finished: Finished) -> None:
    query = (
        "SELECT learning_rate, heterogeneous, count(*) AS networks, avg(val_metric) AS validation "
        "FROM leaderboard WHERE phase = 'search' GROUP BY ALL ORDER BY ALL"
    )
    place = shlex.quote(finished.run_dir.rstrip("/"))
    command = this_command()
    say("\nNext:")
    say(f"  {command} report {place}")
    say(f"  {command} leaderboard {place} --top 20")
    say(f'  {command} leaderboard {place} --sql "{query}"')
    if finished.summary.winner is not None:
        folder = f"{Location.of(finished.run_dir).name}-winner"
        say(f"  {command} export {place} -o {shlex.quote(folder)}")
    config = shlex.quote(Location.of(finished.run_dir).child(CONFIG).text)
    say(f"  {command} search {config} --set seed=1 {_larger(finished.run_dir)}")


def _larger(run_dir: str) -> str:
    """Return the option that gives the same search a larger budget: more minutes if the clock ended it, for then more
    networks would change nothing."""
    home = Location.of(run_dir)
    budget = config_of(home).get("budget", {}) if home.child(CONFIG).exists() else {}
    minutes = budget.get("minutes")
    return "--set budget.networks=1000" if minutes is None else f"--minutes {max(10, math.ceil(4 * minutes))}"


def this_command() -> str:
    """Return how a shell calls the evoact that is running: by its path if `evoact` alone would not find one."""
    if shutil.which("evoact"):
        return "evoact"
    called = Path(sys.argv[0])
    if called.name != "evoact" or not called.is_file():  # as a module, or from another program
        called = Path(sys.executable).with_name("evoact")
    if not called.is_file():
        return "evoact"
    relative = os.path.relpath(called)
    return shlex.quote(os.path.abspath(called) if relative.startswith("..") else relative)
