"""A whole space in one compact file: every genome on every seed, so that searches can be run without training.

A table is the leaderboard of a run that trained each network of a space (`evoact tabulate`), brought into one
Parquet file: the columns of `COLUMNS`, and in the file's metadata what was trained and which seeds are for
what. The seeds are split, or the truth would leak into the search: strategies are told validation metrics
of `search_seeds`; what a candidate is worth is its mean test metric over `truth_seeds`.

If the config asks for points of learning curves at some steps (`training.curve_at`), these are `checkpoints`, with two
columns each (`at`): what a search is told that trains networks so far only.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from evoact.errors import UserError
from evoact.leaderboard.ask.arrow_numpy import to_numpy
from evoact.leaderboard.location import Location
from evoact.leaderboard.store.seal import Broken, check, sealed
from evoact.records import COMPLETED, FIRST_CONFIRMATION_SEED, FRESH, STATES, TrainProposal, TrainResult

TABLE_VERSION = 1
ABOUT = b"evoact.table"
METRICS = ("val_metric", "test_metric", "test_large_metric", "train_loss")
COLUMNS: Mapping[str, pa.DataType] = {
    "genome": pa.string(),
    "fingerprint": pa.string(),
    "structure": pa.string(),
    "learning_rate": pa.float32(),
    "seed": pa.int32(),
    "state": pa.string(),
    **dict.fromkeys(METRICS, pa.float32()),
    "n_parameters": pa.int32(),
}
_REPEATING = ("genome", "fingerprint", "structure", "learning_rate", "seed", "state", "n_parameters")


AT_CHECKPOINTS = ("val_metric", "train_loss")


def at(metric: str, step: int) -> str:
    """Return the name of the column that has a metric at a checkpoint.

    >>> at("val_metric", 60)
    'val_metric_at_60'
    """
    return f"{metric}_at_{step}"


def write_table(rows: pa.Table, place: str | Path, about: Mapping[str, Any], curves: pa.Table) -> int:
    """Store completed or failed rows of a leaderboard as a table; return how many.

    Args:
        rows: of one run, with the columns of the leaderboard.
        place: the file, or a URI of one.
        about: JSON data: what was trained (`config`), `metric`, `direction`, `search_seeds`, `truth_seeds`,
            `checkpoints`.
        curves: points of the networks' learning curves, among them those at the checkpoints.
    """
    columns, rows = dict(COLUMNS), rows.select(["proposal", *COLUMNS])
    for step in about["checkpoints"]:
        rows = _with_checkpoint(rows, curves, step)
        columns |= {at(name, step): pa.float32() for name in AT_CHECKPOINTS}
    rows = rows.sort_by([("fingerprint", "ascending"), ("seed", "ascending")])
    schema = pa.schema(list(columns.items()))
    table = rows.select(list(columns)).cast(schema)
    metadata = {ABOUT: json.dumps({"version": TABLE_VERSION, **about}).encode()}
    buffer = pa.BufferOutputStream()
    pq.write_table(
        table.replace_schema_metadata(metadata),
        buffer,
        compression="zstd",
        compression_level=19,
        # Accuracies are shares of 800 or 20,000 examples: few distinct values, many times each.
        use_dictionary=[*_REPEATING, *(name for name in columns if "_metric" in name)],
        write_statistics=False,
        write_page_checksum=True,
    )
    Location.of(place).write(sealed(buffer.getvalue().to_pybytes()))
    return int(table.num_rows)


def _with_checkpoint(rows: pa.Table, curves: pa.Table, step: int) -> pa.Table:
    """Rows with two columns more: what the networks were at that step, null if training had failed before."""
    points = curves.filter(pc.equal(curves["step"], step)).select(["proposal", *AT_CHECKPOINTS])
    points = points.rename_columns(["proposal", *(at(name, step) for name in AT_CHECKPOINTS)])
    return rows.join(points, "proposal", join_type="left outer")


@dataclass(frozen=True)
class Tabular:
    """A table in memory: metrics as arrays [genomes, seeds], NaN if a network failed or is missing.

    `place` is where it came from, `position` the first index of each fingerprint, `seeds` the replicates that
    the second one stands for, `state` an index into `STATES`, -1 if the network is missing.
    """

    place: str
    about: Mapping[str, Any]
    genomes: tuple[str, ...]
    position: Mapping[str, int]
    seeds: tuple[int, ...]
    state: np.ndarray
    metrics: Mapping[str, np.ndarray]
    n_parameters: np.ndarray

    @property
    def search_seeds(self) -> tuple[int, ...]:
        return tuple(self.about["search_seeds"])

    @property
    def checkpoints(self) -> tuple[int, ...]:
        """The numbers of steps after which metrics are known, beside those of a whole training."""
        return tuple(self.about.get("checkpoints", ()))

    @property
    def truth_seeds(self) -> tuple[int, ...]:
        return tuple(self.about["truth_seeds"])

    def truth(self) -> np.ndarray:
        """Return [genomes], each one's mean test metric over the truth seeds, larger is better, NaN if it failed on
        any.

        The large test split if the task has one.
        """
        name = "test_metric" if np.isnan(self.metrics["test_large_metric"]).all() else "test_large_metric"
        return self.worth(name, self.truth_seeds)

    def worth(self, metric: str, seeds: Sequence[int]) -> np.ndarray:
        """Return [genomes], each one's mean of a metric over these seeds, larger is better, NaN if it failed on any."""
        columns = [self.seeds.index(seed) for seed in seeds]
        mean: np.ndarray = self.metrics[metric][:, columns].mean(axis=1)
        return mean if self.about["direction"] == "maximize" else -mean

    def missing(self, fingerprints: Sequence[str], seeds: Sequence[int]) -> int:
        """Return how many of these genomes lack a row on any of these seeds."""
        columns = [self.seeds.index(seed) for seed in seeds if seed in self.seeds]
        if len(columns) < len(seeds):
            return len(fingerprints)
        rows = [self.position[name] for name in fingerprints if name in self.position]
        there = (self.state[np.ix_(rows, columns)] >= 0).all(axis=1)
        return len(fingerprints) - int(there.sum())

    def result(self, proposal: TrainProposal) -> TrainResult:
        """Return what training the proposal gave when the table was made.

        The i-th fresh seed is the i-th truth seed, and has test metrics. A shorter training is answered from the
        checkpoint at its end; it has failed if the metric there is not finite.

        Raises:
            UserError: if the table has no such network, or nothing at that step.
        """
        confirming = proposal.phase in FRESH
        seed = proposal.seed
        if confirming:
            seed = self.truth_seeds[seed - FIRST_CONFIRMATION_SEED]
        row = self.position.get(proposal.fingerprint)
        if row is None or seed not in self.seeds or self.state[row, self.seeds.index(seed)] < 0:
            raise UserError(
                f"{self.place}: expected a table with {proposal.genome.label} on seed {seed}, got one without it"
            )
        if proposal.steps not in (self.about["steps"], *self.checkpoints):
            raise UserError(
                f"{self.place}: expected a table with metrics after {proposal.steps} steps, got one with those after "
                f"{', '.join(map(str, (*self.checkpoints, self.about['steps'])))}"
            )
        column = self.seeds.index(seed)
        state, names = STATES[self.state[row, column]], {name: name for name in METRICS}
        if proposal.steps != self.about["steps"]:
            names |= {name: at(name, proposal.steps) for name in AT_CHECKPOINTS}
            if np.isfinite(self.metrics[names["val_metric"]][row, column]):
                state = COMPLETED
            elif state == COMPLETED:
                state = "diverged"
        stored = {name: float(self.metrics[held][row, column]) for name, held in names.items()}
        found = {name: None if math.isnan(value) else value for name, value in stored.items()}
        return TrainResult(
            proposal=proposal,
            state=state,
            metric=self.about["metric"],
            direction=self.about["direction"],
            val_metric=found["val_metric"],
            test_metric=found["test_metric"] if confirming else None,
            test_large_metric=found["test_large_metric"] if confirming else None,
            train_loss=found["train_loss"],
            n_parameters=int(self.n_parameters[row]),
            device="table",
            precision=self.about["config"].get("training", {}).get("precision", "float32"),
            error="" if state == COMPLETED else f"{state} when the table was made",
        )


def read_table(place: str | Path) -> Tabular:
    """Return the table in a file, from a path or a URI.

    Raises:
        UserError: if there is none, or it is not a table that `evoact tabulate` wrote.

    >>> read_table("no/such/table.parquet")
    Traceback (most recent call last):
    evoact.errors.UserError: no/such/table.parquet: expected a table of `evoact tabulate`, got nothing there
    """
    source = Location.of(place)
    try:
        content = source.read()
        check(content)
        table = pq.read_table(pa.BufferReader(content), page_checksum_verification=True)
        about = json.loads((table.schema.metadata or {})[ABOUT])
    except FileNotFoundError:
        raise UserError(f"{place}: expected a table of `evoact tabulate`, got nothing there") from None
    except Broken as error:
        raise UserError(
            f"{place}: expected the table that `evoact tabulate` wrote, got a damaged file: {error}; restore it"
        ) from None
    except (KeyError, ValueError, OSError):
        raise UserError(f"{place}: expected a table of `evoact tabulate`, got another file") from None
    if about["version"] > TABLE_VERSION:
        raise UserError(
            f"{place}: expected a table of version {TABLE_VERSION} or older, got {about['version']}; update evoact"
        )
    coded = pc.dictionary_encode(table["fingerprint"].combine_chunks())
    row = to_numpy(pa.chunked_array([coded.indices]), -1)
    seeds, column = np.unique(to_numpy(table["seed"], -1), return_inverse=True)
    first = np.unique(row, return_index=True)[1]
    shape = (len(first), len(seeds))
    state = np.full(shape, -1, dtype=np.int8)
    state[row, column] = [STATES.index(name) for name in table["state"].to_pylist()]
    metrics = {}
    for name in (*METRICS, *(at(n, step) for step in about.get("checkpoints", ()) for n in AT_CHECKPOINTS)):
        metrics[name] = np.full(shape, np.nan)
        metrics[name][row, column] = to_numpy(table[name].cast(pa.float64()), float("nan"))
    return Tabular(
        place=str(place),
        about=about,
        genomes=tuple(table["genome"].take(first).to_pylist()),
        position={name: i for i, name in enumerate(coded.dictionary.to_pylist())},
        seeds=tuple(seeds.tolist()),
        state=state,
        metrics=metrics,
        n_parameters=to_numpy(table["n_parameters"].take(first), 0),
    )
