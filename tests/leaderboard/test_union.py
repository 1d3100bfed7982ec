"""Runs of isolated machines as one."""

import json
import shutil

import pyarrow.parquet as pq
import pytest

import evoact as package
from evoact.config import comparison, experiment
from evoact.errors import UserError
from evoact.execution.run import compare, resume, search
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.schema import KEY, SCHEMA, VERSION_KEY
from evoact.leaderboard.union import SEEDS, union
from evoact.strategies import STRATEGIES
from tests.strategies.test_conformance import OPTIONS


@pytest.fixture(scope="module")
def runs(tiny, tmp_path_factory):
    """Searches under the seeds 0, 1 and 0 again, the last one of another strategy."""
    place = tmp_path_factory.mktemp("runs")
    for name, seed, strategy in [("a", 0, "evolution"), ("b", 1, "evolution"), ("c", 0, "random")]:
        settings = {"population": 8, "elites": 2, "parents": 4} if strategy == "evolution" else {}
        search(
            experiment(
                tiny(
                    seed=seed, strategy={"name": strategy, **settings}, training__steps=3, budget__networks=40
                )
            ),
            place / name,
        )
    return [place / name for name in "abc"]


@pytest.fixture(scope="module")
def united(runs, tmp_path_factory):
    place = tmp_path_factory.mktemp("united") / "all"
    return place, union(runs, place)


def test_every_network_is_there_once(runs, united):
    place, found = united
    rows = Leaderboard(place).to_arrow().to_pylist()
    given = [[*Leaderboard(run).to_arrow().to_pylist()] for run in runs]

    def trained(row, seed):
        return row["fingerprint"], row["seed"] + SEEDS * seed, row["phase"], row["rung"]

    expected = {trained(row, seed) for own, seed in zip(given, (0, 1, 0), strict=True) for row in own}
    assert {trained(row, 0) for row in rows} == expected
    assert found.rows == len(rows) == len(expected)
    assert found.twice == sum(map(len, given)) - len(rows) > 0
    assert found.conflicts == 0
    assert len({tuple(row[name] for name in KEY) for row in rows}) == len(rows)
    assert (
        len({row["fingerprint"] for row in rows})
        == found.candidates
        == len({row["candidate"] for row in rows})
    )
    assert [row["proposal"] for row in rows if row["run"] == "a"] == list(range(len(given[0])))
    by_candidate = {row["candidate"]: row["fingerprint"] for row in rows}
    theirs = {row["candidate"]: row["fingerprint"] for row in given[1]}
    parents = {trained(row, 1): [theirs[p] for p in row["parents"]] for row in given[1]}
    assert any(parents.values())
    for row in rows:
        if row["run"] == "b":
            assert [by_candidate[p] for p in row["parents"]] == parents[trained(row, 0)]


def test_it_is_a_finished_run(united):
    place, found = united
    assert resume(place).complete
    network = package.load(place, int(Leaderboard(place).top(1)["candidate"][0].as_py()))
    assert network.predict is not None
    record = json.loads((place / "run.json").read_text())
    assert [run["run"] for run in record["union"]] == ["a", "b", "c"]
    assert record["networks"] == found.rows


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_starts_from_it(strategy, united, tiny, tmp_path, rows_of):
    config = tiny(
        strategy={"name": strategy, **json.loads(json.dumps(OPTIONS[strategy]))},
        warm_start={"run": str(united[0]), "candidates": 3},
        training__steps=3,
        budget={"networks": 24},
        baselines__replicates=0,
        confirm__candidates=0,
    )
    search(experiment(config), tmp_path / "run")
    known = {row["fingerprint"] for row in Leaderboard(united[0]).to_arrow().to_pylist()}
    assert sum(row["fingerprint"] in known for row in rows_of(tmp_path / "run")) >= 3


def test_conflicts_are_named(runs, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(runs[0], other)
    [part] = (other / "leaderboard").glob("*.parquet")
    rows = pq.read_table(part)
    values = [None if value is None else value + 0.25 for value in rows["val_metric"].to_pylist()]
    at = rows.column_names.index("val_metric")
    pq.write_table(rows.set_column(at, SCHEMA.field("val_metric"), [values]), part)
    said = []
    found = union([runs[0], other], tmp_path / "both", said.append)
    assert found.conflicts == found.twice == len(rows)
    assert len(said) == 4
    assert f"in {runs[0]} and " in said[0]
    assert said[3] == f"and {len(rows) - 3} more such conflicts"
    first = Leaderboard(runs[0]).to_arrow()["val_metric"]
    assert Leaderboard(tmp_path / "both").to_arrow()["val_metric"].to_pylist() == first.to_pylist()


def test_what_cannot_be_united(runs, tiny, tiny_comparison, tmp_path):
    other = tmp_path / "other"
    search(experiment(tiny(training__steps=4, confirm__candidates=0)), other)
    with pytest.raises(
        UserError,
        match=r"other: expected training.steps 3, as in .*a, got 4; unite runs of one task, network and training",
    ):
        union([runs[0], other], tmp_path / "out")
    compared = tmp_path / "compared"
    compare(comparison(tiny_comparison(repeats=1, training__steps=1)), compared)
    with pytest.raises(UserError, match=r"expected a search, got a comparison"):
        union([runs[0], compared], tmp_path / "out")
    for version, sentence in [(2, "expected rows of schema version"), (99, "expected schema version")]:
        old = tmp_path / str(version)
        shutil.copytree(runs[1], old)
        [part] = (old / "leaderboard").glob("*.parquet")
        rows = pq.read_table(part)
        pq.write_table(rows.slice(0, 5).replace_schema_metadata({VERSION_KEY: str(version)}), part)
        pq.write_table(rows.slice(5), part.with_name("part-b.parquet"))
        with pytest.raises(UserError, match=sentence):
            union([runs[0], old], tmp_path / "out")
    with pytest.raises(UserError, match="expected at least two runs, got 1"):
        union([runs[0], runs[0]], tmp_path / "out")
    with pytest.raises(UserError, match="which is not empty"):
        union(runs, runs[0])
    assert not Location.of(tmp_path / "out").exists()


def test_the_command(runs, evoact, tmp_path):
    done = evoact("union", runs[0], runs[1], "-o", "both")
    assert done.returncode == 0, done.stderr
    assert "warm_start: both" in done.stdout
    missing = evoact("union", runs[0], tmp_path / "no", "-o", "more")
    assert missing.returncode == 2
    assert len(missing.stderr.splitlines()) == 1
