"""The winners of a comparison: of each arm and repeat the confirmed candidate that validates best.

A winner is chosen by its mean validation metric on fresh seeds; only its test metrics count. A candidate that
failed on one of these seeds stands aside, because means over different seeds do not compare.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from evoact.analysis.bootstrap import blocks
from evoact.records import COMPLETED, META_TRAIN

# What is read of a leaderboard's rows.
COLUMNS = (
    *("arm", "repeat", "candidate", "seed", "phase", "state", "metric", "direction", "genome", "artifact"),
    *("val_metric", "test_metric", "test_large_metric", "n_parameters", "step_seconds_solo"),
    *("kind", "participation_ratio", "train_seconds", "gradient_examples", "strategy", "proposal", "error"),
)
_OF_WINNERS = (
    *("arm", "repeat", "candidate", "seed", "state", "direction", "genome", "artifact", "n_parameters"),
    *("val_metric", "test_metric", "test_large_metric", "step_seconds_solo", "participation_ratio"),
)
# The test scores of each example of a confirmed network, from its artifact: [examples], or None.
ReadScores = Callable[[str], np.ndarray | None]


@dataclass(frozen=True)
class Winner:
    """`test` holds one metric for each of `seeds`, on the larger test split where there is one; `scores`
    [seeds, blocks] the mean score in blocks of test examples, None where the run did not keep them."""

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
    count all phases, `gradient_examples` what was spent before the confirmation, `meta_examples` what of it went
    into meta-training, `seconds` the training time of all."""

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
    rows: pd.DataFrame, arms: Sequence[str] = (), repeats: int | None = None, read: ReadScores | None = None
) -> list[ArmResult]:
    """Each arm's winners, arms in the given order, else as they come.

    Args:
        rows: of one run's leaderboard, with `COLUMNS`
        arms: names of all arms, those without a row, too
        repeats: how many there should be; by default as many as the rows have
        read: gives an artifact's scores by example; without it the seeds are the lowest level
    """
    groups = {str(name): group for name, group in rows.groupby("arm", sort=False)}
    count = repeats if repeats is not None else int(rows["repeat"].max()) + 1 if len(rows) else 0
    return [_arm_result(name, groups.get(name, rows.iloc[:0]), count, read) for name in arms or groups]


def _arm_result(name: str, rows: pd.DataFrame, repeats: int, read: ReadScores | None) -> ArmResult:
    confirmed = rows[rows["phase"] == "confirm"]
    columns = {column: confirmed[column].to_numpy() for column in _OF_WINNERS}
    found = {}
    for repeat, positions in confirmed.groupby("repeat").indices.items():
        winner = _winner({column: values[positions] for column, values in columns.items()}, read)
        if winner is not None:
            found[int(repeat)] = winner
    failed = rows[rows["state"] != COMPLETED]
    spent = rows["gradient_examples"].where(rows["phase"] != "confirm", 0)
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


def _winner(confirmed: Mapping[str, np.ndarray], read: ReadScores | None) -> Winner | None:
    """The best of one arm and repeat by mean validation; None where no candidate completed every seed."""
    seeds = len(np.unique(confirmed["seed"]))
    done = confirmed["state"] == COMPLETED
    sign = 1 if (confirmed["direction"] == "maximize").all() else -1
    whole: dict[int, np.ndarray] = {}  # the rows of each candidate, by seed
    for candidate in np.unique(confirmed["candidate"][done]):
        own = np.flatnonzero(done & (confirmed["candidate"] == candidate))
        if len(own) == seeds:
            whole[int(candidate)] = own[np.argsort(confirmed["seed"][own])]
    if not whole:
        return None
    validation = {candidate: float(confirmed["val_metric"][own].mean()) for candidate, own in whole.items()}
    best = max(whole, key=lambda candidate: sign * validation[candidate])
    own = whole[best]
    values = {name: column[own] for name, column in confirmed.items()}
    large = values["test_large_metric"].astype(float)
    return Winner(
        arm=str(values["arm"][0]),
        repeat=int(values["repeat"][0]),
        candidate=best,
        genome=str(values["genome"][0]),
        artifact=str(values["artifact"][0]),
        validation=validation[best],
        seeds=tuple(int(seed) for seed in values["seed"]),
        test=large if np.isfinite(large).all() else values["test_metric"].astype(float),
        scores=_scores(values["artifact"].tolist(), read),
        n_parameters=int(values["n_parameters"][0]),
        step_seconds=mean_known(values["step_seconds_solo"]),
        participation_ratio=mean_known(values["participation_ratio"]),
    )


def mean_known(values: np.ndarray) -> float | None:
    """The mean of those that are not missing, None where all are."""
    numbers = values.astype(float)
    numbers = numbers[np.isfinite(numbers)]
    return float(numbers.mean()) if len(numbers) else None


def _scores(artifacts: Sequence[str], read: ReadScores | None) -> np.ndarray | None:
    """Blocks of examples [seeds, blocks]; None unless every seed has them."""
    if read is None:
        return None
    found = [read(artifact) if artifact else None for artifact in artifacts]
    kept = [blocks(scores) for scores in found if scores is not None]
    return np.stack(kept) if len(kept) == len(artifacts) else None
