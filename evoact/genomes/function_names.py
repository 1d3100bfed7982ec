"""The names of base functions: a plain one, a scaled `a*f(b*x)`, or `normalised(...)` around either.

    sin    sin(3*x)    2*tanh(0.5*x)    -0.5*relu(-x)    normalised(gaussian)    my_functions:bump(3*x)

Whether the function at the core exists is known further up (`evoact.activations.functions.base_functions`).
"""

import math
import re
from dataclasses import dataclass
from functools import lru_cache

from evoact.errors import UserError, short

LONGEST_NAME = 200
ABSENT = "absent"  # the name of what a neuron has that is not there

_WORD = r"(?:[A-Za-z_][\w.]*:)?[A-Za-z_]\w*"  # one of a plugin has a colon
_NAME = re.compile(_WORD)
_CALL = re.compile(rf"({_WORD})\((.*)\)")
_LEAST, _MOST = 1e-4, 1e4  # of a scale: beyond, single precision has no room for what a network adds to it


@dataclass(frozen=True, slots=True)
class Expression:
    """output_scale * core(input_scale * x), rescaled to mean 0 and second moment 1 if `normalised`."""

    core: str
    input_scale: float = 1.0
    output_scale: float = 1.0
    normalised: bool = False

    def __str__(self) -> str:
        """The canonical spelling."""
        text = self.core
        if self.input_scale != 1 or self.output_scale != 1:
            text += f"({_factor(self.input_scale)}x)"
        if self.output_scale != 1:
            text = _factor(self.output_scale) + text
        return f"normalised({text})" if self.normalised else text


def _factor(scale: float) -> str:
    return "" if scale == 1 else f"{scale!r}".removesuffix(".0") + "*"


@lru_cache(maxsize=4096)
def parse(text: str) -> Expression:
    """Return what a name says.

    Raises:
        UserError: if it is neither a name nor an expression, or a scale is 0, not finite or extreme.

    >>> parse("2.0*tanh(.5*x)")
    Expression(core='tanh', input_scale=0.5, output_scale=2.0, normalised=False)
    >>> str(parse("1*sin(1*x)")), str(parse("normalised(3*sin(2*x))"))
    ('sin', 'normalised(sin(2*x))')
    """
    if len(text) > LONGEST_NAME:
        raise UserError(
            f"expected a base function's name of at most {LONGEST_NAME} characters, got {short(text)}"
        )
    compact = "".join(text.split())
    call = _CALL.fullmatch(compact)
    if call and call[1] == "normalised":
        inside = _scaled(call[2], text)
        # A positive factor is what normalising takes out; a negative one turns the function over.
        return Expression(inside.core, inside.input_scale, math.copysign(1.0, inside.output_scale), True)
    return _scaled(compact, text)


def canonical_name(text: str) -> str:
    """Return one spelling for all names of one function; what is no expression stays as it is.

    >>> canonical_name("1.0 * sin(3.0*x)"), canonical_name("sin(3**x)")
    ('sin(3*x)', 'sin(3**x)')
    """
    try:
        return str(parse(text))
    except UserError:
        return text


def _scaled(compact: str, text: str) -> Expression:
    """`[a*]name[([b*]x)]`, either factor a sign alone or a number."""
    factor, core = _split_factor(compact)
    call = _CALL.fullmatch(core)
    name, inner = (call[1], call[2]) if call else (core, "x")
    inner_factor, variable = _split_factor(inner)
    if not _NAME.fullmatch(name) or name == "normalised" or variable != "x":
        raise UserError(
            f"expected a base function as name, [a*]name([b*]x) or normalised(...), got {text!r}; "
            "for example sin(3*x) or 2*tanh(0.5*x)"
        )
    return Expression(name, _scale(inner_factor, text), _scale(factor, text))


def _split_factor(compact: str) -> tuple[str, str]:
    """The factor in front, and what it multiplies; a star within parentheses is not in front."""
    star, parenthesis = compact.find("*"), compact.find("(")
    if star >= 0 and (parenthesis < 0 or star < parenthesis):
        return compact[:star], compact[star + 1 :]
    if compact.startswith("-"):
        return "-1", compact[1:]
    return "1", compact


def _scale(factor: str, text: str) -> float:
    try:
        value = float(factor)
    except ValueError:
        value = math.nan
    if not _LEAST <= abs(value) <= _MOST:
        raise UserError(
            f"expected factors other than 0, from {_LEAST:g} to {_MOST:g} in magnitude, got {factor!r} in {text!r}"
        )
    return value
