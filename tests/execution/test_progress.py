"""Progress against the same figures computed from the list of all results."""

import statistics

import numpy as np
import pytest

from evoact.execution.progress import Tally
from evoact.genomes.genome import Genome, SiteGenome
from evoact.genomes.kinds import Base
from evoact.records import PHASES, UNLIMITED, TrainProposal, TrainResult

GENOME = Genome((SiteGenome("h", (Base("sin"),), (0,)),), (("learning_rate", 0.1),))
EXPECTED = {"baseline": 10, "search": 60, "confirm": 30, "judge": 0}


def result(index, phase, state, value, direction):
    proposal = TrainProposal(
        index=index,
        candidate=index,
        genome=GENOME,
        structure="s",
        fingerprint=str(index),
        seed=0,
        steps=1,
        phase=phase,
        strategy="random",
        generation=0,
    )
    return TrainResult(proposal=proposal, state=state, metric="m", direction=direction, val_metric=value)


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("stored", [0, 35])
def test_as_if_counted_anew(direction, stored):
    rng = np.random.default_rng(stored)
    results = []
    for index in range(100):
        phase = PHASES[(index > 9) + (index > 69)]
        failed = rng.random() < 0.2
        value = None if failed else round(float(rng.normal()), 1)
        results.append(result(index, phase, "diverged" if failed else "completed", value, direction))
    tally = Tally(results[:stored])
    for start in range(stored, 100, 5):
        tally.add(results[start : start + 5])
        known = results[: start + 5]
        for phase in PHASES:
            rows = [r for r in known if r.proposal.phase == phase]
            values = [r.val_metric for r in rows if r.val_metric is not None]
            best = max if direction == "maximize" else min
            p = tally.progress(phase, EXPECTED.__getitem__)
            assert (p.phase, p.done, p.planned) == (phase, len(rows), EXPECTED[phase])
            assert p.total_done == len(known)
            assert p.failures == len(rows) - len(values)
            assert p.best == (best(values) if values else None)
            assert p.median == (pytest.approx(statistics.median(values)) if values else None)
            first_pack = start == stored
            assert (p.rate is None) == first_pack
            assert (p.seconds_left is None) == first_pack
            if not first_pack:
                assert p.seconds_left == pytest.approx((100 - len(known)) / p.rate, abs=1e-6)


def test_before_the_first_result():
    p = Tally().progress("search", EXPECTED.__getitem__)
    assert (p.done, p.total_done, p.failures) == (0, 0, 0)
    assert (p.best, p.median, p.rate, p.seconds_left) == (None, None, None, None)


def test_nothing_is_said_of_the_time_left_if_time_ends_the_search():
    expected = {**EXPECTED, "search": UNLIMITED}
    tally = Tally([result(0, "baseline", "completed", 0.5, "maximize")])
    tally.add([result(1, "search", "completed", 0.5, "maximize")])
    tally.add([result(2, "search", "completed", 0.5, "maximize")])
    seen = tally.progress("search", expected.__getitem__)
    assert seen.rate is not None
    assert seen.seconds_left is None
