"""Which choices mattered in a search: shares of each base function, numbers of types and of neurons, learning rate.

PED-ANOVA (Watanabe et al. 2023) compares how the best tenth of the candidates chose with how all did. What it calls
importances sum to 1 whatever the data, pure noise included: so each choice is first tested against tenths drawn by
chance, and what chance explains as well is not called a choice that mattered.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoact.analysis.comparison import holm
from evoact.analysis.verdicts import ALPHA
from evoact.genomes.families import functions_of
from evoact.genomes.genome import Genome, is_absent, loads
from evoact.records import COMPLETED

LEVELS = 8  # of a function's share of a site's neurons
BEST = 0.1  # of the candidates
FEWEST = 100  # candidates: of fewer, the best tenth is a handful
MOST = 300  # an even sample of more says the same
DRAWS = 4999
RATE = "learning rate"


@dataclass(frozen=True)
class Choice:
    """A choice that separates the best from all others by more than chance does.

    `importance` is its part in what separates them; `best` and `all` are the means of what was chosen, by the best
    and by all: a rate (geometric mean), a number of types, or the share of a site's neurons in [0, 1], which is what
    `is_share` says.
    """

    name: str
    importance: float
    best: float
    all: float
    is_share: bool


@dataclass(frozen=True)
class Importance:
    """Of one search: how many candidates it is about, how many choices they had, and those that mattered, the most
    important first."""

    candidates: int
    choices: int
    mattered: tuple[Choice, ...]


def importance(rows: pd.DataFrame) -> Importance | None:
    """What mattered in a search; None with too few candidates to say, or without a choice.

    Args:
        rows: of a search, or of all repeats of one, as data frame
    """
    done = rows[(rows["phase"] == "search") & (rows["state"] == COMPLETED)].dropna(subset=["val_metric"])
    means = done.groupby("genome", sort=False)["val_metric"].mean()
    if len(means) < FEWEST:
        return None
    means = means.iloc[np.unique(np.linspace(0, len(means) - 1, min(len(means), MOST)).astype(int))]
    made = [choices(loads(genome)) for genome in means.index]
    levels = _levels(made)
    if not levels:
        return None
    scores = means.to_numpy() * (-1 if done["direction"].iloc[0] == "minimize" else 1)
    best = np.zeros(len(scores), dtype=bool)
    best[np.argsort(-scores, kind="stable")[: max(1, round(BEST * len(scores)))]] = True
    p_values = dict(zip(levels, holm(_p_values(list(levels.values()), best)), strict=True))
    beyond_chance = [name for name, p in p_values.items() if p < ALPHA]
    shares = _shares(levels, scores) if beyond_chance else {}
    mattered = [_choice(name, shares[name], made, best) for name in beyond_chance if name in shares]
    return Importance(len(means), len(levels), tuple(sorted(mattered, key=lambda c: -c.importance)))


def choices(genome: Genome) -> dict[str, float]:
    """What a genome chose: at each site the number of types, and the neurons that there are and those of each function
    in eighths of the site's; and the learning rate.

    >>> from evoact.genomes.genome import Base, SiteGenome
    >>> choices(Genome((SiteGenome("h", (Base("sin"), Base("abs")), (0, 0, 0, 1)),), (("learning_rate", 0.1),)))
    {'h types': 2, 'h neurons': 8, 'h sin': 6, 'h abs': 2, 'learning rate': 0.1}
    """
    found: dict[str, float] = {}
    for site in genome.sites:
        present = [(t, n) for t, n in zip(site.types, site.counts(), strict=True) if not is_absent(t)]
        each = LEVELS / len(site.assignment)
        found[f"{site.site} types"] = len(present)
        found[f"{site.site} neurons"] = each * sum(n for _, n in present)
        for activation, count in present:
            for name in functions_of(activation) or (activation.kind,):
                key = f"{site.site} {name}"
                found[key] = found.get(key, 0) + each * count
    eighths = {name: round(share) for name, share in found.items()}
    return eighths | {RATE: dict(genome.hyperparameters).get("learning_rate", 0.0)}


def _levels(made: list[dict[str, float]]) -> dict[str, np.ndarray]:
    """Each choice that was not always the same, as whole numbers from 0 [candidates]; a function that a genome has not
    has none of the neurons."""
    found = {}
    for name in sorted({name for one in made for name in one}):
        values, levels = np.unique([one.get(name, 0) for one in made], return_inverse=True)
        if len(values) > 1:
            found[name] = levels if name == RATE else values[levels].astype(int)
    return found


def _p_values(levels: list[np.ndarray], best: np.ndarray) -> list[float]:
    """Of each choice: how often a tenth drawn by chance differs from all candidates as much as the best tenth does.

    How much is Pearson's divergence, which PED-ANOVA measures, of the shares of the levels.
    """
    rng = np.random.default_rng(0)
    n = int(best.sum())
    drawn = np.zeros((DRAWS + 1, len(best)), dtype=np.float32)
    drawn[0] = best
    chosen = np.argpartition(rng.random((DRAWS, len(best))), n, axis=1)[:, :n]
    np.put_along_axis(drawn[1:], chosen, 1, axis=1)
    found = []
    for own in levels:
        each = (own[:, None] == np.unique(own)).astype(np.float32)  # [candidates, levels]
        among_all = each.mean(axis=0)
        divergence = ((drawn @ each / n - among_all) ** 2 / among_all).sum(axis=1)
        found.append(float((divergence >= divergence[0] - 1e-6).mean()))
    return found


def _shares(levels: dict[str, np.ndarray], scores: np.ndarray) -> dict[str, float]:
    from evoact.strategies.optuna_search import Told, importances  # Optuna takes a second to import

    domains = {name: (0, int(own.max())) for name, own in levels.items()}
    return importances(
        [
            Told({name: int(own[i]) for name, own in levels.items()}, dict(domains), float(score))
            for i, score in enumerate(scores)
        ]
    )


def _choice(name: str, share: float, made: list[dict[str, float]], best: np.ndarray) -> Choice:
    values = np.array([one.get(name, 0) for one in made], dtype=float)
    if name == RATE:
        logs = np.log(values)
        return Choice(name, share, float(np.exp(logs[best].mean())), float(np.exp(logs.mean())), False)
    is_share = not name.endswith(" types")
    values = values / LEVELS if is_share else values
    return Choice(name, share, float(values[best].mean()), float(values.mean()), is_share)
