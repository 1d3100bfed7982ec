"""What a search came to, as people look at it from Python."""

from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evoact.analysis.progress import progress
from evoact.analysis.search_summary import Confirmed
from evoact.api.picture import Picture
from evoact.errors import UserError, counted
from evoact.execution.run import Finished
from evoact.exports.load import load
from evoact.exports.module import TrainedNetwork
from evoact.exports.write import export
from evoact.report.figures.progress import progress_figure
from evoact.report.number_format import unit_of
from evoact.report.run import RunData, read_run
from evoact.report.search_text import verdict
from evoact.report.sections.gains import gains_figure
from evoact.report.sections.learning_curves import curves_of
from evoact.report.sections.series import best_of_each, colours
from evoact.report.sections.winners_curves import winner_figure

if TYPE_CHECKING:
    import pandas as pd

SHOWN, SHOWN_COLUMNS = 5, 7  # candidates below the verdict in a notebook, and columns of them
# What most people look at first; `evoact.Leaderboard(run_dir)` has every row and column.
COLUMNS = (
    "rank",
    "candidate",
    "label",
    "val_mean",
    "test_mean",
    "seeds",
    "learning_rate",
    "phase",
    "heterogeneous",
)


@dataclass(frozen=True)
class SearchResult(Finished):
    """What a search came to, finished or stopped: what `Finished` says, and the findings to look at.

    A notebook shows the verdict, the gains and the best candidates; figures show themselves, and `save` themselves.
    """

    @cached_property
    def _run(self) -> RunData:
        run = read_run(self.run_dir)
        if not len(run.rows):
            raise UserError(
                f"expected a search with a trained network, got none in {self.run_dir!r}; go on with "
                f"evoact.resume({self.run_dir!r})"
            )
        return run

    @property
    def best(self) -> Confirmed | None:
        """The winner: the best confirmed candidate. None until one is confirmed; `leaderboard` then has the best so
        far."""
        return self.summary.winner

    @property
    def verdict(self) -> str:
        """Who won, by how much over the best homogeneous network, and how sure that is."""
        if self.complete:
            return f"{verdict(self.summary)}\n{self.late}".rstrip()
        stopped = (
            f"Stopped after {counted(self.networks, 'network')}; evoact.resume({self.run_dir!r}) continues."
        )
        return f"{stopped}\n{verdict(self.summary)}"

    @property
    def leaderboard(self) -> "pd.DataFrame":
        """The best candidates, one a row, confirmed ones first; empty as long as nothing is trained."""
        if not self.networks:
            import pandas

            return pandas.DataFrame(columns=list(COLUMNS))
        shown = self._run.shown
        return shown[[name for name in COLUMNS if name in shown]]

    @property
    def network(self) -> TrainedNetwork:
        """The winner as an ordinary PyTorch module; `evoact.load(run_dir, candidate)` gives others.

        Raises:
            UserError: if none was confirmed.
        """
        return self._network

    @cached_property
    def _network(self) -> TrainedNetwork:
        return load(self.run_dir)

    def predict(self, x: Any) -> np.ndarray:
        """Return the winner's predictions for inputs as the data has them: classes by their labels, or values.

        Raises:
            UserError: if no candidate was confirmed, or the inputs have another form than the data.
        """
        return self._network.predict(x)

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return the winner's probability of each class, [n, classes] in the order of `network.classes`.

        Raises:
            UserError: as `predict`, or if the network predicts values.
        """
        return self._network.predict_proba(x)

    def export(self, directory: str | Path) -> Path:
        """Write the winner as files that need no evoact, and return where; `evoact.export` has others.

        Raises:
            UserError: if no candidate was confirmed, or there is something at the directory.
        """
        return export(self.run_dir, directory)

    def plot_curves(self) -> Picture:
        """Return what the neuron types of the winner compute after training.

        Raises:
            UserError: if no candidate was confirmed.
        """
        run = self._run
        winners = best_of_each(run) if self.best else []
        for _, winner in winners:
            if self.best and winner.candidate == self.best.candidate:
                title = f"Activations of candidate {self.best.candidate}, {self.best.label}"
                return Picture(title, winner_figure(run, winner, "curves", title, colours(run)))
        raise self._unconfirmed()

    def plot_progress(self) -> Picture:
        """Return the best validation metric so far, the median and failures against the budget spent.

        Raises:
            UserError: if no network came to its end.
        """
        run = self._run
        found = progress(run.rows, run.maximize)
        if not found:
            raise self._unconfirmed()
        return Picture("Best, median and failures", progress_figure(found, unit_of(run.metric), ""))

    def plot_learning(self) -> Picture:
        """Return how the confirmed networks learned, step by step.

        Raises:
            UserError: if there are no learning curves: `training={"curve_every": 100}` stores them.
        """
        figure = curves_of(self._run, unit_of(self.summary.metric))
        if figure is None:
            raise UserError(
                f"expected learning curves of confirmed candidates, got none in {self.run_dir!r}; search with "
                'training={"curve_every": 100}'
            )
        return Picture("Learning curves", figure)

    def plot_differences(self) -> Picture:
        """Return all gains of confirmed candidates over the best homogeneous network, with intervals.

        Raises:
            UserError: if no baseline was confirmed beside another candidate.
        """
        figure = gains_figure(self._run, unit_of(self.summary.metric))
        if figure is None:
            raise self._unconfirmed()
        return Picture("Gains over the best homogeneous network", figure)

    def _unconfirmed(self) -> UserError:
        return UserError(
            f"expected confirmed candidates, got none in {self.run_dir!r}; finish the search with "
            f"evoact.resume({self.run_dir!r}), with confirm.candidates of at least 1"
        )

    def __repr__(self) -> str:
        return f"{self.verdict}\n(run directory {self.run_dir})"

    def _repr_html_(self) -> str:
        if not self.networks:
            return f"<p>{escape(self.verdict)}</p>"
        first, *rest = self.verdict.splitlines()
        parts = [f"<p><b>{escape(first)}</b></p>", *(f"<p>{escape(line)}</p>" for line in rest)]
        with suppress(UserError):  # nothing is confirmed yet
            parts.append(self.plot_differences()._repr_html_())
        best = (
            self.leaderboard[[*COLUMNS[:SHOWN_COLUMNS]]]
            .head(SHOWN)
            .to_html(index=False, border=0, justify="left", float_format="{:.4g}".format)
        )
        parts.append(best.replace("<table", '<table style="text-align:left"', 1))
        parts.append(f"<p>Run directory <code>{escape(self.run_dir)}</code></p>")
        return "".join(parts)
