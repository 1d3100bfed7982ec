"""Searches as estimators of scikit-learn: in pipelines, cross-validation and grid searches.

>>> from sklearn.datasets import load_iris
>>> x, y = load_iris(return_X_y=True)
>>> quick = {"strategy": "random", "learning_rate": {"values": [0.03]}, "confirm": {"candidates": 1, "judge": 0}}
>>> found = EvoActClassifier(networks=4, steps=60, hidden=(16,), space="four_functions", config=quick).fit(x, y)
>>> found.score(x, y) > 0.8
True
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from evoact.api.progress import Display
from evoact.api.search import Asked, search
from evoact.errors import SearchFailed, UserError

FEWEST = 10  # examples that can be split into training, validation and test


class _EvoAct(BaseEstimator):
    """What both estimators share.

    Args:
        networks: that the search trains, beside baselines and the fresh seeds of the confirmation
        minutes: for everything; the search then ends by the clock, and what it finds depends on the machine
        hidden: widths of the hidden layers; a number is the width of one
        space: a search space by name, path or as a mapping
        steps: of the optimizer, for each network; by default 20 epochs, at least 200 and at most 2000
        metric: what networks are judged by during the search; by default accuracy or mse
        config: further sections of a config, as YAML takes them
        run_dir: a folder, in which each fit leaves a run directory of its own; by default nothing is left
        random_state: seed of the search and of the split
        n_jobs: workers of Ray (-1: all processors); by default the search runs in this process
        verbose: whether progress is shown
    """

    def __init__(
        self,
        networks: int | None = 256,
        *,
        minutes: float | None = None,
        hidden: Sequence[int] | int = (64, 64),
        space: str | Mapping[str, Any] = "quickstart",
        steps: int | None = None,
        metric: str | None = None,
        config: Mapping[str, Any] | None = None,
        run_dir: str | Path | None = None,
        random_state: Any = None,
        n_jobs: int | None = None,
        verbose: int = 0,
    ):
        self.networks = networks
        self.minutes = minutes
        self.hidden = hidden
        self.space = space
        self.steps = steps
        self.metric = metric
        self.config = config
        self.run_dir = run_dir
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.verbose = verbose

    def _search(self, x: np.ndarray, y: np.ndarray, problem: str) -> None:
        """Search, and set what is known afterwards."""
        if len(x) < FEWEST:
            raise ValueError(
                f"expected at least {FEWEST} examples, to split them, got n_samples = {len(x)}; give more"
            )
        asked = self._asked(x, y, problem)
        if self.run_dir is None:
            with tempfile.TemporaryDirectory(prefix="evoact-") as folder:
                self._carry_out(asked, f"{folder}/run")
            return
        Path(self.run_dir).mkdir(parents=True, exist_ok=True)
        self.run_dir_ = tempfile.mkdtemp(prefix="fit-", dir=self.run_dir)
        self._carry_out(asked, self.run_dir_)

    def _asked(self, x: np.ndarray, y: np.ndarray, problem: str) -> Asked:
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        hidden = [self.hidden] if isinstance(self.hidden, int | np.integer) else list(self.hidden)
        execution: dict[str, Any] = {"backend": "local"}
        if self.n_jobs not in (None, 1):
            execution = {"backend": "ray_tune", **({} if self.n_jobs == -1 else {"workers": self.n_jobs})}
        sections: dict[str, Any] = {
            "task": {"problem": problem, "seed": seed},
            "seed": seed,
            "network": {"name": "mlp", "hidden": hidden},
            "space": self.space,
            "execution": execution,
            **({} if self.networks is None else {"budget": {"networks": self.networks}}),
            **({} if self.steps is None else {"training": {"steps": self.steps}}),
            **(self.config or {}),
        }
        return Asked(data=x, target=y, metric=self.metric, minutes=self.minutes, sections=sections)

    def _carry_out(self, asked: Asked, place: str) -> None:
        show: Callable[..., Any] = Display if self.verbose else lambda *_: nullcontext()
        try:
            result = search(asked, place, show=show)
            self.network_ = result.network.double()  # so that a prediction does not depend on its neighbours
        except (UserError, SearchFailed) as error:
            raise ValueError(str(error)) from error
        self.winner_ = result.best
        self.verdict_ = result.verdict
        self.leaderboard_ = result.leaderboard
        self.n_iter_ = result.networks

    def _checked(self, X: Any) -> np.ndarray:
        """Examples [n, features] as the winner takes them."""
        check_is_fitted(self, "network_")
        x: np.ndarray = validate_data(self, X, reset=False, dtype=np.float64)
        return x


class EvoActClassifier(ClassifierMixin, _EvoAct):
    __doc__ = f"""A classifier whose activations, neuron by neuron, are searched for.

    60 % of the examples train networks, 20 % choose among them, 20 % judge the chosen one. Categories and missing
    values are for transformers before it in a pipeline; `evoact.search` takes them as they are.

    {_EvoAct.__doc__}
    Attributes: `classes_`, `winner_` (the best confirmed candidate), `verdict_` (in words), `leaderboard_` (a
    DataFrame), `n_iter_` (networks trained), `network_` (a PyTorch module), `n_features_in_`, `feature_names_in_`, and
    `run_dir_` if `run_dir` was given.
    """

    def fit(self, X: Any, y: Any) -> "EvoActClassifier":
        """Search on examples X [n, features] with classes y [n]."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, numbers = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"expected at least 2 classes, got 1 class, {self.classes_[0]!r}; give more examples"
            )
        self._search(X, numbers, "classification")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the class of each example."""
        x = self._checked(X)
        return self.classes_[self.network_.outputs(x).argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, in the order of `classes_`: [n, classes]."""
        x = self._checked(X)
        probabilities: np.ndarray = self.network_.predict_proba(x)
        return probabilities


class EvoActRegressor(RegressorMixin, _EvoAct):
    __doc__ = f"""A regressor whose activations, neuron by neuron, are searched for.

    60 % of the examples train networks, 20 % choose among them, 20 % judge the chosen one. Categories and missing
    values are for transformers before it in a pipeline; `evoact.search` takes them as they are.

    {_EvoAct.__doc__}
    Attributes: `winner_` (the best confirmed candidate), `verdict_` (in words), `leaderboard_` (a DataFrame), `n_iter_`
    (networks trained), `network_` (a PyTorch module), `n_features_in_`, `feature_names_in_`, and `run_dir_` if
    `run_dir` was given.
    """

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any) -> "EvoActRegressor":
        """Search on examples X [n, features] with values y [n] or [n, outputs]."""
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True)
        self._flat = y.ndim == 1
        self._search(X, y.astype(np.float64), "regression")
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Return the value of each example: [n], or [n, outputs] if `fit` had several."""
        x = self._checked(X)
        values = self.network_.predict(x)
        return values.ravel() if self._flat else values
