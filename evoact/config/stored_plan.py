"""The experiment or the comparison that a run directory holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from evoact.config.experiment import Experiment
from evoact.config.inlined import plug_in_functions
from evoact.config.load_comparison import read_plan
from evoact.config.plan import Plan
from evoact.errors import UserError
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, RECORD, config_of, record_of
from evoact.networks.own.named import FOUND, OWN
from evoact.plugins import is_plugged
from evoact.tasks.outline import Outline, outline
from evoact.tasks.own.in_memory import FOLDER


def plan_of(run_dir: str | Path | Location, data: bool = True, code: bool = False) -> Plan:
    """Return the plan of a run.

    Args:
        run_dir: its directory, or the URI of one
        data: whether its task is needed with what is in it, not only in outline; runs older than outlines have none
        code: whether the functions of plugins are to be computed, without data, too, which executes them

    Raises:
        UserError: if the directory is not a run, its config is damaged, or the data is needed and not there.
    """
    home = Location.of(run_dir)
    config = _with_data_inside(home, _with_old_rule(config_of(home)))
    known = None if data else record_of(home).get("task")
    if not data:
        _check_no_code(home, config)
    plan = read_plan(config, home.child(CONFIG).text, None if known is None else _outline(home, known))
    if code and known is not None:
        problems = [problem for arm in plan.arms.values() for problem in plug_in_functions(arm.config)]
        if problems:
            raise UserError(f"{home.child(CONFIG).text}: {problems[0]}")
    return plan


def _check_no_code(home: Location, config: Mapping[str, Any]) -> None:
    """Check that nothing has to be executed to know the sites of somebody's own network, and of a plugin's task its
    outline."""
    if config.get("plugins") and "task" not in record_of(home):
        raise UserError(
            f"{home.child(RECORD).text}: expected the outline of the task, got none; restore the file"
        )
    arms = config.get("arms")
    for part in (config, *(arms.values() if isinstance(arms, Mapping) else ())):
        network = part.get("network") if isinstance(part, Mapping) else None
        named = network.get("name") if isinstance(network, Mapping) else None
        if isinstance(network, Mapping) and (named == OWN or is_plugged(named)) and FOUND not in network:
            raise UserError(
                f"{home.child(CONFIG).text}: expected network.{FOUND}, the sites that the search found, got none; "
                "restore the file"
            )


def _outline(home: Location, known: Mapping[str, Any]) -> Outline:
    try:
        return outline(known)
    except UserError as error:
        raise UserError(f"{home.child(RECORD).text}: {error}; restore the file") from None


def _with_old_rule(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """A run from before `confirm.judge` goes on, and is reported, as it began: one baseline is confirmed, and winners
    are judged on the seeds that chose them."""
    confirm = data.get("confirm")
    if not isinstance(confirm, Mapping) or "judge" in confirm:
        return data
    return {**data, "confirm": {"baselines": 0 if "arms" in data else 1, "judge": 0, **confirm}}


def _with_data_inside(home: Location, data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Data that was stored in the run directory is there still, wherever that is now."""
    task = data.get("task")
    path = task.get("path") if isinstance(task, Mapping) else None
    folder, _, name = path.rpartition("/") if isinstance(path, str) else ("", "", "")
    inside = home.child(FOLDER, name)
    if not isinstance(task, Mapping) or not folder.endswith(f"/{FOLDER}") or not inside.exists():
        return data
    return {**data, "task": {**task, "path": inside.absolute}}


def experiment_of(run_dir: str | Path | Location) -> Experiment:
    """Return the experiment of a search.

    Raises:
        UserError: if the directory is not a run, that of a comparison, or its config is damaged.
    """
    made = plan_of(run_dir)
    if made.compares:
        raise UserError(f"expected the run directory of a search, got that of a comparison: {run_dir}")
    return made.first
