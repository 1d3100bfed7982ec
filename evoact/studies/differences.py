"""Differences between activations over the seeds of a confirmation, with bootstrap intervals.

    evoact study differences RUN_DIR [--format markdown|json] [--level 0.95]

prints, for each activation that a run confirmed: its mean on the test split, and its gain over the best of
the base functions it is built of, over ReLU, and over each scaled control, with intervals.

Two arms that were trained on the same replicates saw the same order of batches, so their difference is taken
replicate by replicate. Intervals are bias-corrected and accelerated bootstrap intervals (BCa, Efron 1987) of
its mean. Over eight seeds they are somewhat too narrow, and each interval stands for itself: of many, one
in twenty misses by chance. Which base function is best is decided on the validation split, never the test, but on
the seeds that the differences are taken over, so that the best of several looks a little too good, and gains over it
a little too small; the two that the run judged on other seeds are in its verdict.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evoact.analysis.bootstrap import bca_interval
from evoact.analysis.candidates import Measured, candidates, sign_of
from evoact.analysis.verdicts import FEWEST
from evoact.errors import UserError
from evoact.genomes.activation import functions_of, is_absent, is_captured
from evoact.genomes.genome import loads
from evoact.genomes.kinds import Activation, Base, Scaled
from evoact.tasks.metrics import in_percent

RESAMPLES = 9999


@dataclass(frozen=True)
class Arm:
    """One structure on the fresh seeds of a confirmation, at one learning rate.

    `label` is the activation's if all neurons have the same, else the genome's.
    `validation` and `test` hold one metric for each of `seeds`, in their order; `failed` counts the seeds
    on which training did not come to an end.
    """

    label: str
    activations: tuple[Activation, ...]
    learning_rate: float
    seeds: tuple[int, ...]
    validation: tuple[float, ...]
    test: tuple[float, ...]
    failed: int

    @property
    def plain(self) -> bool:
        """Whether it is an ordinary network of one base function."""
        return self._throughout(Base)

    @property
    def control(self) -> bool:
        """Whether it is a base function with trained input and output scale."""
        return self._throughout(Scaled)

    def _throughout(self, kind: type[Activation]) -> bool:
        """Whether every neuron is there and has one activation of this kind."""
        only = self.activations[0]
        return isinstance(only, kind) and self.label == only.label


@dataclass(frozen=True)
class Difference:
    """The mean gain of `arm` over `other` on the test split over their common seeds, above 0 if `arm` is
    better, and its interval from `low` to `high`."""

    arm: str
    other: str
    reason: str
    gain: float
    low: float
    high: float
    seeds: int


def arms(rows: Iterable[Mapping[str, Any]]) -> list[Arm]:
    """Return the confirmed structures of one run, the best mean validation metric first.

    Args:
        rows: of the leaderboard; those of other phases are left aside. Of a structure that was confirmed
            at several learning rates the best on validation stands for it.

    Raises:
        UserError: if nothing was confirmed.
    """
    ranked = candidates(rows, whole=False)
    if not ranked.found and not ranked.excluded:
        raise UserError("expected a run with a confirmation, got none; set confirm.candidates and finish it")
    best: dict[str, Arm] = {}
    for candidate in ranked.found:
        best.setdefault(candidate.chosen_on.rows[0]["structure"], _arm(candidate.chosen_on))
    return list(best.values())


def _arm(measured: Measured) -> Arm:
    first = measured.rows[0]
    genome = loads(first["genome"])
    types = tuple(dict.fromkeys(t for site in genome.sites for t in site.types))
    return Arm(
        label=types[0].label if len(types) == 1 else genome.label,
        activations=tuple(t for t in types if not is_absent(t)),
        learning_rate=first["learning_rate"],
        seeds=measured.seeds,
        validation=tuple(measured.validation.tolist()),
        test=tuple(measured.test.tolist()),
        failed=measured.failed,
    )


def _validation(arm: Arm) -> float:
    return float(np.mean(arm.validation))


def difference(
    arm: Arm, other: Arm, reason: str = "", *, direction: str = "maximize", level: float = 0.95
) -> Difference:
    """Return the gain of one arm over another, replicate by replicate.

    Args:
        direction: `maximize` or `minimize`, of the metric; a gain is above 0 either way
        level: how often such intervals cover the truth, were there many seeds

    Raises:
        UserError: if they have fewer than three seeds in common.

    >>> a = Arm("a", (), 0.1, (0, 1, 2, 3), (0.5,) * 4, (0.50, 0.52, 0.49, 0.53), 0)
    >>> b = Arm("b", (), 0.1, (0, 1, 2, 3), (0.4,) * 4, (0.40, 0.43, 0.40, 0.42), 0)
    >>> d = difference(a, b)
    >>> f"{d.gain:.4f} from {d.low:.3f} to {d.high:.3f} over {d.seeds} seeds"
    '0.0975 from 0.090 to 0.108 over 4 seeds'
    """
    theirs = dict(zip(other.seeds, other.test, strict=True))
    mine = dict(zip(arm.seeds, arm.test, strict=True))
    common = [seed for seed in arm.seeds if seed in theirs]
    if len(common) < FEWEST:
        raise UserError(
            f"expected at least {FEWEST} seeds that {arm.label} and {other.label} have in common, "
            f"got {len(common)}; raise confirm.seeds"
        )
    sign = sign_of(direction)
    gains = sign * np.array([mine[seed] - theirs[seed] for seed in common])
    low, high = bca_interval(gains, level, resamples=RESAMPLES)
    return Difference(arm.label, other.label, reason, float(gains.mean()), low, high, len(common))


def differences(
    compared: Sequence[Arm], *, direction: str = "maximize", level: float = 0.95
) -> list[Difference]:
    """Return each arm that is no base function against the best of its base functions, relu, and each control; a mix of
    others against the best of them alone. Learned curves are of no base function: all of them count.

    Arms are compared with those that are there: a base function without an arm of its own is left out.
    """
    sign = sign_of(direction)
    plain = {arm.activations[0].label: arm for arm in compared if arm.plain}
    controls = [arm for arm in compared if arm.control]
    found = []
    for arm in compared:
        if arm.plain:
            continue
        own = [plain[name] for a in arm.activations for name in functions_of(a) if name in plain]
        if any(map(is_captured, arm.activations)):
            own = list(plain.values())
        types = [(a,) for a in arm.activations if len(arm.activations) > 1]
        alone = [o for o in compared if not o.plain and tuple(o.activations) in types]
        others = [(max(own, key=lambda o: sign * _validation(o)), "best base function")] if own else []
        others += [(max(alone, key=lambda o: sign * _validation(o)), "best of its types")] if alone else []
        others += [(plain["relu"], "relu")] if "relu" in plain else []
        others += [(control, "scaled control") for control in controls if control is not arm]
        found += [difference(arm, o, why, direction=direction, level=level) for o, why in others]
    return found


# --- printing -------------------------------------------------------------------------------------


def markdown(compared: Sequence[Arm], found: Sequence[Difference], metric: str) -> str:
    """Return two tables: the arms, and their differences; accuracies in per cent."""
    scale, unit, sign = (100, "%", "+.2f") if in_percent(metric) else (1, metric, "+.3g")
    digits = ".2f" if in_percent(metric) else ".4g"
    lines = [
        f"| activation | learning rate | validation ({unit}) | test ({unit}) | seed sd | seeds | failed |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for arm in compared:
        spread = float(np.std(arm.test, ddof=1)) if len(arm.test) > 1 else math.nan
        lines.append(
            f"| {arm.label} | {arm.learning_rate:g} | {scale * _validation(arm):{digits}} "
            f"| {scale * float(np.mean(arm.test)):{digits}} | {scale * spread:{digits}} "
            f"| {len(arm.seeds)} | {arm.failed} |"
        )
    lines += ["", f"| activation | minus | which is its | gain ({unit}) | interval |"]
    lines += ["| --- | --- | --- | ---: | --- |"]
    for d in found:
        lines.append(
            f"| {d.arm} | {d.other} | {d.reason} | {scale * d.gain:{sign}} "
            f"| {scale * d.low:{sign}} to {scale * d.high:{sign}} |"
        )
    return "\n".join(lines)
