"""All gains of a run as one figure: arms over the reference, or confirmed candidates over the best baseline."""

import math

from evoact.analysis.candidates import SPLITS, sign_of
from evoact.analysis.comparison import Gain
from evoact.analysis.search_summary import Confirmed
from evoact.analysis.verdicts import FEWEST
from evoact.errors import UserError
from evoact.report.figures.figure import Figure
from evoact.report.figures.forest import Effect, forest
from evoact.report.number_format import Unit
from evoact.report.run import RunData
from evoact.report.search_text import in_words, welch_interval
from evoact.report.sections.series import named


def gains_figure(run: RunData, unit: Unit) -> Figure | None:
    """Return the figure; None if there is nothing to compare with."""
    return _of_arms(run, unit) if run.plan.compares else _of_candidates(run, unit)


def _of_arms(run: RunData, unit: Unit) -> Figure | None:
    try:
        found = run.findings
    except UserError:
        return None
    effects = [_effect(gain, gain.arm, "") for gain in found.against]
    effects += [_effect(gain, f"{gain.arm} over {gain.other}", gain.reason) for gain in found.between]
    if not effects:
        return None
    shaded = "; shaded: no practical difference" if found.equivalence else ""
    note = f"Mean winners, right of the line is better; bars are 95 % intervals{shaded}."
    return forest(effects, unit, found.reference, found.equivalence, note)


def _effect(gain: Gain, name: str, heading: str) -> Effect:
    d = gain.difference
    return Effect(name, d.value, d.low, d.high, str(gain.verdict), heading)


def _of_candidates(run: RunData, unit: Unit) -> Figure | None:
    summary = run.summary
    baseline = summary.best_baseline
    if baseline is None or len(summary.confirmed) < 2:
        return None
    sign = sign_of(summary.direction)
    effects = [_difference(c, baseline, sign, summary.judge) for c in summary.confirmed if c is not baseline]
    hollow = (
        "; hollow ones are measured on the few seeds that chose, which flatters the best"
        if any(e.hollow for e in effects)
        else ""
    )
    note = (
        f"On the {SPLITS[summary.split]}, over the best homogeneous baseline, right of the line is better; bars are "
        f"95 % intervals (Welch) over seeds, if there are at least {FEWEST}{hollow}."
    )
    return forest(effects, unit, named(baseline), note=note)


def _difference(c: Confirmed, baseline: Confirmed, sign: int, judge: int) -> Effect:
    judged = c.judged_on is not None and baseline.judged_on is not None
    own, other = (c.figures, baseline.figures) if judged else (c.chosen_on, baseline.chosen_on)
    value = sign * (own.test - other.test)
    low, high = -math.inf, math.inf
    said = "too few seeds"
    if min(own.seeds, other.seeds) >= FEWEST:
        low, high = sorted(sign * end for end in welch_interval(own.test_by_seed, other.test_by_seed))
        said = in_words(low, high)
    return Effect(named(c), value, low, high, said, hollow=bool(judge) and not judged)
