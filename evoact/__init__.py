"""evoact: distributed search over activation functions per neuron.

>>> import evoact
>>> evoact.__version__
'0.1.0'
"""

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoact.installation import VERSION

if TYPE_CHECKING:
    from evoact import nn
    from evoact.analysis.comparison import Findings
    from evoact.api.search_result import SearchResult
    from evoact.execution.progress import Progress
    from evoact.execution.run import Finished
    from evoact.exports.module import TrainedNetwork
    from evoact.leaderboard.ask.query import Leaderboard
    from evoact.nn import heterogenize, homogenize

# A member of a pack must come out the same wherever it lies in memory. By default the results of Intel's Math Kernel
# Library depend on how its operands are aligned (measured on an AMD EPYC; "Conditional Numerical Reproducibility" in
# its developer guide); this mode costs nothing measurable. It holds for one number of threads, which the library must
# not choose anew by how busy the machine is. Both are read at the first matrix product of a process.
os.environ.setdefault("MKL_CBWR", "AUTO")
os.environ.setdefault("MKL_DYNAMIC", "FALSE")

__version__ = VERSION
__all__ = [
    "Leaderboard",
    "__version__",
    "compare",
    "export",
    "findings",
    "heterogenize",
    "homogenize",
    "load",
    "nn",
    "resume",
    "search",
    "train",
    "write_report",
]


def search(
    config: str | Path | Mapping[str, Any] | None = None,
    run_dir: str | Path | None = None,
    overrides: Sequence[str] = (),
    address: str | None = None,
    observe: "Callable[[Progress], None] | None" = None,
    *,
    data: Any = None,
    target: Any = None,
    model: Any = None,
    loss: Any = None,
    metric: "str | Callable[[Any, Any], Any] | None" = None,
    minutes: float | None = None,
    if_exists: str = "error",
    **sections: Any,
) -> "SearchResult":
    """Search somebody's data, or carry out the experiment of a config; the same as `evoact search`.

    Ctrl-C ends it with what is finished; `resume` goes on.

    Args:
        config: a YAML file, or the same as a mapping; None for defaults that fit the data
        run_dir: a new directory, or a URI that pyarrow knows; by default runs/NAME-TIME
        overrides: `key.path=value` texts, values in YAML
        address: of a running Ray cluster
        observe: called with a `Progress` after each pack
        data: a table: a path or URI of CSV, Parquet, Feather, npz, or in memory a DataFrame (pandas, Polars), an Arrow
            table, an array, a pair (x, y), a PyTorch Dataset; kept in the run directory
        target: the column to predict, or several; of data in memory also the values themselves
        model: the network: a function that builds a `torch.nn.Module` (called with input_shape and n_outputs if it
            takes them), or a module, whose weights every network then starts from; instead of a section `network`
        loss: what networks are trained by: `cross_entropy`, `mse`, `mae`, `huber`, or a function of one network's
            outputs and the targets, as networks learn them, which gives a number for each example; with one a `model`
            may return tuples or dictionaries
        metric: what networks are judged by, such as `roc_auc` or `mae`, or a function from outputs and targets (tensors
            [n, n_outputs] and [n] or [n, n_outputs]) to a score of each example [n], larger is better; by default
            accuracy or mse
        minutes: for everything, confirmation and judgement included; 5 if there is neither a config nor a `budget`
        if_exists: what to do if `run_dir` holds a run: `error`, `resume` it if it is the same search, or `replace` it
        sections: keys of a config, as YAML takes them, in the place of its own: `space="quickstart"`,
            `network={"name": "mlp", "hidden": [32]}`, `strategy="evolution"`, `training={"steps": 500}`, `seed=1`,
            `task={"groups": "patient"}`, `trackers=["mlflow"]`

    Returns:
        Where the run is, whether it is complete, and what it found: `best`, `verdict`, `leaderboard`, `predict`,
        figures; shown in a notebook.

    Raises:
        evoact.errors.UserError: for a mistake in the config or a run directory in use.
        evoact.errors.SearchFailed: if not one network could be trained.
    """
    from evoact.api import search as api

    asked = api.Asked(config, overrides, data, target, metric, minutes, sections, model, loss)
    return api.search(asked, run_dir, address, observe, if_exists)


def compare(
    config: str | Path | Mapping[str, Any],
    run_dir: str | Path,
    overrides: Sequence[str] = (),
    address: str | None = None,
    observe: "Callable[[Progress], None] | None" = None,
) -> "Finished":
    """Carry out a comparison; the same as `evoact compare`, but for the report. The arguments are those of `search`.

    Returns:
        Where the run is, and whether it is complete; `findings` says what it shows.

    Raises:
        evoact.errors.UserError: for a mistake in the config, unequal budgets or a run directory in use.
        evoact.errors.SearchFailed: if not one network could be trained.
    """
    from evoact.api import search as api
    from evoact.config import comparison, load_comparison

    if isinstance(config, Mapping):
        made = comparison(config, overrides=overrides)
    else:
        made = load_comparison(config, overrides)
    return api.compare(made, run_dir, address, observe)


def findings(run_dir: str | Path) -> "Findings":
    """Return what a comparison shows: each arm's mean winner, the gains over the reference, and the verdicts.

    Raises:
        evoact.errors.UserError: if the directory holds no comparison, or its reference arm has no winner.
    """
    from evoact.report.run import read_run

    return read_run(run_dir).findings


def write_report(run_dir: str | Path, format: str = "html", output: str | Path | None = None) -> str:
    """Write the report of a search or a comparison, finished or not; the same as `evoact report`.

    Args:
        run_dir: the directory of a run
        format: `html`, `md`, `tensorboard` or `optuna`
        output: the file or directory; by default in the run directory

    Returns:
        Where it was written.

    Raises:
        evoact.errors.UserError: if the directory is not a run, none of its rows can be read, or the format is another.
    """
    from evoact import report
    from evoact.report.run import read_run

    return report.write_report(read_run(run_dir), format, None if output is None else Path(output))


def load(
    directory: str | Path,
    candidate: int | None = None,
    seed: int | str | None = None,
    arm: str = "",
    repeat: int = 0,
    model: Any = None,
) -> "TrainedNetwork":
    """Return a confirmed network of a run, or an exported one, as an ordinary PyTorch module, in evaluation mode.

    Its `predict` takes inputs as the data has them; it is a `torch.nn.Module` like any other, so that training can go
    on.

    Args:
        directory: of a run, or the URI of one; or one that `export` wrote, which holds one network
        candidate: its number in the leaderboard; by default the winner
        seed: one of its fresh seeds; by default the one that validates best, "all" for the ensemble of them
        arm: of a comparison
        repeat: of a comparison
        model: what the search was given as `model`, in another process

    Raises:
        evoact.errors.UserError: if the directory is neither, or holds no such network with its weights.
    """
    from evoact.api.search import know
    from evoact.exports.load import load

    know(model)
    return load(directory, candidate, seed, arm, repeat)


def export(
    run_dir: str | Path,
    directory: str | Path,
    candidate: int | None = None,
    seed: int | None = None,
    arm: str = "",
    repeat: int = 0,
    model: Any = None,
) -> Path:
    """Write a confirmed network of a run as files that need no evoact; the same as `evoact export`.

    Args:
        run_dir: the directory of a run, or the URI of one
        directory: a new one
        candidate, seed, arm, repeat: as `load` has them; one seed
        model: what the search was given as `model`, in another process

    Returns:
        The directory, with `model.py`, `model.safetensors`, `model.json`, `model.pt2`, `README.md`, and `model.onnx` if
        the extra `export` is installed. All of it was compared with evoact on the test split. A model whose source
        cannot be had, such as a module instead of a function that builds it, has no `model.py`; `README.md` says why.

    Raises:
        evoact.errors.UserError: if the directory is there already, there is no such network, its data is not there, or
            a part does not compute what evoact does; nothing is left behind then.
    """
    from evoact.api.search import know
    from evoact.exports.write import export

    know(model)
    return export(run_dir, directory, candidate, seed, arm, repeat)


def train(
    run_dir: str | Path,
    directory: str | Path,
    candidate: int | None = None,
    seed: int | None = None,
    overrides: Sequence[str] = (),
    all_data: bool = False,
    arm: str = "",
    repeat: int = 0,
) -> Path:
    """Train a confirmed candidate again, and export the network; the same as `evoact train`.

    Args:
        run_dir: the directory of a run, or the URI of one
        directory: a new one, as `export` writes it
        candidate, seed, arm, repeat: as `load` has them; the seed gives the initial weights and the order of batches
        overrides: `training.KEY=VALUE` texts, such as `training.steps=5000`
        all_data: train on the validation split, too; the test split stays apart

    Returns:
        The directory.

    Raises:
        evoact.errors.UserError: for another key, a training that failed, or what `export` refuses; nothing is left
            behind then.
    """
    from evoact.exports import again

    return again.train(again.plan(run_dir, candidate, seed, overrides, all_data, arm, repeat), directory)


def resume(
    run_dir: str | Path,
    address: str | None = None,
    observe: "Callable[[Progress], None] | None" = None,
    model: Any = None,
    loss: Any = None,
    metric: "Callable[[Any, Any], Any] | None" = None,
    trackers: Sequence[str] = (),
) -> "Finished":
    """Continue an interrupted run; the same as `evoact resume`. Of a search the result is what `search` gives. One that
    began with a `model`, or functions as `loss` or `metric`, goes on with the same; in its trackers it goes on by
    itself, and `trackers` names others, which are told all of it.

    Raises:
        evoact.errors.UserError: if the directory is not a run, or in use, or began with another model.
    """
    from evoact.api import search as api

    api.know(model, loss, metric)
    return api.resume(run_dir, address, observe, track=trackers)


# Importing evoact must stay light: PyTorch and pyarrow are imported when one of these is first asked for.
_LATER = {
    "Leaderboard": "evoact.leaderboard.ask.query",
    "heterogenize": "evoact.nn",
    "homogenize": "evoact.nn",
}


def __getattr__(name: str) -> Any:
    if name == "nn":
        return importlib.import_module("evoact.nn")
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'evoact' has no attribute {name!r}")
