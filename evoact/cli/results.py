"""What a user sees when a search ends: the leaderboard's top, the winner beside the baselines, next steps."""

import math
import shlex
import statistics

import typer
from rich.console import Console
from rich.table import Table

from evoact.execution.run import Finished
from evoact.execution.summary import Confirmed, Summary


def print_finished(finished: Finished) -> None:
    """Print the end of a run, or how to go on with a stopped one."""
    console = Console(highlight=False, markup=False)
    summary = finished.summary
    if not finished.complete:
        console.print(f"Stopped after {summary.networks} networks; nothing is lost.")
        console.print(f"  evoact resume {shlex.quote(finished.run_dir)}", soft_wrap=True)
        return
    console.print(
        f"\n{summary.networks} networks trained; the search tried {summary.structures} distinct structures, "
        f"{summary.heterogeneous} networks of it heterogeneous."
    )
    for state, number in summary.failures:
        console.print(f"{number} {state}.")
    if summary.confirmed:
        console.print(f"\nConfirmed on {summary.confirmed[0].seeds} fresh seeds, best validation first:")
        console.print(_confirmed_table(summary))
    if summary.set_aside:
        console.print(f"Set aside, having failed on a seed: {summary.set_aside} candidates.")
    if summary.baselines:
        console.print("\nHomogeneous baselines, each at its best learning rate:")
        console.print(_baseline_table(summary))
    console.print("\n" + verdict(summary))
    _next_steps(finished.run_dir)


def _table() -> Table:
    return Table(box=None, padding=(0, 2, 0, 0), header_style="bold")


def _percent(summary: Summary, value: float) -> str:
    return f"{100 * value:.1f} %" if summary.metric == "accuracy" else f"{value:.4g}"


def _confirmed_table(summary: Summary) -> Table:
    table = _table()
    table.add_column("candidate", justify="right")
    table.add_column("activations", overflow="fold")
    table.add_column("rate", justify="right")
    table.add_column("validation", justify="right")
    table.add_column("test", justify="right")
    large = summary.confirmed[0].test_large is not None
    if large:
        table.add_column("test (large)", justify="right")
    for c in summary.confirmed:
        cells = [
            str(c.candidate),
            c.label + (" (baseline)" if c.baseline else ""),
            f"{c.learning_rate:g}",
            _percent(summary, c.validation),
            _percent(summary, c.test),
        ]
        if c.test_large is not None:
            cells.append(_percent(summary, c.test_large))
        table.add_row(*cells)
    return table


def _baseline_table(summary: Summary) -> Table:
    table = _table()
    for heading in ("function", "rate", "validation"):
        table.add_column(heading, justify="left" if heading == "function" else "right")
    for b in summary.baselines:
        table.add_row(b.label, f"{b.learning_rate:g}", _percent(summary, b.validation))
    return table


def verdict(summary: Summary) -> str:
    """The winner's test metric beside the best baseline's, with the standard error of the difference."""
    winner, baseline = summary.winner, summary.best_baseline
    if winner is None:
        return "No candidate of the search was confirmed."
    text = f"Winner: candidate {winner.candidate}, test {_percent(summary, winner.test)}"
    if baseline is None:
        return text + "; no baseline was confirmed beside it."
    if baseline is winner:
        return f"{text}; it is the best homogeneous baseline itself ({winner.label}): no mix was better."
    text += f"; best homogeneous baseline ({baseline.label}) {_percent(summary, baseline.test)}."
    gain, error = _difference(winner, baseline)
    if summary.direction == "minimize":
        gain = -gain
    if error is None:
        return text + " One seed each: no conclusion."
    unit, scale = ("points", 100) if summary.metric == "accuracy" else (summary.metric, 1)
    what = "a gain" if gain > 2 * error else "a loss" if gain < -2 * error else "no difference shown"
    return (
        f"{text}\nOn the larger test split where there is one: {scale * gain:+.3g} {unit}, standard error "
        f"{scale * error:.2g} over {winner.seeds} seeds: {what}."
    )


def _difference(winner: Confirmed, baseline: Confirmed) -> tuple[float, float | None]:
    """Mean difference of the test metric and its standard error, the seeds being independent."""
    a, b = winner.test_by_seed, baseline.test_by_seed
    gain = statistics.fmean(a) - statistics.fmean(b)
    if min(len(a), len(b)) < 2:
        return gain, None
    return gain, math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))


def _next_steps(run_dir: str) -> None:
    query = (
        "SELECT learning_rate, heterogeneous, count(*) AS networks, avg(val_metric) AS validation "
        "FROM leaderboard WHERE phase = 'search' GROUP BY ALL ORDER BY ALL"
    )
    place = shlex.quote(run_dir.rstrip("/"))
    typer.echo("\nNext:")
    typer.echo(f"  evoact leaderboard {place} --top 20")
    typer.echo(f'  evoact leaderboard {place} --sql "{query}"')
    typer.echo(f"  evoact search {place}/config.yaml --set seed=1 --set budget.networks=1000")
