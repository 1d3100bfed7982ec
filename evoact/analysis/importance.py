"""The choices that mattered in a search: shares of each base function, numbers of types and of neurons, learning rate.

How the best tenth of the candidates chose is compared with how all did, choice by choice, as in PED-ANOVA (Watanabe et
al. 2023): by Pearson's divergence, here of the shares of the levels instead of kernel densities. Of any tenth, of pure
noise, too, the divergence is above 0: so that of tenths drawn by chance is taken off, and a choice is said to matter
if chance does not reach as far.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoact.analysis.comparison import holm
from evoact.analysis.verdicts import ALPHA
from evoact.genomes.activation import functions_of, is_absent
from evoact.genomes.genome import Genome, loads
from evoact.genomes.hyperparameters import OF_NETWORKS
from evoact.records import COMPLETED

LEVELS = 8  # of a function's share of a site's neurons
BEST = 0.1  # of the candidates
FEWEST = 100  # candidates: of fewer, the best tenth is a handful
MOST = 300  # an even sample of more says the same
DRAWS = 1999
RATE = "learning rate"
SETTING = "optimizer "  # what the names of its arguments begin with


@dataclass(frozen=True)
class Choice:
    """A choice that separates the best from all others by more than chance does.

    `importance` is its part in what separates them; `best` and `all` are the means of what was chosen, by the best
    and by all: a rate (geometric mean), another setting, a number of types, or the share of a site's neurons in
    [0, 1], which is what `is_share` says.
    """

    name: str
    importance: float
    best: float
    all: float
    is_share: bool


@dataclass(frozen=True)
class Importance:
    """The importance of choices in one search: how many candidates it is about, how many choices they had, and those
    that mattered, the most important first.
    """

    candidates: int
    choices: int
    mattered: tuple[Choice, ...]


def importance(rows: pd.DataFrame) -> Importance | None:
    """Return what mattered in a search; None with too few candidates to say, or without a choice.

    Args:
        rows: of a search, or of all repeats of one, as data frame
    """
    # Every candidate is there at rung 0, and scores at other rungs do not compare with these.
    usable = (rows["phase"] == "search") & (rows["state"] == COMPLETED) & (rows["rung"] == 0)
    done = rows[usable].dropna(subset=["val_metric"])
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
    beyond, p_values = _tested(list(levels.values()), best)
    shares = beyond / max(beyond.sum(), 1e-12)
    mattered = [
        _choice(name, float(share), made, best)
        for name, share, p in zip(levels, shares, holm(p_values), strict=True)
        if p < ALPHA
    ]
    return Importance(len(means), len(levels), tuple(sorted(mattered, key=lambda c: -c.importance)))


def choices(genome: Genome) -> dict[str, float]:
    """Return what a genome chose: at each site the number of types, and the neurons that there are and those of each
    function in eighths of the site's; the learning rate and other settings.

    >>> from evoact.genomes.kinds import Base
    >>> from evoact.genomes.genome import SiteGenome
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
    of_optimizer = genome.optimizer_settings
    settings = {f"{SETTING}{n}" if n in of_optimizer else n: value for n, value in genome.settings.items()}
    return eighths | settings | {RATE: dict(genome.hyperparameters).get("learning_rate", 0.0)}


def is_setting(name: str) -> bool:
    """Return whether a choice is a hyperparameter, the learning rate aside."""
    return name.startswith(SETTING) or name in OF_NETWORKS


def _levels(made: list[dict[str, float]]) -> dict[str, np.ndarray]:
    """Each choice that was not always the same, as the number of its value [candidates]; a function that a genome has
    not has none of the neurons."""
    found = {}
    for name in sorted({name for one in made for name in one}):
        values, levels = np.unique([one.get(name, 0) for one in made], return_inverse=True)
        if len(values) > 1:
            found[name] = levels
    return found


def _tested(levels: Sequence[np.ndarray], best: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """How far the best tenth's choices are from those of all candidates, less what is expected of a tenth drawn by
    chance; and how often such a tenth is as far away. [choices] each."""
    rng = np.random.default_rng(0)
    n = int(best.sum())
    drawn = np.zeros((DRAWS + 1, len(best)), dtype=np.float32)
    drawn[0] = best
    chosen = np.argpartition(rng.random((DRAWS, len(best)), dtype=np.float32), n, axis=1)[:, :n]
    np.put_along_axis(drawn[1:], chosen, 1, axis=1)
    beyond, p_values = [], []
    for own in levels:
        each = (own[:, None] == np.unique(own)).astype(np.float32)  # [candidates, levels]
        among_all = each.mean(axis=0)
        divergence = ((drawn @ each / n - among_all) ** 2 / among_all).sum(axis=1)
        beyond.append(max(0.0, float(divergence[0] - divergence[1:].mean())))
        p_values.append(float((divergence >= divergence[0] - 1e-6).mean()))
    return np.array(beyond), p_values


def _choice(name: str, share: float, made: list[dict[str, float]], best: np.ndarray) -> Choice:
    values = np.array([one.get(name, 0) for one in made], dtype=float)
    if name == RATE:
        logs = np.log(values)
        return Choice(name, share, float(np.exp(logs[best].mean())), float(np.exp(logs.mean())), False)
    is_share = not (name.endswith(" types") or is_setting(name))
    values = values / LEVELS if is_share else values
    return Choice(name, share, float(values[best].mean()), float(values.mean()), is_share)
