"""The flatness of the minima of confirmed networks, and the number of dimensions that their activity fills.

    evoact study flatness RUN_DIR [--networks 3] [--examples 500] [--probes 32]

prints, for each activation that a run confirmed: means and standard errors over networks of the Hessian's trace
(Hutchinson), of the fraction of its eigenvalues below 1 % of the largest (stochastic Lanczos, which settles that
fraction within 0.03), and of the participation ratio R and its normalised form R / N (Choudhary et al. 2022, section
Analysis). The Hessian is that of the mean loss over the first examples of the training split.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from evoact.analysis.trained import CPU, Trained, participation
from evoact.config import Experiment
from evoact.studies.hessian import Hessian, spectral_density, trace
from evoact.tasks.task import fetch, to_device

LANCZOS = {"steps": 60, "probes": 2}


@dataclass(frozen=True)
class Flatness:
    """One value for each network; NaN if a participation ratio is not defined."""

    label: str
    trace: np.ndarray
    near_zero: np.ndarray
    participation: np.ndarray
    neurons: int


def flatness(made: Experiment, label: str, trained: Trained, examples: int, probes: int) -> Flatness:
    """Return the statistics of some networks of one genome."""
    inputs, targets = to_device(made.task.splits()["train"], CPU, torch.float64)
    n = min(examples, len(targets))
    prepared = made.task.prepare(fetch(inputs, torch.arange(n)[None], torch.float64), None)[0]
    traces, near_zero = [], []
    for learned in trained.learned:
        hessian = Hessian(trained.genome, learned, made.network, made.task, prepared, targets[:n])
        traces.append(trace(hessian, probes)[0])
        near_zero.append(spectral_density(hessian, **LANCZOS).near_zero())
    ratios = [math.nan if r is None else r for r in participation(trained, made.task)]
    hidden = [site.neurons for site in made.network.sites if site.symmetry != "none"]
    return Flatness(
        label, np.array(traces), np.array(near_zero), np.array(ratios), hidden[-1] if hidden else 1
    )


def markdown(found: Sequence[Flatness]) -> str:
    """Return a table, the flattest first."""
    lines = [
        "| activation | trace | near zero | R | R / N | networks |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for f in sorted(found, key=lambda f: float(f.trace.mean())):
        cells = [_shown(v) for v in (f.trace, f.near_zero, f.participation, f.participation / f.neurons)]
        lines.append(f"| {f.label} | {' | '.join(cells)} | {len(f.trace)} |")
    return "\n".join(lines)


def _shown(values: np.ndarray) -> str:
    error = f" ± {values.std(ddof=1) / math.sqrt(len(values)):.2g}" if len(values) > 1 else ""
    return f"{values.mean():.3g}{error}"
