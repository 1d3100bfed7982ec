"""The captured curves that a resolved config brings along, so that a worker or another machine needs no files."""

from collections.abc import Iterator, Mapping

import numpy as np

from evoact.activations.curves import Curve, load_curve, remember
from evoact.config.schema import CurveData, Space, Types
from evoact.config.spaces import curve_lists, sections
from evoact.errors import UserError
from evoact.genomes.field_options import CURVE
from evoact.genomes.kinds import OPTIONS


def remember_curves(curves: Mapping[str, CurveData]) -> list[str]:
    """Make a config's curves known in this process; return what is wrong with them."""
    problems = []
    for name, data in curves.items():
        try:
            remember(name, Curve(np.array(data.grid), np.array(data.values)))
        except UserError as error:
            problems.append(f"curves.{name}: {error}")
    return problems


def curves_of(space: Space) -> dict[str, CurveData]:
    """Return the content of every curve that a space names; its names must be pinned."""
    layers = [space.types, *(layer.types for layer in space.sites.values())]
    names = sorted({name for types in layers if types is not None for name in _names(types)})
    found = {name: load_curve(name) for name in names}
    return {
        name: CurveData(grid=curve.grid.tolist(), values=curve.values.tolist())
        for name, curve in found.items()
    }


def _names(types: Types) -> Iterator[str]:
    for kind, section in sections(types):
        for _, _, curves in curve_lists(kind, section):
            yield from curves
    for entry in types.given or ():
        yield from (entry[f] for f, options in OPTIONS[entry["kind"]].items() if options.names == CURVE)
