"""The part of a run directory that analyses read: its rows, its confirmed networks, what they learned."""

from typing import Any

from evoact.analysis.trained import Trained
from evoact.config import Experiment
from evoact.config.stored_plan import experiment_of
from evoact.errors import UserError
from evoact.genomes.genome import loads
from evoact.leaderboard.ask.plain_types import distinct
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import tensors_of
from evoact.records import COMPLETED


def rows_of(run_dir: str) -> list[dict[str, Any]]:
    """Return all rows, in the order of their proposals."""
    rows: list[dict[str, Any]] = Leaderboard(run_dir).to_arrow().to_pylist()
    return sorted(rows, key=lambda row: row["proposal"])


def confirmed_networks(run_dir: str) -> tuple[Experiment, dict[str, Trained]]:
    """Return a run's experiment, and its confirmed networks by label, in the order of their candidates.

    Raises:
        UserError: if nothing was confirmed.
    """
    made, home = experiment_of(run_dir), Location.of(run_dir)
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows_of(run_dir):
        if row["phase"] == "confirm" and row["state"] == COMPLETED:
            groups.setdefault(row["genome"], []).append(row)
    if not groups:
        raise UserError("expected a run with a confirmation, got none; set confirm.candidates and finish it")
    labels = distinct([label(text) for text in groups])  # genomes may differ in what no label says
    return made, {
        name: Trained(loads(text), [tensors_of(home, row) for row in rows], made.network)
        for name, (text, rows) in zip(labels, groups.items(), strict=True)
    }


def label(genome: str) -> str:
    """Return a label: an ordinary network's activation, else the genome's label, with the learning rate."""
    found = loads(genome)
    types = {t.label for site in found.sites for t in site.types}
    return f"{types.pop() if len(types) == 1 else found.label} at {found.hyperparameter('learning_rate'):g}"
