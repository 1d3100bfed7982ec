"""The course of a search: which activations the neurons of its proposals had, from its beginning to its end."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoact.genomes.activation import group_label, is_absent
from evoact.genomes.genome import loads

SPANS = 10
MOST_NETWORKS = 500  # of an arm: an even sample shows as much
MOST_KINDS = 6
OTHER = "other"


@dataclass(frozen=True)
class ProposedTypes:
    """`shares` [kinds, spans]: of all neurons proposed in each part of the search, how many had each kind."""

    arm: str
    kinds: tuple[str, ...]
    shares: np.ndarray


def proposed_types(rows: pd.DataFrame, spans: int = SPANS) -> list[ProposedTypes]:
    """Return the activation shares of each arm over all its repeats, from the rows of the search phase, in at most so
    many parts.

    >>> text = '{"sites":[{"site":"h","types":[{"kind":"base","name":"sin","count":3}]}],"hyperparameters":{}}'
    >>> rows = pd.DataFrame({"arm": "a", "repeat": 0, "phase": "search", "proposal": [0, 1], "genome": text})
    >>> proposed_types(rows, spans=2)[0].shares.tolist()
    [[1.0, 1.0]]
    """
    found = []
    for arm, own in rows[rows["phase"] == "search"].groupby("arm", sort=False):
        by_repeat = own.groupby("repeat")["proposal"]
        sizes = by_repeat.transform("size")
        parts = int(min(spans, sizes.min()))
        position = ((by_repeat.rank(method="first") - 1) / sizes).to_numpy()
        chosen = np.unique(np.linspace(0, len(own) - 1, min(len(own), MOST_NETWORKS)).astype(int))
        span = (position[chosen] * parts + 1e-9).astype(int)
        counts = [Counter[str]() for _ in range(parts)]
        for i, text in zip(span, own["genome"].to_numpy()[chosen], strict=True):
            for site in loads(text).sites:
                for activation, n in zip(site.types, site.counts(), strict=True):
                    if not is_absent(activation):
                        counts[i][group_label(activation)] += n
        total = sum(counts, Counter[str]())
        kinds = [kind for kind, _ in total.most_common(MOST_KINDS)]
        shares = np.array([[c[kind] for c in counts] for kind in kinds], dtype=float)
        everything = np.array([max(1, c.total()) for c in counts], dtype=float)
        if len(total) > len(kinds):
            kinds.append(OTHER)
            shares = np.vstack([shares, everything - shares.sum(axis=0)])
        found.append(ProposedTypes(str(arm), tuple(kinds), shares / everything))
    return found
