"""Best, median and failures of searches over their budget."""

import numpy as np
import pandas as pd

from evoact.analysis.progress import progress
from evoact.report.figures.progress import progress_figure
from evoact.report.number_format import unit_of


def rows(arm, failing=0, networks=60):
    rng = np.random.default_rng(0)
    state = np.where(np.arange(networks) < failing, "diverged", "completed")
    metric = np.where(state == "completed", rng.uniform(0.4, 0.6, networks), np.nan)
    return pd.DataFrame(
        {"arm": arm, "repeat": 0, "phase": "search", "proposal": range(networks), "state": state}
        | {"val_metric": metric, "gradient_examples": 100}
    )


def test_failures_are_bars_with_their_numbers():
    found = progress(rows("", failing=6), maximize=True)
    assert (found[0].failed.sum(), found[0].tried.sum()) == (6, 60)
    figure = progress_figure(found, unit_of("accuracy"), "")
    assert "4 of 4 failed" in figure.svg
    assert "6 of 60 networks failed" in figure.svg
    assert "bars are the share that failed" in figure.note
    clean = progress_figure(progress(rows(""), maximize=True), unit_of("accuracy"), "")
    assert "share failed" not in clean.svg
    assert "none failed" in clean.note


def test_the_reference_is_grey_behind_every_other_arm():
    found = progress(pd.concat([rows("plain"), rows("mixed", failing=2)]), maximize=True)
    svg = progress_figure(found, unit_of("accuracy"), "plain").svg
    assert svg.count('class="line reference"><title>plain<') == 1  # behind mixed
    assert 'class="line reference"><title>plain best<' in svg
    assert 'class="line accent"><title>mixed best<' in svg


def test_a_run_without_known_cost_is_drawn():
    free = rows("").assign(gradient_examples=0)
    assert "<svg" in progress_figure(progress(free, maximize=True), unit_of("accuracy"), "").svg
