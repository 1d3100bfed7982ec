"""A run as Optuna studies in one journal file, as optuna-dashboard and Optuna's own plots read them.

One study for each arm, its trials the networks of the search in order. Parameters are the genome's in the flat
encoding that TPE sees, and the learning rate; seed, repeat, activations and the genome itself are attributes of the
trial.
"""

from pathlib import Path

import optuna
import pandas as pd
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState, create_trial

from evoact.errors import UserError
from evoact.genomes.encoding import domains, encode
from evoact.genomes.genome import loads
from evoact.genomes.space import SearchSpace
from evoact.records import COMPLETED, FRESH, META_TRAIN
from evoact.report.run import RunData

GENOME = "genome"  # the attribute of a trial that holds its genome, as in the leaderboard


def write_optuna(run: RunData, file: Path) -> None:
    """Write a journal for `optuna-dashboard FILE`.

    Raises:
        UserError: if the file is there, because Optuna would append to it.
    """
    if file.exists():
        raise UserError(f"expected a new file, got {str(file)!r}, which exists; delete it or choose another")
    storage = JournalStorage(JournalFileBackend(str(file)))
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        for arm in run.plan.arms:
            study = optuna.create_study(
                storage=storage,
                study_name=arm or run.plan.name or "search",
                direction="maximize" if run.maximize else "minimize",
            )
            study.set_user_attr("metric", run.metric)
            study.add_trials(trials(run, arm))
    finally:
        optuna.logging.set_verbosity(verbosity)


def trials(run: RunData, arm: str) -> list[FrozenTrial]:
    """Return the networks of an arm's baselines and search, in their order; of a search the arm is empty."""
    searched = run.rows[~run.rows["phase"].isin(FRESH) & (run.rows["kind"] != META_TRAIN)]
    rows = searched[searched["arm"] == arm].sort_values(["repeat", "proposal"])
    space = run.plan.part(arm, 0).space
    return [_trial(row, space) for _, row in rows.iterrows()]


def _trial(row: pd.Series, space: SearchSpace) -> FrozenTrial:
    genome = loads(row["genome"])
    rates = space.learning_rates
    values: dict[str, str | int | float] = {"rate": genome.hyperparameter("learning_rate")}
    distributions: dict[str, BaseDistribution] = {"rate": FloatDistribution(min(rates), max(rates), log=True)}
    for name, grid in space.hyperparameters:
        if name in genome.settings and len(grid) > 1:
            values[f"{name} value"] = genome.settings[name]
            distributions[f"{name} value"] = FloatDistribution(grid[0], grid[-1])
    if space.contains(genome):
        values |= encode(space, genome)
        for name, domain in domains(space, encode(space, genome)).items():
            if isinstance(domain[0], str):
                distributions[name] = CategoricalDistribution(domain)
            else:
                distributions[name] = IntDistribution(int(domain[0]), int(domain[1]))
    attributes = {
        "activations": genome.label,
        GENOME: row["genome"],
        "candidate": int(row["candidate"]),
        "repeat": int(row["repeat"]),
        "seed": int(row["seed"]),
        "state": str(row["state"]),
    }
    usable = row["state"] == COMPLETED and pd.notna(row["val_metric"])
    return create_trial(
        state=TrialState.COMPLETE if usable else TrialState.FAIL,
        value=float(row["val_metric"]) if usable else None,
        params=values,
        distributions=distributions,
        user_attrs=attributes,
    )
