"""Searches as Optuna studies, and studies as what a search begins with.

study = to_study("runs/first")
optuna.visualization.plot_optimization_history(study)
evoact.search("quickstart", "runs/second", warm_start=from_study(study))
"""

from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from evoact.errors import UserError
from evoact.genomes.genome import Genome, loads, to_json
from evoact.report.optuna_study import GENOME, trials
from evoact.report.run import read_run


def to_study(
    run_dir: str | Path, arm: str = "", storage: Any = None, name: str | None = None
) -> optuna.Study:
    """Return the networks of a search as a study of Optuna, a trial each, in the order of the search.

    Args:
        run_dir: the directory of a run, or the URI of one
        arm: of a comparison
        storage: of Optuna; by default the study is in memory
        name: of the study; by default that of the run

    Raises:
        UserError: if the directory is not a run, or the arm is unknown.
    """
    run = read_run(run_dir)
    found = trials(run, arm)
    study = optuna.create_study(
        storage=storage,
        study_name=name or arm or run.plan.name or "search",
        direction="maximize" if run.maximize else "minimize",
    )
    study.set_user_attr("metric", run.metric)
    study.add_trials(found)
    return study


def genomes_of(study: optuna.Study) -> dict[Genome, list[float]]:
    """Return the genomes of a study's trials with their values, one for each replicate that came to its end, in the
    order of the trials.

    Raises:
        UserError: if a trial has no genome, as in studies that did not come from evoact.
    """
    found: dict[Genome, list[float]] = {}
    for trial in study.get_trials(deepcopy=False):
        if GENOME not in trial.user_attrs:
            raise UserError(
                f"expected trials with a user attribute {GENOME!r}, got trial {trial.number} of {study.study_name!r} "
                "without; studies from `to_study` and `evoact report --format optuna` have it"
            )
        values = found.setdefault(loads(trial.user_attrs[GENOME]), [])
        if trial.state == TrialState.COMPLETE and trial.value is not None:
            values.append(trial.value)
    return found


def from_study(study: optuna.Study, networks: int = 16) -> dict[str, Any]:
    """Return the section `warm_start` of a config that begins with the best genomes of a study, by their mean values.

    Raises:
        UserError: if a trial has no genome, or none came to its end.
    """
    means = {genome: float(np.mean(values)) for genome, values in genomes_of(study).items() if values}
    if not means:
        raise UserError(f"expected a study with completed trials, got none in {study.study_name!r}")
    sign = -1 if study.direction == optuna.study.StudyDirection.MAXIMIZE else 1
    best = sorted(means, key=lambda genome: sign * means[genome])[:networks]
    return {"run": study.study_name, "candidates": networks, "genomes": [to_json(genome) for genome in best]}
