"""What is said at the end of a search: of spaces in which there is nothing to compare the winner with."""

import dataclasses
import math

import pytest

from evoact.config import experiment
from evoact.execution.run import search
from evoact.report.search_text import verdict


@pytest.mark.parametrize(
    ("space", "replicates"),
    [
        ({"types": {"prelu": {}, "lp_pool": {"pieces": [2]}}, "types_per_layer": [1, 2]}, 1),
        ({"functions": ["relu", "sin"], "types": {"base": {}}, "types_per_layer": [2, 2]}, 0),
    ],
)
def test_without_baselines(space, replicates, tiny, tmp_path):
    """The default search of a space without base functions, and of one in which none stands alone."""
    rates = {"learning_rate": {"values": [0.1]}}
    made = tiny(space=space | rates, strategy={"name": "hybrid"}, baselines={"replicates": replicates})
    summary = search(experiment(made), tmp_path / "run").summary
    assert summary.best_found is not None
    assert "; no homogeneous baseline was trained that it could be compared with." in verdict(summary)
    split = summary.split.removesuffix("_metric")
    for trivial, said in ((0.1, True), (math.nan, False)):  # a metric need not be defined on every split
        beside = verdict(dataclasses.replace(summary, trivial={split: trivial}))
        assert ("lways saying" in beside) == said
