"""Which choices mattered in a search: shares of each base function, number of types and learning rate, by PED-ANOVA."""

import pandas as pd

from evoact.genomes.families import functions_of
from evoact.genomes.genome import Genome, is_absent, loads
from evoact.records import COMPLETED

LEVELS = 8  # of a function's share of a site's neurons


def importance(rows: pd.DataFrame) -> dict[str, float]:
    """The share of each choice in what separates the best networks from the others, the largest first.

    A choice is the learning rate, or at each site the number of types (`hidden0 types`) and the share of neurons
    built of a function (`hidden0 sin`). PED-ANOVA (Watanabe et al. 2023) compares how the best tenth of the candidates,
    by mean validation, chose with how all did.

    Args:
        rows: of one search (one arm and repeat of a comparison), as data frame
    """
    from evoact.strategies.optuna_search import Told, importances  # Optuna takes a second to import

    done = rows[(rows["phase"] == "search") & (rows["state"] == COMPLETED)].dropna(subset=["val_metric"])
    means = done.groupby("genome", sort=False)["val_metric"].mean()
    sign = -1.0 if len(done) and done["direction"].iloc[0] == "minimize" else 1.0
    chosen = [choices(loads(genome)) for genome in means.index]
    names = sorted({name for made in chosen for name in made})
    history = []
    rates = sorted({made["learning rate"] for made in chosen})
    for made, mean in zip(chosen, means, strict=True):
        values = {name: made.get(name, 0) for name in names}
        values["learning rate"] = rates.index(made["learning rate"])
        history.append((values, sign * float(mean)))
    most = {name: max(int(values[name]) for values, _ in history) for name in names}
    told = [
        Told(
            {name: int(v) for name, v in values.items()},
            {name: (0, max(1, most[name])) for name in names},
            score,
        )
        for values, score in history
    ]
    return importances(told)


def choices(genome: Genome) -> dict[str, float]:
    """What a genome chose: the number of types and each function's share, in eighths, at each site.

    >>> from evoact.genomes.genome import Base, SiteGenome
    >>> choices(Genome((SiteGenome("h", (Base("sin"), Base("abs")), (0, 0, 0, 1)),), (("learning_rate", 0.1),)))
    {'h types': 2, 'h sin': 6, 'h abs': 2, 'learning rate': 0.1}
    """
    found: dict[str, float] = {}
    for site in genome.sites:
        present = [(t, n) for t, n in zip(site.types, site.counts(), strict=True) if not is_absent(t)]
        found[f"{site.site} types"] = len(present)
        for activation, count in present:
            for name in functions_of(activation) or (activation.kind,):
                key = f"{site.site} {name}"
                found[key] = found.get(key, 0) + LEVELS * count / len(site.assignment)
    shares = {name: round(share) for name, share in found.items()}
    return shares | {"learning rate": dict(genome.hyperparameters).get("learning_rate", 0.0)}
