"""Searching a table: the same strategies, rows and leaderboard, with networks looked up instead of trained."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

from evoact.config import Experiment
from evoact.errors import UserError
from evoact.execution.local import TrainPack
from evoact.genomes.genome import fingerprint
from evoact.leaderboard.table_file import Tabular
from evoact.records import Proposal, Result, TrainProposal
from evoact.strategies.proposers.enumerate import baselines
from evoact.tasks.outline import PLACES

# What must be the same for a table's rows to stand for a search's networks.
SAME = ("task", "network", "training", "seed")


def looked_up(table: Tabular) -> TrainPack:
    """Return what an executor calls to have packs trained, answering from the table."""

    def train(pack: str, proposals: Sequence[Proposal]) -> list[Result]:
        now = time.time()
        return [
            dataclasses.replace(
                table.result(p), pack=pack, pack_size=len(proposals), started_at=now, finished_at=now
            )
            for p in map(_training, proposals)
        ]

    return train


def _training(proposal: Proposal) -> TrainProposal:
    if isinstance(proposal, TrainProposal):
        return proposal
    raise UserError(
        f"expected a search of networks, which a table holds, got a meta-training of {proposal.strategy!r}"
    )


def _where_they_differ(key: str, own: Any, other: Any) -> tuple[str, Any, Any]:
    """Return the first entry of a section that differs, and its values; the section itself if it has none."""
    if isinstance(own, dict) and isinstance(other, dict):
        name = next(name for name in {**own, **other} if own.get(name) != other.get(name))
        return _where_they_differ(f"{key}.{name}", own.get(name), other.get(name))
    return key, own, other


def check_table(made: Experiment, table: Tabular) -> None:
    """Check that a search can be run against a table.

    Raises:
        UserError: if it was made of other networks, lacks any, or has too few seeds.
    """
    config, theirs = made.config.model_dump(mode="json", exclude_none=True), table.about["config"]
    for key in SAME:
        mine, its = _anywhere(config[key]), _anywhere(theirs[key])
        if mine != its:
            name, own, other = _where_they_differ(key, mine, its)
            raise UserError(f"{table.place}: expected a table of the search's {name} {own}, got {other}")
    if made.timed:
        raise UserError(
            f"{table.place}: expected objectives that a table holds, got step_seconds_solo; "
            "leave it out of strategy.objectives"
        )
    if made.config.strategy.name == "hybrid" and not made.proposer.from_space:
        raise UserError(
            f"{table.place}: expected a search of networks that a table holds, got one that probes with hulls by "
            "neuron; add --set strategy.probes=0"
        )
    stops = {max(1, int(made.steps * share)) for share in made.proposer.shares}
    if missing := sorted(stops.difference((*table.checkpoints, made.steps))):
        raise UserError(
            f"{table.place}: expected a table with metrics after {', '.join(map(str, missing))} steps, got one with "
            f"those after {', '.join(map(str, (*table.checkpoints, made.steps)))}; set strategy.eta and strategy.rungs "
            "to these, or tabulate with training.curve_at"
        )
    confirm, replicates = made.config.confirm, made.config.replicates
    if replicates > len(table.search_seeds):
        raise UserError(
            f"{table.place}: expected a table with replicates {replicates}, got one with {len(table.search_seeds)} "
            f"seeds for that; add --set replicates={len(table.search_seeds)}"
        )
    fresh = len(table.truth_seeds)
    if confirm.candidates and confirm.seeds + confirm.judge > fresh:
        seeds = max(1, min(confirm.seeds, fresh // 3))
        raise UserError(
            f"{table.place}: expected a table with fresh seeds for confirm.seeds {confirm.seeds} and confirm.judge "
            f"{confirm.judge}, got one with {fresh}; add --set confirm.seeds={seeds} --set "
            f"confirm.judge={fresh - seeds}"
        )
    _check_complete(made, table)


def _anywhere(section: Any) -> Any:
    """A section of a config without the place of the task's data, which differs between machines, and without what is
    only looked at."""
    aside = (*PLACES, "curve_every", "curve_at")
    return {k: v for k, v in section.items() if k not in aside} if isinstance(section, dict) else section


def _check_complete(made: Experiment, table: Tabular) -> None:
    size = made.space.size()
    missing = size - len(table.genomes)
    if missing <= 0:
        needed = {fingerprint(genome) for genome in made.space.every()}
        if made.config.baselines.replicates:
            needed |= {fingerprint(genome) for genome in baselines(made.space)}
        size = len(needed)
        seeds = table.search_seeds[: made.config.replicates]
        if made.config.confirm.candidates:
            seeds += table.truth_seeds[: made.config.confirm.seeds + made.config.confirm.judge]
        missing = table.missing(sorted(needed), seeds)
    if missing > 0:
        raise UserError(
            f"{table.place}: expected a table of all {size:,} genomes of the search on all its seeds, got one that "
            f"lacks {missing:,}; finish it with `evoact tabulate`, or narrow the space"
        )
