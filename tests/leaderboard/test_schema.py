import dataclasses
import math
import re
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoact.genomes.genome import Site, homogeneous
from evoact.genomes.kinds import Base
from evoact.genomes.meta_training import MODES, MetaTraining
from evoact.leaderboard import schema
from evoact.records import (
    PHASES,
    STATES,
    MetaTrainProposal,
    MetaTrainResult,
    TrainProposal,
    TrainResult,
    result_of,
)

numbers = st.none() | st.floats(allow_nan=False)
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
counts = st.integers(0, 2**40)
# Rows keep microseconds.
times = st.integers(0, 4_000_000_000_000_000).map(lambda n: n / 1e6)

genomes = st.builds(
    lambda name, neurons, rate: homogeneous(Base(name), [Site("hidden0", neurons)], learning_rate=rate),
    st.sampled_from(["relu", "sin"]),
    st.integers(1, 10),
    st.floats(1e-5, 1.0),
)
asked = {
    "index": counts,
    "candidate": counts,
    "genome": genomes,
    "structure": texts,
    "fingerprint": texts,
    "seed": counts,
    "steps": counts,
    "phase": st.sampled_from(PHASES),
    "rung": counts,
    "strategy": texts,
    "generation": counts,
    "told": counts,
    "arm": texts,
    "repeat": counts,
}
told = {
    "state": st.sampled_from(STATES),
    "metric": texts,
    "direction": st.sampled_from(["maximize", "minimize"]),
    "train_loss": numbers,
    "n_parameters": counts,
    "steps_run": counts,
    "gradient_examples": counts,
    "train_seconds": st.floats(0, 1e6),
    "pack": texts,
    "pack_size": counts,
    "device": texts,
    "error": texts,
    "started_at": times,
    "finished_at": times,
    "artifact": texts,
}
trainings = st.builds(
    TrainResult,
    proposal=st.builds(
        TrainProposal, parents=st.lists(counts, max_size=3).map(tuple), context=texts, **asked
    ),
    val_metric=numbers,
    test_metric=numbers,
    test_large_metric=numbers,
    discretised=texts,
    precision=texts,
    step_seconds_solo=numbers,
    participation_ratio=numbers,
    **told,
)
meta_trainings = st.builds(
    MetaTrainResult,
    proposal=st.builds(
        MetaTrainProposal,
        settings=st.builds(
            MetaTraining,
            st.sampled_from(MODES[:2]),
            outer_steps=counts,
            optimizer_arguments=st.just(()) | st.just((("momentum", 0.5),)),
            learn_rate=st.booleans(),
        ),
        **asked,
    ),
    learned_types=texts,
    skipped_steps=st.none() | counts,
    beyond_grid=st.none() | counts,
    **told,
)


@settings(max_examples=50, deadline=None)
@given(st.lists(trainings | meta_trainings, min_size=1, max_size=3))
def test_a_result_comes_back_from_its_row(given_results):
    rows = schema.table(given_results, run="a", task="t", network="n").to_pylist()
    assert [schema.result(row) for row in rows] == given_results
    alone = [schema.table([r], run="a", task="t", network="n").to_pylist()[0] for r in given_results]
    assert rows == alone


def row_of(result):
    [row] = schema.table([result], run="a", task="t", network="n").to_pylist()
    return row


def test_signed_zeros_are_told_apart(make_result):
    for vals in ([0.0, -0.0, 0.0], [-0.0, -0.0], [0.0, 0.0]):
        rows = schema.table([make_result(val=v) for v in vals], run="a", task="t", network="n")
        assert list(map(str, rows["val_metric"].to_pylist())) == list(map(str, vals))


def test_every_field_has_a_column():
    for result in (TrainResult, MetaTrainResult):
        assert {f.name for f in dataclasses.fields(result)} - {"learned", "curve"} <= set(schema.COLUMNS)
    # Where it goes on from, and that others may go on from it, is over once there is a row.
    in_row = set(schema.COLUMNS) | {"index", "start", "resumable", "settings"}
    for proposal in (TrainProposal, MetaTrainProposal):
        assert {f.name for f in dataclasses.fields(proposal)} <= in_row


def test_nan_survives(make_result):
    assert math.isnan(schema.result(row_of(make_result(val=math.nan))).val_metric)


def test_derived_columns(make_result, make_genome):
    result = make_result(genome=make_genome(3, 0.25), started_at=1.5)
    row = row_of(result)
    assert (row["learning_rate"], row["heterogeneous"]) == (0.25, True)
    assert (row["started_at"], row["finished_at"]) == (
        datetime(1970, 1, 1, 0, 0, 1, 500000, tzinfo=UTC),
        None,
    )
    assert not row_of(make_result(genome=make_genome(10)))["heterogeneous"]


def test_a_row_says_whether_it_is_a_meta_training(make_result):
    result = make_result()
    assert row_of(result)["kind"] == "train"
    p = result.proposal
    meta = MetaTrainProposal(
        p.index,
        p.candidate,
        p.genome,
        p.structure,
        p.fingerprint,
        p.seed,
        p.steps,
        MetaTraining("first_order"),
    )
    row = row_of(result_of(meta, "completed", "accuracy", "maximize"))
    assert (row["kind"], row["heterogeneous"]) == ("meta_train", result.proposal.genome.heterogeneous)
    assert '"mode":"first_order"' in row["meta_training"]


@pytest.mark.parametrize("missing", ["context", "test_large_metric", "rung", "parents", "finished_at"])
def test_a_row_of_an_older_file_takes_defaults(missing, make_result):
    row = row_of(make_result())
    del row[missing]
    assert schema.result(row) == make_result()


def test_every_file_says_its_version():
    assert schema.table([], run="a", task="t", network="n").schema.metadata == {
        b"evoact.schema_version": b"5"
    }
    assert schema.SCHEMA.field("started_at").type == pa.timestamp("us", tz="UTC")


def test_the_documentation_has_every_column():
    text = (Path(__file__).parents[2] / "docs" / "leaderboard.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\S.*?) \| (.+) \|$", text, re.MULTILINE)
    described = {name: kind for name, kind, _ in rows}
    assert len(described) == len(rows)
    assert described == {name: _written(kind) for name, kind in schema.COLUMNS.items()}
    assert list(described) == list(schema.COLUMNS)
    assert all(f"`{state}`" in text for state in (*STATES, *PHASES))


def _written(kind):
    return f"list<{kind.value_type}>" if pa.types.is_list(kind) else str(kind)
