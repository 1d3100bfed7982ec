"""What searches proposed, from their beginning to their end."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from evoact.analysis.proposed_types import OTHER, ProposedTypes
from evoact.report.figures.figure import WIDTH, Figure, shortened
from evoact.svg import COLOURS, Scale, figure, rectangle, text, x_axis, y_axis

LEFT = 30.0


def movement(arms: Sequence[ProposedTypes], colours: Mapping[str, str]) -> Figure:
    """Draw stacked shares of the neurons' activations from the beginning of each search to its end.

    Args:
        arms: with what they proposed
        colours: a class for each function, from `function_colours`
    """
    columns, width, height = (2, 218.0, 120.0) if len(arms) > 1 else (1, WIDTH, 180.0)
    gap = WIDTH - 2 * width if len(arms) > 1 else 0.0
    arms, kinds = _few_kinds(arms)
    css = {kind: colours.get(kind, "other") for kind in kinds}
    rows = math.ceil(len(arms) / columns)
    parts = [text(2, 11, "neurons (%)", "axis")]
    said = []
    for i, arm in enumerate(arms):
        x0, y0 = (i % columns) * (width + gap), 18 + (i // columns) * (height + 34)
        parts.append(text(x0 + LEFT, y0 + 13, shortened(arm.arm or "search", 28), "label"))
        parts += _stack(arm, css, x0, y0 + 20, width, height - 22)
        last = sorted(zip(arm.kinds, arm.shares[:, -1], strict=True), key=lambda pair: -pair[1])[:3]
        said.append(f"{arm.arm or 'search'} ends with " + ", ".join(f"{100 * s:.0f} % {k}" for k, s in last))
    bottom = 18 + rows * (height + 34)
    parts.append(text(WIDTH / 2, bottom + 4, "part of the search that was done (%)", "axis", "middle"))
    legend = tuple((css[kind], 1, kind) for kind in kinds)
    svg = figure(WIDTH, bottom + 10, parts, "Activations proposed", "; ".join(said), "types")
    return Figure(svg, "Shares of activations among the neurons that each search proposed.", legend)


def _stack(
    arm: ProposedTypes, css: Mapping[str, str], x0: float, y0: float, width: float, full: float
) -> list[str]:
    """The axes of one search and its shares above each other, the first kind at the top."""
    x = Scale(0.0, 100.0, x0 + LEFT, x0 + width - 8)
    y = Scale(0.0, 100.0, y0 + full, y0)
    parts = [*x_axis(x, y.start, y.end, ""), *y_axis(y, x.start, x.end, "")]
    spans = arm.shares.shape[1]
    each = (x.end - x.start) / spans
    for span in range(spans):
        top = y0
        for kind, share in zip(arm.kinds, arm.shares[:, span], strict=True):
            title = f"{kind}: {100 * share:.0f} %"
            parts.append(
                rectangle(x.start + span * each, top, each - 1, share * full, f"share {css[kind]}", title)
            )
            top += share * full
    return parts


def _few_kinds(arms: Sequence[ProposedTypes]) -> tuple[list[ProposedTypes], list[str]]:
    """The arms with no more kinds than there are colours: the least proposed ones join the others."""
    total: dict[str, float] = {}
    for arm in arms:
        for kind, share in zip(arm.kinds, arm.shares.mean(axis=1).tolist(), strict=True):
            total[kind] = total.get(kind, 0.0) + share
    kinds = sorted((kind for kind in total if kind != OTHER), key=lambda kind: -total[kind])
    if len(kinds) < COLOURS and OTHER not in total:
        return list(arms), kinds
    kinds = kinds[: COLOURS - 1]
    merged = []
    for arm in arms:
        own = [i for i, kind in enumerate(arm.kinds) if kind in kinds]
        rest = [i for i in range(len(arm.kinds)) if i not in own]
        shares = np.vstack([arm.shares[own], arm.shares[rest].sum(axis=0)])
        merged.append(ProposedTypes(arm.arm, (*(arm.kinds[i] for i in own), OTHER), shares))
    return merged, [*kinds, OTHER]
