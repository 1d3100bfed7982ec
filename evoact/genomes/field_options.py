"""What the fields of the kinds of activation take: their values, and how a search space lists those to choose from."""

import math
from dataclasses import dataclass
from typing import Annotated, Any

FUNCTION, CURVE = "function", "curve"  # what a field's text may name
HULLS = ("convex", "affine", "conic", "linear")
SHARING = ("layer", "neuron")
EVALUATIONS = ("spline", "exact")
INTERPOLATIONS = ("linear", "cubic")
EXTRAPOLATIONS = ("linear", "constant")
LEAST_POINTS = {"linear": 2, "cubic": 4}  # of a curve, by interpolation


def is_finite(value: Any) -> bool:
    """Return whether plain data is a number that a float can hold.

    >>> is_finite(3), is_finite(True), is_finite(float("inf")), is_finite(10**400)
    (True, False, False, False)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**1023
    return isinstance(value, float) and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Options:
    """The values of a field, and the way in which a search space lists those to choose from.

    Args:
        key: of the list in a search space; by default the field's name
        default: the list if the key is left out: by default the field's own default alone, or nothing if it has
            none; None for the space's `functions`
        words: all values that there are
        names: what the values are names of, FUNCTION or CURVE
        builds: whether they are the functions that the activation is built of
        sizes: of a field that has several functions: of how many, if the key `sizes` is left out
    """

    key: str = ""
    default: tuple[Any, ...] | None = ()
    words: tuple[str, ...] = ()
    names: str = ""
    builds: bool = False
    sizes: tuple[int, ...] = ()


Sharing = Annotated[str, Options(words=SHARING)]
Interpolation = Annotated[str, Options(words=INTERPOLATIONS)]
Extrapolation = Annotated[str, Options(words=EXTRAPOLATIONS)]
Pieces = Annotated[int, Options(default=(2,))]
