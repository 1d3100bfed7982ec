"""The ancestors of a candidate."""

import pandas as pd

from evoact.analysis.lineage import lineage
from evoact.genomes.genome import Site, dumps, homogeneous
from evoact.genomes.kinds import Base

SIN = dumps(homogeneous(Base("sin"), [Site("h", 3)], learning_rate=0.1))


def row(candidate, parents=(), val_metric=0.5, rung=0, phase="search", state="completed", proposal=0):
    return {
        "candidate": candidate,
        "parents": list(parents),
        "val_metric": val_metric,
        "rung": rung,
        "phase": phase,
        "state": state,
        "proposal": proposal,
        "generation": candidate,
        "genome": SIN,
    }


def test_a_family_tree_ends_at_its_founders_and_has_everyone_once():
    rows = [row(0), row(1, [0]), row(2, [0]), row(3, [1, 2]), row(3, [3], proposal=9), row(4)]
    found = lineage(pd.DataFrame(rows), 3)
    assert [(a.candidate, a.parents) for a in found] == [(3, (1, 2)), (1, (0,)), (2, (0,)), (0, ())]
    assert [a.candidate for a in lineage(pd.DataFrame(rows), 3, most=2)] == [3, 1]


def test_the_longest_trainings_of_the_search_count():
    rows = [
        row(0, val_metric=0.1),
        row(0, val_metric=0.2, rung=1),
        row(0, val_metric=0.4, rung=1),
        row(0, val_metric=0.9, rung=1, state="diverged"),
        row(0, val_metric=0.9, phase="confirm"),
    ]
    (only,) = lineage(pd.DataFrame(rows), 0)
    assert round(only.validation, 6) == 0.3
    (none,) = lineage(pd.DataFrame([row(1, state="failed", val_metric=None)]), 1)
    assert none.validation is None
