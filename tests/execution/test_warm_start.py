"""A search that begins with what an earlier one found."""

import shutil

import pytest
import yaml

from evoact.config import experiment
from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.execution.run import resume, search


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
