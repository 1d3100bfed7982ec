"""What a neuron type computes, one variant per family: plain, immutable data, no torch.

The formulas are in the modules of `evoact.activations` that have the families' names. `per` says who
shares one set of trained parameters: all neurons of the type (`layer`), or none (`neuron`).
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

from evoact.errors import UserError, short
from evoact.genomes.expressions import ABSENT, canonical_name
from evoact.registry import lookup, unknown

HULLS = ("convex", "affine", "conic", "linear")
SHARING = ("layer", "neuron")
EVALUATIONS = ("spline", "exact")
INTERPOLATIONS = ("linear", "cubic")
EXTRAPOLATIONS = ("linear", "constant")
LEAST_POINTS = {"linear": 2, "cubic": 4}  # of a curve, by interpolation


def is_finite(value: Any) -> bool:
    """Whether plain data is a number that a float can hold.

    >>> is_finite(3), is_finite(True), is_finite(float("inf")), is_finite(10**400)
    (True, False, False, False)
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return abs(value) < 2**1023
    return isinstance(value, float) and math.isfinite(value)


@dataclass(frozen=True, slots=True)
class Base:
    """One base function by name or expression such as sin(3*x), without parameters."""

    name: str
    kind: ClassVar[str] = "base"

    @property
    def label(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Hull:
    """A combination sum_i c_i f_i of base functions, its coefficients trained with the weights.

    `hull` is `convex` (c_i >= 0, sum 1), `affine` (sum 1), `conic` (c_i >= 0) or `linear` (free), after
    Manessi & Rozza 2018, section III.
    """

    hull: str
    functions: tuple[str, ...]
    per: str = "layer"
    kind: ClassVar[str] = "hull"

    def __post_init__(self) -> None:
        _one_of(HULLS, self, "hull")
        _one_of(SHARING, self, "per")
        if not self.functions:
            raise UserError(f"expected a {self.hull} hull of at least one base function, got none")

    @property
    def label(self) -> str:
        return f"{self.hull}({','.join(self.functions)}){_per(self.per)}"


@dataclass(frozen=True, slots=True)
class Subnetwork:
    """A learned function f(x) + s N(x): a base function f plus a small network N of shape 1-h-1.

    The neurons of the type share it (Choudhary et al. 2022); s and N's form are in
    `evoact.activations.subnetwork`. N is evaluated on a grid and interpolated (`spline`), which costs next
    to nothing, or at every pre-activation (`exact`).
    """

    base: str
    hidden: int
    evaluation: str = "spline"
    kind: ClassVar[str] = "subnetwork"

    def __post_init__(self) -> None:
        _at_least(1, self, "hidden")
        _one_of(EVALUATIONS, self, "evaluation")

    @property
    def label(self) -> str:
        exact = ",exact" if self.evaluation == "exact" else ""
        return f"subnetwork({self.base},{self.hidden}{exact})"


@dataclass(frozen=True, slots=True)
class Scaled:
    """a f(b x) with a and b trained: the control that any claim about a learned shape needs."""

    base: str
    per: str = "layer"
    kind: ClassVar[str] = "scaled"

    def __post_init__(self) -> None:
        _one_of(SHARING, self, "per")

    @property
    def label(self) -> str:
        return f"scaled({self.base}){_per(self.per)}"


@dataclass(frozen=True, slots=True)
class PReLU:
    """A rectifier with a trained slope for negative inputs (He et al. 2015)."""

    per: str = "layer"
    kind: ClassVar[str] = "prelu"

    def __post_init__(self) -> None:
        _one_of(SHARING, self, "per")

    @property
    def label(self) -> str:
        return f"prelu{_per(self.per)}"


@dataclass(frozen=True, slots=True)
class PiecewiseLinear:
    """A rectifier plus trained hinges (adaptive piecewise linear units, Agostinelli et al. 2015)."""

    hinges: int
    per: str = "neuron"
    kind: ClassVar[str] = "piecewise_linear"

    def __post_init__(self) -> None:
        _at_least(1, self, "hinges")
        _one_of(SHARING, self, "per")

    @property
    def label(self) -> str:
        return f"piecewise_linear({self.hinges}){_per(self.per)}"


@dataclass(frozen=True, slots=True)
class Rational:
    """A quotient of trained polynomials without poles (safe Pade units, Molina et al. 2020).

    `numerator` and `denominator` are the degrees; `initial` is the base function it starts from.
    """

    numerator: int = 5
    denominator: int = 4
    per: str = "layer"
    initial: str = "leaky_relu"
    kind: ClassVar[str] = "rational"

    def __post_init__(self) -> None:
        _at_least(1, self, "numerator")
        _at_least(1, self, "denominator")
        _one_of(SHARING, self, "per")

    @property
    def label(self) -> str:
        return f"rational({self.numerator}/{self.denominator},{self.initial}){_per(self.per)}"


@dataclass(frozen=True, slots=True)
class Tabulated:
    """A captured curve, looked up by name and interpolated; nothing in it is trained.

    `curve` is `name@digest` once resolved (`evoact.activations.curves.resolve`), so that a genome says
    exactly what was trained. `extrapolation` is what holds outside the grid: `linear` continues with
    the slope at the end, `constant` with the value.
    """

    curve: str
    interpolation: str = "linear"
    extrapolation: str = "linear"
    kind: ClassVar[str] = "tabulated"

    def __post_init__(self) -> None:
        _one_of(INTERPOLATIONS, self, "interpolation")
        _one_of(EXTRAPOLATIONS, self, "extrapolation")

    @property
    def label(self) -> str:
        rules = [self.interpolation] if self.interpolation != "linear" else []
        rules += [self.extrapolation] if self.extrapolation != "linear" else []
        return f"tabulated({','.join([self.curve, *rules])})"


@dataclass(frozen=True, slots=True)
class Captured:
    """A curve that meta-training found, its values on an even grid with it; nothing in it is trained.

    Unlike `Tabulated` it needs no file: a row of the leaderboard says all of it. `curve` is a name for
    people; `interpolation` and `extrapolation` are as there.
    """

    curve: str
    low: float
    high: float
    values: tuple[float, ...]
    interpolation: str = "linear"
    extrapolation: str = "linear"
    kind: ClassVar[str] = "captured"

    def __post_init__(self) -> None:
        _one_of(INTERPOLATIONS, self, "interpolation")
        _one_of(EXTRAPOLATIONS, self, "extrapolation")
        numbers = (self.low, self.high, *self.values)
        usable = all(map(is_finite, numbers))
        if not usable or len(self.values) < LEAST_POINTS[self.interpolation] or not self.low < self.high:
            raise UserError(
                f"expected captured.values as at least {LEAST_POINTS[self.interpolation]} finite numbers for "
                f"{self.interpolation} interpolation between low < high, got {len(self.values)} of them between "
                f"{self.low} and {self.high}"
            )

    @property
    def label(self) -> str:
        return f"captured({self.curve})"


@dataclass(frozen=True, slots=True)
class Maxout:
    """The largest of several pre-activations (Goodfellow et al. 2013)."""

    pieces: int
    kind: ClassVar[str] = "maxout"

    def __post_init__(self) -> None:
        _at_least(1, self, "pieces")

    @property
    def label(self) -> str:
        return f"maxout({self.pieces})"


@dataclass(frozen=True, slots=True)
class ProbabilisticMaxout:
    """One of several pre-activations, drawn by their softmax in training (Springenberg & Riedmiller 2013).

    `sharpness` is the paper's lambda, which multiplies the pre-activations in the softmax.
    """

    pieces: int
    sharpness: float = 1.0
    kind: ClassVar[str] = "probabilistic_maxout"

    def __post_init__(self) -> None:
        _at_least(1, self, "pieces")
        _positive(self, "sharpness")

    @property
    def label(self) -> str:
        sharpness = "" if self.sharpness == 1 else f",{self.sharpness:g}"
        return f"probabilistic_maxout({self.pieces}{sharpness})"


@dataclass(frozen=True, slots=True)
class LpPool:
    """A norm of several pre-activations, of a trained order (Gulcehre et al. 2014)."""

    pieces: int
    per: str = "layer"
    kind: ClassVar[str] = "lp_pool"

    def __post_init__(self) -> None:
        _at_least(1, self, "pieces")
        _one_of(SHARING, self, "per")

    @property
    def label(self) -> str:
        return f"lp_pool({self.pieces}){_per(self.per)}"


@dataclass(frozen=True, slots=True)
class NetworkInNetwork:
    """A small network on several pre-activations, shared by the neurons (after Lin et al. 2014)."""

    pieces: int
    base: str = "relu"
    kind: ClassVar[str] = "network_in_network"

    def __post_init__(self) -> None:
        _at_least(1, self, "pieces")

    @property
    def label(self) -> str:
        return f"network_in_network({self.pieces},{self.base})"


Activation = (
    Base
    | Hull
    | Subnetwork
    | Scaled
    | PReLU
    | PiecewiseLinear
    | Rational
    | Tabulated
    | Captured
    | Maxout
    | ProbabilisticMaxout
    | LpPool
    | NetworkInNetwork
)
KINDS: Mapping[str, type[Activation]] = {
    "base": Base,
    "hull": Hull,
    "subnetwork": Subnetwork,
    "scaled": Scaled,
    "prelu": PReLU,
    "piecewise_linear": PiecewiseLinear,
    "rational": Rational,
    "tabulated": Tabulated,
    "captured": Captured,
    "maxout": Maxout,
    "probabilistic_maxout": ProbabilisticMaxout,
    "lp_pool": LpPool,
    "network_in_network": NetworkInNetwork,
}
FIELDS = {kind: tuple(field.name for field in dataclasses.fields(cls)) for kind, cls in KINDS.items()}
LARGEST = 10_000  # of the numbers of a unit, such as its pieces
NAMING = ("name", "base", "initial")  # the fields that name a base function

_ABSENT = Base(ABSENT)


def pieces(activation: Activation) -> int:
    """How many pre-activations a neuron of this type takes.

    >>> pieces(Maxout(3)), pieces(Base("relu"))
    (3, 1)
    """
    return activation.pieces if "pieces" in FIELDS[activation.kind] else 1  # type: ignore[union-attr]


def is_absent(activation: Activation) -> bool:
    """Whether a neuron of this type is one that is not there (Liu & Yao 1996: nodes are removed)."""
    return activation == _ABSENT


@lru_cache(maxsize=4096)
def canonical_activation(activation: Activation) -> Activation:
    """The one spelling of all activations that compute and train the same.

    >>> canonical_activation(Hull("convex", ("1*sin(x)",))), canonical_activation(Base("2.0*sin(x)")).label
    (Base(name='sin'), '2*sin(x)')
    """
    if isinstance(activation, Hull):
        functions = tuple(sorted(set(map(canonical_name, activation.functions))))
        if len(functions) == 1 and activation.hull in ("convex", "affine"):
            return Base(functions[0])  # its only coefficient is 1
        return dataclasses.replace(activation, functions=functions)
    fields = {name: getattr(activation, name) for name in FIELDS[activation.kind]}
    spelled = {name: canonical_name(fields[name]) for name in NAMING if name in fields}
    return KINDS[activation.kind](**fields | spelled)


def to_json(activation: Activation) -> dict[str, Any]:
    """Plain data, its `kind` first."""
    fields = {name: getattr(activation, name) for name in FIELDS[activation.kind]}
    return {"kind": activation.kind} | {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}


def from_json(data: Mapping[str, Any]) -> Activation:
    """The inverse of `to_json`; keys that no activation of the kind has are left alone.

    Raises:
        UserError: for an unknown kind, a missing field or a value that the kind does not take.
    """
    if not isinstance(data, Mapping):
        raise UserError(f"expected an activation, keys and values with its kind, got {short(data)}")
    cls = lookup(KINDS, "activation kind", data.get("kind", "(none)"))
    for problem in wrong_fields(cls, data):
        raise UserError(problem)
    arguments: dict[str, Any] = {
        k: tuple(v) if isinstance(v, list) else v for k, v in data.items() if k in FIELDS[cls.kind]
    }
    return cls(**arguments)


# What plain data of each type is called, and how it is told.
_PLAIN: Mapping[Any, tuple[str, Callable[[Any], bool]]] = {
    str: ("a text", lambda v: isinstance(v, str)),
    int: ("an integer", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    float: ("a finite number", is_finite),
    tuple[str, ...]: ("a list of texts", lambda v: _all(v, lambda each: isinstance(each, str))),
    tuple[float, ...]: ("a list of finite numbers", lambda v: _all(v, is_finite)),
}


def wrong_fields(cls: type[Activation], data: Mapping[str, Any]) -> list[str]:
    """What is wrong with an activation as plain data: fields of another type, or else fields that are missing."""
    fields = dataclasses.fields(cls)
    wrong = [
        f"expected {_PLAIN[field.type][0]} as {cls.kind}.{field.name}, got {short(data[field.name])}"
        for field in fields
        if field.name in data and not _PLAIN[field.type][1](data[field.name])
    ]
    return wrong or [
        f"expected {_PLAIN[field.type][0]} as {cls.kind}.{field.name}, got {short(dict(data))} without it"
        for field in fields
        if field.name not in data and field.default is dataclasses.MISSING
    ]


def _all(value: Any, right: Callable[[Any], bool]) -> bool:
    return isinstance(value, (list, tuple)) and all(map(right, value))


@lru_cache(maxsize=4096)
def type_key(activation: Activation) -> str:
    """What types are ordered by, absent neurons last."""
    return ("~" if is_absent(activation) else "") + json.dumps(to_json(activation), sort_keys=True)


# --- checks ---------------------------------------------------------------------------------------


def _per(per: str) -> str:
    return "" if per == "layer" else f"/{per}"


def _at_least(least: int, activation: Activation, field: str) -> None:
    value = getattr(activation, field)
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise UserError(f"expected {activation.kind}.{field} to be at least {least}, got {short(value)}")
    if value > LARGEST:
        raise UserError(f"expected {activation.kind}.{field} to be at most {LARGEST}, got {short(value)}")


def _positive(activation: Activation, field: str) -> None:
    value = getattr(activation, field)
    if not is_finite(value) or value <= 0:
        raise UserError(f"expected {activation.kind}.{field} to be a number above 0, got {short(value)}")


def _one_of(known: tuple[str, ...], activation: Activation, field: str) -> None:
    value = getattr(activation, field)
    if not isinstance(value, str) or value not in known:
        raise UserError(unknown(f"{activation.kind}.{field}", value, known))
