"""The winners of a comparison: of each arm and repeat the confirmed candidate that validates best.

A winner is chosen by its mean validation metric on fresh seeds, and judged by its test metrics on further ones
(`analysis.candidates`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoact.analysis.bootstrap import blocks
from evoact.analysis.candidates import READ, Candidate, candidates, chosen
from evoact.records import COMPLETED, FRESH, META_TRAIN

# What is read of a leaderboard's rows.
_OF_WINNERS = (
    *READ,
    *("arm", "repeat", "genome", "artifact", "n_parameters", "step_seconds_solo", "participation_ratio"),
)
COLUMNS = (
    *_OF_WINNERS,
    *("metric", "kind", "train_seconds", "gradient_examples", "strategy", "proposal", "error"),
)
# The test scores of each example of a confirmed network, from its artifact: [examples], or None.
ReadScores = Callable[[str], np.ndarray | None]


@dataclass(frozen=True)
class Winner:
    """`test` holds one metric for each of `seeds`, which took no part in the choice if the run judged on others, on the
    larger test split if there is one; `scores` [seeds, blocks] the mean score in blocks of test examples, None if
    the run did not keep them."""

    arm: str
    repeat: int
    candidate: int
    genome: str
    artifact: str
    validation: float
    seeds: tuple[int, ...]
    test: np.ndarray
    scores: np.ndarray | None
    n_parameters: int
    step_seconds: float | None
    participation_ratio: float | None

    @property
    def mean(self) -> float:
        return float(self.test.mean())


@dataclass(frozen=True)
class ArmResult:
    """An arm with its winners by repeat; a repeat without one is among `lost`. `networks` and `failures`
    count all phases, `gradient_examples` what was spent before the confirmation, `meta_examples` the part of it that
    went into meta-training, `seconds` the training time of all."""

    name: str
    winners: Mapping[int, Winner]
    lost: tuple[int, ...]
    networks: int
    failures: int
    gradient_examples: int
    meta_examples: int
    seconds: float
    error: str

    @property
    def means(self) -> np.ndarray:
        """The winners' mean test metrics, by repeat."""
        return np.array([winner.mean for winner in self.winners.values()])


def arm_results(
    rows: pd.DataFrame,
    arms: Sequence[str] = (),
    repeats: int | None = None,
    read: ReadScores | None = None,
    judged: bool = True,
) -> list[ArmResult]:
    """Return each arm's winners, arms in the given order, else as they come.

    Args:
        rows: of one run's leaderboard, with `COLUMNS`
        arms: names of all arms, those without a row, too
        repeats: how many there should be; by default as many as the rows have
        read: gives an artifact's scores by example; without it the seeds are the lowest level
        judged: whether winners are judged on seeds that did not choose them (`confirm.judge` above 0)
    """
    groups = {str(name): group for name, group in rows.groupby("arm", sort=False)}
    count = repeats if repeats is not None else int(rows["repeat"].max()) + 1 if len(rows) else 0
    return [
        _arm_result(name, groups.get(name, rows.iloc[:0]), count, read, judged) for name in arms or groups
    ]


def _arm_result(
    name: str, rows: pd.DataFrame, repeats: int, read: ReadScores | None, judged: bool
) -> ArmResult:
    fresh = rows["phase"].isin(FRESH)
    found = {}
    for repeat, own in rows[fresh].groupby("repeat"):
        best = chosen(candidates(own[list(_OF_WINNERS)].to_dict("records")).found)
        # A winner that was not judged yet, or failed on every seed of the judgement, says nothing.
        if best and (not judged or (best.judged_on and best.judged_on.rows)):
            found[int(repeat)] = winner_of(best, read)
    failed = rows[rows["state"] != COMPLETED]
    spent = rows["gradient_examples"].where(~fresh, 0)
    return ArmResult(
        name=name,
        winners=found,
        lost=tuple(r for r in range(repeats) if r not in found),
        networks=len(rows),
        failures=len(failed),
        gradient_examples=int(spent.sum()),
        meta_examples=int(spent[rows["kind"] == META_TRAIN].sum()),
        seconds=float(rows["train_seconds"].sum()),
        error=str(failed["error"].mode().iloc[0]) if len(failed) else "",
    )


def winner_of(candidate: Candidate, read: ReadScores | None = None) -> Winner:
    """Return what stands for a candidate in comparisons and figures."""
    measured = candidate.measured
    first = measured.rows[0]
    return Winner(
        arm=str(first["arm"]),
        repeat=int(first["repeat"]),
        candidate=candidate.number,
        genome=str(first["genome"]),
        artifact=str(first["artifact"]),
        validation=candidate.validation,
        seeds=measured.seeds,
        test=measured.test,
        scores=_scores([str(row["artifact"] or "") for row in measured.rows], read),
        n_parameters=int(first["n_parameters"]),
        step_seconds=measured.known_mean("step_seconds_solo"),
        participation_ratio=measured.known_mean("participation_ratio"),
    )


def _scores(artifacts: Sequence[str], read: ReadScores | None) -> np.ndarray | None:
    """Blocks of examples [seeds, blocks]; None unless every seed has them."""
    if read is None:
        return None
    found = [read(artifact) if artifact else None for artifact in artifacts]
    kept = [blocks(scores) for scores in found if scores is not None]
    return np.stack(kept) if len(kept) == len(artifacts) else None
