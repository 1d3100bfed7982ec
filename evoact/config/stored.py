"""The experiment or the comparison that a run directory holds."""

from pathlib import Path

from evoact.config.comparison import Comparison
from evoact.config.experiment import Experiment
from evoact.config.load_comparison import plan
from evoact.errors import UserError
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, config_of


def plan_of(run_dir: str | Path | Location) -> Experiment | Comparison:
    """What a run was asked to do.

    Raises:
        UserError: if the directory is no run, or its config is damaged.
    """
    home = Location.of(run_dir)
    return plan(config_of(home), home.child(CONFIG).text)


def experiment_of(run_dir: str | Path | Location) -> Experiment:
    """The experiment of a search.

    Raises:
        UserError: if the directory is no run, that of a comparison, or its config is damaged.
    """
    made = plan_of(run_dir)
    if isinstance(made, Comparison):
        raise UserError(f"expected the run directory of a search, got that of a comparison: {run_dir}")
    return made
