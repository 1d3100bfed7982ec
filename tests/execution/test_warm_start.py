"""A search that begins with what an earlier one found."""

import random
import shutil

import pyarrow.parquet as pq
import pytest
import yaml

from evoact.config import experiment
from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.execution.run import resume, search
from evoact.genomes.genome import to_json
from evoact.leaderboard.schema import VERSION_KEY


def first_generation(rows):
    return [r for r in rows if r["phase"] == "search" and r["generation"] == 0]


@pytest.fixture
def earlier(tiny, tmp_path):
    search(experiment(tiny()), tmp_path / "earlier")
    return tmp_path / "earlier"


@pytest.mark.slow
def test_begins_with_the_best_of_the_earlier_run(tiny, tmp_path, earlier, rows_of):
    made = experiment(tiny(warm_start={"run": str(earlier), "candidates": 3}, seed=1))
    search(made, tmp_path / "run")
    warm = first_generation(rows_of(tmp_path / "run", ()))
    known = {r["fingerprint"] for r in rows_of(earlier, ())}
    assert len(warm) == 3
    assert {r["fingerprint"] for r in warm} <= known
    # the resolved config says it without the earlier run, and repeats the search
    resolved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert len(resolved["warm_start"]["genomes"]) == 3
    # and what the earlier surrogate has learnt: two lengths, three variances of each signal
    (learnt,) = resolved["warm_start"]["surrogates"]
    assert len(learnt) == 8
    shutil.rmtree(earlier)
    assert resume(tmp_path / "run").complete
    search(plan_of(tmp_path / "run").first, tmp_path / "again")
    assert rows_of(tmp_path / "again") == rows_of(tmp_path / "run")


def test_other_widths_and_functions(tiny, tmp_path, earlier, rows_of):
    space = {**tiny()["space"], "functions": ["tanh", "sin"]}
    said = []
    made = experiment(tiny(warm_start=str(earlier), space=space, network={"name": "mlp", "hidden": [12]}))
    search(made, tmp_path / "run", report=said.append)
    warm = first_generation(rows_of(tmp_path / "run", ()))
    assert warm
    assert all("relu" not in r["genome"] for r in warm)
    (sentence,) = said
    assert "not in this search space, so ignored: " in sentence
    assert "relu" in sentence


@pytest.mark.parametrize(
    "changes",
    [
        {"network": {"name": "mlp", "hidden": [8, 8]}},
        {
            "space": {
                "functions": ["abs", "cos"],
                "types": {"base": {}},
                "types_per_layer": [1, 2],
                "learning_rate": {"values": [0.01]},
            }
        },
    ],
)
def test_a_warm_start_from_another_space(tiny, tmp_path, earlier, changes):
    made = experiment(tiny(warm_start=str(earlier), **changes))
    with pytest.raises(UserError, match="expected a warm start with genomes on the sites hidden0"):
        search(made, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_warm_start_from_nothing(tiny, tmp_path):
    with pytest.raises(UserError, match="expected a run directory, got nothing there"):
        search(experiment(tiny(warm_start="no/such/run")), tmp_path / "run")


@pytest.mark.slow
def test_discretised_hulls_come_first(tiny, tmp_path, rows_of):
    search(
        experiment(tiny(strategy={"name": "discretise", "hulls": 1}, baselines__replicates=0)),
        tmp_path / "hulls",
    )
    search(experiment(tiny(warm_start={"run": str(tmp_path / "hulls"), "candidates": 2})), tmp_path / "run")
    second = [r for r in rows_of(tmp_path / "hulls", ()) if r["phase"] == "search" and r["generation"] == 1]
    warm = first_generation(rows_of(tmp_path / "run", ()))
    assert {r["fingerprint"] for r in warm} == {r["fingerprint"] for r in second}


@pytest.mark.slow
def test_several_runs_take_turns_and_those_that_do_not_fit_are_named(tiny, tmp_path, earlier, rows_of):
    """A list, and a pattern that finds another task, another network, a damaged run and no run."""
    runs = tmp_path / "runs"
    search(experiment(tiny(seed=3, task={"name": "digits"})), runs / "a_task")
    search(experiment(tiny(seed=4, network={"name": "mlp", "hidden": [8, 8]})), runs / "b_network")
    shutil.copytree(earlier, runs / "c_damaged")
    shutil.rmtree(runs / "c_damaged" / "leaderboard")
    (runs / "d_nothing").mkdir()
    said = []
    warm = {"run": [str(earlier), str(runs / "*")], "candidates": 4}
    made = experiment(tiny(warm_start=warm, seed=1))
    search(made, tmp_path / "run", report=said.append)
    first = [r["fingerprint"] for r in first_generation(rows_of(tmp_path / "run", ()))]
    own, other = ({r["fingerprint"] for r in rows_of(run, ())} for run in (earlier, runs / "a_task"))
    assert len(first) >= 3
    assert set(first) <= own | other
    assert first[0] in own
    assert first[1] in other
    left_out = [sentence for sentence in said if sentence.startswith("left out of the warm start: ")]
    assert len(left_out) == 1
    assert "c_damaged" in left_out[0]
    (partly,) = [
        sentence for sentence in said if "only what its surrogate has learnt is made use of" in sentence
    ]
    assert "b_network" in partly
    assert not any("d_nothing" in sentence for sentence in said)
    resolved = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert len(resolved["warm_start"]["genomes"]) == 4
    assert len(resolved["warm_start"]["surrogates"]) == 3


def test_rows_of_other_versions_are_used_or_named(tiny, tmp_path, earlier, rows_of):
    """Rows of an older version are read as they are; a run of a newer one is left out and named, or refused alone."""
    for name, version in (("old", 2), ("new", 99)):
        shutil.copytree(earlier, tmp_path / name)
        for part in (tmp_path / name / "leaderboard").glob("*.parquet"):
            rows = pq.read_table(part)
            pq.write_table(rows.replace_schema_metadata({VERSION_KEY: str(version)}), part)
    said = []
    warm = [str(tmp_path / "new"), str(tmp_path / "old")]
    search(experiment(tiny(warm_start=warm, seed=1)), tmp_path / "run", report=said.append)
    known = {r["fingerprint"] for r in rows_of(earlier, ())}
    first = {r["fingerprint"] for r in first_generation(rows_of(tmp_path / "run", ()))}
    assert first
    assert first <= known
    assert any("got 99; upgrade evoact to read it" in sentence for sentence in said)
    with pytest.raises(UserError):
        search(experiment(tiny(warm_start=warm[0], seed=1)), tmp_path / "alone", report=said.append)


def test_patterns_and_lists_of_which_nothing_is_left(tiny, tmp_path, earlier):
    with pytest.raises(UserError, match=r"expected runs at .*no/such.*got none"):
        search(experiment(tiny(warm_start=str(tmp_path / "no/such/*"))), tmp_path / "run")
    elsewhere = experiment(tiny(warm_start=[str(earlier)] * 2, network={"name": "mlp", "hidden": [8, 8]}))
    with pytest.raises(UserError, match="expected a warm start from runs that fit this search, got none of"):
        search(elsewhere, tmp_path / "run", report=[].append)
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_what_earlier_surrogates_have_learnt_is_made_use_of(tiny, tmp_path, earlier, rows_of):
    """The same genomes to begin with, and other networks afterwards; a config of before there was this goes on."""
    genomes = [to_json(experiment(tiny()).space.sample(random.Random(i))) for i in range(8)]
    plain = {"run": str(earlier), "candidates": 8, "genomes": genomes}
    taught = plain | {"surrogates": [[5.0, 5.0, 10.0, 1e-4, 1e-3]] * 8}
    found = []
    for name, warm in (("plain", plain), ("taught", taught)):
        search(experiment(tiny(warm_start=warm, budget={"networks": 32})), tmp_path / name)
        found.append(rows_of(tmp_path / name, ()))
    first, names = (
        [[r["fingerprint"] for r in part(rows)] for rows in found] for part in (first_generation, list)
    )
    assert first[0] == first[1]
    assert names[0] != names[1]
    shutil.rmtree(earlier)
    assert all(resume(tmp_path / name).complete for name in ("plain", "taught"))
