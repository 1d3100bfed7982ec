"""Curves that meta-training learned, as files to use again and as a picture (Choudhary et al. 2022, Fig. 3, centre).

    evoact study learned_curves RUN_DIR [-o curves] [--name NAME] [--figure FILE.svg]

writes each learned type of a run as a curve, NAME-START.TYPE, which any config or Python code uses by that name
(`tabulated`: {curves: [NAME-0.0]}); NAME is the run's by default. The picture shows how the types of each layer grew,
from violet at the first outer step to red at the last.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evoact.activations.capture import capture
from evoact.activations.curves import save_curve
from evoact.activations.kinds import unpack
from evoact.activations.kinds.tabulated import curve_of
from evoact.errors import UserError
from evoact.genomes.activation import is_captured
from evoact.genomes.genome import SiteGenome, loads
from evoact.leaderboard.location import Location
from evoact.records import COMPLETED, META_TRAIN, of_part
from evoact.strategies.proposers.learned_diversity import types_in
from evoact.studies.confirmed_networks import rows_of
from evoact.studies.figures import MOMENTS, Panel, moment, save
from evoact.svg import Scale, scale
from evoact.svg import path as path_of

REACH = 6.0  # of the picture, in pre-activations


def meta_rows(run_dir: str) -> list[dict[str, Any]]:
    """Return the completed meta-trainings of a run.

    Raises:
        UserError: if there is none.
    """
    found = [row for row in rows_of(run_dir) if row["kind"] == META_TRAIN and row["state"] == COMPLETED]
    if not found:
        raise UserError(f"expected a run of strategy bilevel with a completed meta-training, got {run_dir!r}")
    return found


def save_curves(run_dir: str, folder: str | Path, name: str = "") -> list[Path]:
    """Write every learned type of a run as a curve; return the files.

    Raises:
        UserError: if the run has none.
    """
    name = name or Location.of(run_dir).name
    paths = []
    for row in meta_rows(run_dir):
        types = types_in(row["learned_types"])
        for learned in (a for each in types.values() for a in each if is_captured(a)):
            origin = {"task": row["task"], "network": row["network"], "run": row["run"]}
            curve = curve_of(learned)
            path = (
                Path(folder) / f"{name}-{of_part(learned.curve, row['arm'] or '', row['repeat'])}.safetensors"
            )
            paths.append(save_curve(path, type(curve)(curve.grid, curve.values, origin)))
    return paths


def growth(
    site: SiteGenome, trajectory: np.ndarray, moments: Sequence[int]
) -> Iterator[tuple[str, np.ndarray, list[np.ndarray]]]:
    """Yield for each learned type its label, a grid, and its values there at these outer steps.

    Args:
        site: the types before meta-training, not merged
        trajectory: their parameters, type after type: [outer steps + 1, A]
    """
    for i, (activation, _, own) in enumerate(unpack(site, trajectory)):
        if own.size:
            curves = [capture(activation, own[m].ravel(), -REACH, REACH, 301) for m in moments]
            yield f"type {i + 1}, from {activation.label}", curves[0].grid, [c.values for c in curves]


def draw(row: Mapping[str, Any], tensors: Mapping[str, np.ndarray], path: str | Path) -> None:
    """Draw one meta-training: a panel for each type of each site."""
    panels = []
    sites = loads(row["genome"]).sites
    for site in sites:
        trajectory = tensors[f"{site.site}.trajectory"]
        moments = np.unique(np.linspace(0, len(trajectory) - 1, MOMENTS).astype(int)).tolist()
        for label, grid, curves in growth(site, trajectory, moments):
            y = scale(np.concatenate(curves).tolist(), 0, 1)

            def lines(across: Scale, up: Scale, grid: np.ndarray = grid, curves: Any = curves) -> list[str]:
                xs = [across(v) for v in grid]
                return [
                    path_of(xs, [up(v) for v in values], f"line {moment(i, len(curves))}")
                    for i, values in enumerate(curves)
                ]

            title = f"{site.site}, {label}" if len(sites) > 1 else label
            panels.append(Panel(title, (-REACH, REACH), (y.low, y.high), lines))
    described = (
        "Each curve is a type's output at one of so many moments, from violet at the first to red at the last"
    )
    save(panels, path, "How types grew in meta-training", described, x="pre-activation")
