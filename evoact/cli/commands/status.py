"""`evoact status` and `evoact scale`."""

from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from evoact.cli.options import Format, RunDir, say
from evoact.errors import counted

if TYPE_CHECKING:
    from evoact.execution.running.status import Status


def status(
    run_dir: RunDir,
    format: Annotated[Format, typer.Option(help="`json` for programs.")] = Format.table,
) -> None:
    """Show where a run stands, from any terminal that sees its directory: phase, workers, failures, cost.

    Example: evoact status runs/first
    """
    import json
    from dataclasses import asdict

    from evoact.execution.running.status import status_of

    found = status_of(run_dir)
    if format is Format.json:
        say(json.dumps(asdict(found), indent=2))
        return
    lines = _lines(run_dir, found)
    width = max(map(len, (name for name, _ in lines)))
    for name, text in lines:
        say(f"{name:<{width}}  {text}".rstrip())


def _lines(run_dir: str, s: "Status") -> list[tuple[str, str]]:
    """What is said of a run, by name."""
    import shlex

    again = f"; `evoact resume {shlex.quote(run_dir)}` continues it" if s.state == "stopped" else ""
    lines = [("run", f"{s.run}, {s.state}{again}")]
    if s.held_by is not None:
        lines.append(("held by", _held(s.held_by)))
    lines.append(("phase", s.phase))
    for name, counts in s.phases.items():
        done, planned = counts["done"], counts["planned"]
        text = (
            counted(done or 0, "network") if planned is None else f"{done:,} of {counted(planned, 'network')}"
        )
        lines.append((f"  {name}", text))
    lines.append(("packs", f"{s.packs:,}"))
    if s.workers is not None:
        lines.append(("workers", f"{s.workers}"))
    if s.utilisation is not None:
        lines.append(("utilisation", f"{s.utilisation:.0%} in the last hour"))
    if s.queue_wait_seconds is not None:
        wait = s.queue_wait_seconds
        lines.append(("queue wait", f"{wait['median']:.2g} s (median), {wait['largest']:.2g} s at most"))
    lines.append(("failures", ", ".join(f"{n} {state}" for state, n in s.failures.items()) or "none"))
    lines += [("", f"{c['networks']} {c['state']}: {c['error']}") for c in s.causes]
    lines.append(("faults", ", ".join(f"{n} {what}" for what, n in s.faults.items()) or "none"))
    lines.append(("cost", _cost(s.cost)))
    if s.seconds_left is not None:
        lines.append(("time left", _duration(s.seconds_left)))
    if s.dashboard is not None:
        lines.append(("dashboard", s.dashboard))
    return lines


def _held(holder: dict[str, Any]) -> str:
    import time

    ago = _duration(max(0.0, time.time() - holder["since"]))
    return f"process {holder['pid']} of {holder['user']} on {holder['host']}, for {ago}"


def _cost(cost: dict[str, float | None]) -> str:
    gpus = "" if not cost["gpu_hours"] else f", {cost['gpu_hours']:.3g} GPU-hours"
    return f"{cost['cpu_hours']:.3g} CPU-hours{gpus}, {cost['gradient_examples']:,} gradient-examples"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"


def scale(
    run_dir: RunDir,
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(metavar="N", help="How many packs are trained at once, on Ray."),
    ] = None,
    networks: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(metavar="N", help="How many networks the search trains in all."),
    ] = None,
) -> None:
    """Give a run another number of workers or another budget, while it runs or before it is resumed.

    Example: evoact scale runs/first --networks 2000
    """
    from evoact.execution.running.scale import Scale, ask
    from evoact.execution.running.status import status_of

    found = status_of(run_dir)
    ask(run_dir, Scale(workers, networks), found.phase)
    asked = " and ".join(
        f"{number} {name}" for name, number in (("workers", workers), ("networks", networks)) if number
    )
    when = "takes it up between packs" if found.state == "running" else "takes it up when it is resumed"
    say(f"Asked for {asked}; the run {when}.")
