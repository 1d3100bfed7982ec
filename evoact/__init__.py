"""evoact: distributed search over activation functions per neuron.

>>> import evoact
>>> evoact.__version__
'0.1.0'
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from evoact.execution.run import Finished, Progress
    from evoact.leaderboard.query import Leaderboard

__version__ = "0.1.0"
__all__ = ["Leaderboard", "__version__", "resume", "search"]


def search(
    config: str | Path | Mapping[str, Any],
    run_dir: str | Path,
    overrides: Sequence[str] = (),
    address: str | None = None,
    observe: "Callable[[Progress], None] | None" = None,
) -> "Finished":
    """Carry out an experiment; the same as `evoact search`.

    Args:
        config: a YAML file, or the same as a mapping (then with the search space inside)
        run_dir: a new directory, or a URI that pyarrow knows
        overrides: `key.path=value` texts, applied to a YAML file
        address: of a running Ray cluster
        observe: called with a `Progress` after each pack

    Returns:
        Where the run is, whether it is complete, and its `summary` (winner, baselines, counts).

    Raises:
        evoact.errors.UserError: for a mistake in the config or a run directory in use.
        evoact.errors.SearchFailed: if not one network could be trained.
    """
    from evoact import config as configs
    from evoact.execution import run

    made = configs.experiment(config) if isinstance(config, Mapping) else configs.load(config, overrides)
    return run.search(made, run_dir, address, observe)


def resume(
    run_dir: str | Path, address: str | None = None, observe: "Callable[[Progress], None] | None" = None
) -> "Finished":
    """Continue an interrupted run; the same as `evoact resume`.

    Raises:
        evoact.errors.UserError: if the directory is no run, or in use.
    """
    from evoact.execution import run

    return run.resume(run_dir, address, observe)


def __getattr__(name: str) -> Any:
    # Importing evoact must stay light: the leaderboard brings pyarrow with it.
    if name == "Leaderboard":
        from evoact.leaderboard.query import Leaderboard

        return Leaderboard
    raise AttributeError(f"module 'evoact' has no attribute {name!r}")
