"""More or fewer workers, or another budget, for a run that goes on: a file in its directory, read between packs.

What was asked for goes into the run's config, which is what a resumed run does; then the file goes.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from evoact.config import Plan
from evoact.errors import UserError
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import config_of, is_finished
from evoact.records import FRESH

SCALE = "scale.json"


@dataclass(frozen=True, slots=True)
class Scale:
    """What is asked for: so many workers, or so many networks in all that the search may train."""

    workers: int | None = None
    networks: int | None = None


def ask(run_dir: str | Path, scale: Scale, phase: str = "") -> None:
    """Ask a run for another number of workers or another budget; it hears of it between packs, or when it resumes.

    Args:
        run_dir: its directory, or the URI of one
        scale: what is asked for; what is None stays
        phase: the one that the run is in, if that is known

    Raises:
        UserError: if there is nothing to ask for, the run cannot do it, or has finished.
    """
    home = Location.of(run_dir)
    config = config_of(home)
    backend = config.get("execution", {}).get("backend")
    if scale == Scale():
        raise UserError("expected --workers or --networks with a number, got neither")
    for name, number in asdict(scale).items():
        if number is not None and number < 1:
            raise UserError(f"expected --{name} of at least 1, got {number}")
    if is_finished(home):
        raise UserError(
            f"expected a run that has not finished, got {home.text!r}; search on from what it found with warm_start"
        )
    if scale.workers is not None and backend != "ray_tune":
        raise UserError(
            f"expected a run on Ray for --workers, got one with execution.backend {backend}, which has one process"
        )
    if scale.networks is not None and "arms" in config:
        raise UserError(
            "expected a search for --networks, got a comparison, whose arms spend equal budgets; start another "
            "comparison with a larger one"
        )
    if scale.networks is not None and phase in FRESH:
        raise UserError(
            f"expected a search that goes on for --networks, got one in its phase {phase!r}, which comes after it; "
            "search on from what it found with warm_start"
        )
    earlier = asked(home) or Scale()
    merged = {
        name: asdict(earlier)[name] if value is None else value for name, value in asdict(scale).items()
    }
    home.child(SCALE).write(json.dumps(merged).encode())


def asked(home: Location) -> Scale | None:
    """Return what a run is asked for; None if nothing is, or the file is no such request."""
    with suppress(OSError, ValueError, TypeError):
        found = Scale(**json.loads(home.child(SCALE).read(4096)))
        if all(
            number is None or (isinstance(number, int) and number > 0) for number in asdict(found).values()
        ):
            return found
    return None


def done(home: Location) -> None:
    """Take the request away: the config says it now."""
    with suppress(OSError):
        home.child(SCALE).delete()


def with_workers(plan: Plan, workers: int) -> Plan:
    """Return the plan with so many workers, in every arm."""
    return _changed(plan, {"execution": {"workers": workers}})


def with_networks(plan: Plan, networks: int) -> Plan:
    """Return the plan of a search with a budget of so many networks, whatever it was counted in before."""
    return _changed(plan, {"budget": {"networks": networks, "gradient_examples": None}})


def with_pack_size_of(plan: Plan, kind: str, size: int) -> Plan:
    """Return the plan with the pack size that a kind of worker has measured."""
    return _changed(plan, {"packs": {"sizes": {**plan.config.packs.sizes, kind: size}}})


def _changed(plan: Plan, sections: dict[str, dict[str, Any]]) -> Plan:
    arms = {}
    for name, arm in plan.arms.items():
        update = {key: getattr(arm.config, key).model_copy(update=values) for key, values in sections.items()}
        arms[name] = arm.with_config(**update)
    return replace(plan, arms=arms)
