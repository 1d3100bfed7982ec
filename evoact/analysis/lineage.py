"""Where a candidate comes from: its ancestors within one search, generation by generation."""

import math
from dataclasses import dataclass

import pandas as pd

from evoact.genomes.genome import loads
from evoact.records import COMPLETED, FRESH

MOST = 40


@dataclass(frozen=True)
class Ancestor:
    """`validation` is the mean over the candidate's networks in the search, of those that were trained longest if
    some were promoted; None if none was completed."""

    candidate: int
    generation: int
    label: str
    learning_rate: float
    validation: float | None
    parents: tuple[int, ...]


def lineage(rows: pd.DataFrame, candidate: int, most: int = MOST) -> list[Ancestor]:
    """Return the candidate and its ancestors, it first, then its parents, theirs, and so on.

    Args:
        rows: of one search (one arm and repeat of a comparison)
        candidate: whose ancestors
        most: after so many no more are followed

    >>> rows = pd.DataFrame({"candidate": [0, 1], "generation": [0, 1], "strategy": "evolution", "phase": "search",
    ...     "state": "completed", "val_metric": [0.3, 0.4], "proposal": [0, 1], "rung": 0, "parents": [[], [0]],
    ...     "genome": '{"sites":[{"site":"h","types":[{"kind":"base","name":"sin","count":3}]}],"hyperparameters":{}}'})
    >>> [(a.candidate, a.generation, a.label, a.parents) for a in lineage(rows, 1)]
    [(1, 1, '3 sin', (0,)), (0, 0, '3 sin', ())]
    """
    searched = rows[~rows["phase"].isin(FRESH)].sort_values("proposal")
    first = searched.drop_duplicates("candidate").set_index("candidate")
    done = searched[searched["state"] == COMPLETED]
    longest = done["rung"] == done.groupby("candidate")["rung"].transform("max")
    means = done[longest].groupby("candidate")["val_metric"].mean()
    found: dict[int, Ancestor] = {}
    queue = [candidate]
    while queue and len(found) < most:
        current = queue.pop(0)
        if current in found or current not in first.index:
            continue
        row = first.loc[current]
        # An elite that is evaluated again stands as its own parent.
        parents = tuple(
            int(p) for p in (row["parents"] if row["parents"] is not None else ()) if p != current
        )
        genome = loads(row["genome"])
        found[current] = Ancestor(
            candidate=current,
            generation=int(row["generation"]),
            label=genome.label,
            learning_rate=dict(genome.hyperparameters).get("learning_rate", math.nan),
            validation=float(means[current]) if current in means.index else None,
            parents=parents,
        )
        queue += parents
    return list(found.values())
