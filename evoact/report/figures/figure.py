"""What figures share: their form, their width, and the colours of functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.svg import COLOURS, colour

WIDTH = 460.0
ACCENT = "accent"
REFERENCE = "reference"  # grey: what others are compared with


@dataclass(frozen=True)
class Figure:
    """`note` stands below the figure; `legend` names series by (class, shape, name)."""

    svg: str
    note: str = ""
    legend: tuple[tuple[str, int, str], ...] = ()


def function_colours(names: Iterable[str]) -> Mapping[str, str]:
    """Return a style sheet's class for each function or kind of activation.

    The first few have a colour of their own, given out in the order of the table of functions, so that it does not
    depend on who found what; for the others the colours come again, dashed or paler.

    Args:
        names: those seen most first

    >>> function_colours(["prelu", "sin", "relu"])
    {'relu': 'c0', 'sin': 'c1', 'prelu': 'c2'}
    """
    place = {name: i for i, name in enumerate(BASE_FUNCTIONS)}
    known = list(dict.fromkeys(names))
    found: dict[str, str] = {}
    for cycle in range(0, len(known), COLOURS):
        own = sorted(known[cycle : cycle + COLOURS], key=lambda name: (place.get(name, len(place)), name))
        found |= {name: colour(i) + (" again" if cycle else "") for i, name in enumerate(own)}
    return found


def ink(emphasised: bool) -> str:
    """Return the class of an arm or candidate: grey if it is the reference."""
    return REFERENCE if emphasised else ACCENT


def shortened(label: str, most: int) -> str:
    """
    >>> shortened("44 convex(abs,elu) + 20 sin", 12), shortened("sin", 12)
    ('44 convex(a…', 'sin')
    """
    return label if len(label) <= most else label[: most - 1] + "…"
