"""Kinds of activation, one dataclass each: plain, immutable data, no torch.

The formulas are in the modules of `evoact.activations.kinds` that have the kinds' names. `per` says which neurons
share one set of trained parameters: all neurons of the type (`layer`), or none (`neuron`). `Options` in a field's
annotation say what its values are, and how search spaces list them.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, get_args, get_origin

from evoact.errors import UserError, short
from evoact.genomes.field_options import (
    CURVE,
    EVALUATIONS,
    FUNCTION,
    HULLS,
    LEAST_POINTS,
    Extrapolation,
    Interpolation,
    Options,
    Pieces,
    Sharing,
    is_finite,
)
from evoact.registry import unknown


def _functions(key: str, default: tuple[str, ...] | None = (), **more: Any) -> Options:
    return Options(key, default, names=FUNCTION, builds=True, **more)


@dataclass(frozen=True, slots=True)
class Base:
    """One base function by name or expression such as sin(3*x), without parameters."""

    name: Annotated[str, _functions("functions", None)]
    kind: ClassVar[str] = "base"
    trains: ClassVar[bool] = False

    @property
    def label(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Hull:
    """A combination sum_i c_i f_i of base functions, its coefficients trained with the weights.

    `hull` is `convex` (c_i >= 0, sum 1), `affine` (sum 1), `conic` (c_i >= 0) or `linear` (free), after
    Manessi & Rozza 2018, section III.
    """

    hull: Annotated[str, Options("kinds", ("convex",), words=HULLS)]
    functions: Annotated[tuple[str, ...], _functions("functions", None, sizes=(2,))]
    per: Sharing = "layer"
    kind: ClassVar[str] = "hull"

    def __post_init__(self) -> None:
        _check(self)
        if not self.functions:
            raise UserError(f"expected a {self.hull} hull of at least one base function, got none")

    @property
    def label(self) -> str:
        return f"{self.hull}({','.join(self.functions)}){_per(self.per)}"


@dataclass(frozen=True, slots=True)
class Subnetwork:
    """A learned function f(x) + s N(x): a base function f plus a small network N of shape 1-h-1.

    The neurons of the type share it (Choudhary et al. 2022); s and N's form are in
    `evoact.activations.kinds.subnetwork`. N is evaluated on a grid and interpolated (`spline`), which costs next
    to nothing, or at every pre-activation (`exact`).
    """

    base: Annotated[str, _functions("bases")]
    hidden: Annotated[int, Options(default=(8,))]
    evaluation: Annotated[str, Options(words=EVALUATIONS)] = "spline"
    kind: ClassVar[str] = "subnetwork"

    def __post_init__(self) -> None:
        _check(self)

    @property
    def label(self) -> str:
        exact = ",exact" if self.evaluation == "exact" else ""
        return f"subnetwork({self.base},{self.hidden}{exact})"


@dataclass(frozen=True, slots=True)
class Scaled:
    """a f(b x) with a and b trained: the control that any claim about a learned shape needs."""

    base: Annotated[str, _functions("bases", None)]
    per: Sharing = "layer"
    kind: ClassVar[str] = "scaled"

    def __post_init__(self) -> None:
        _check(self)

    @property
    def label(self) -> str:
        return f"scaled({self.base}){_per(self.per)}"


@dataclass(frozen=True, slots=True)
class PReLU:
    """A rectifier with a trained slope for negative inputs (He et al. 2015)."""

    per: Sharing = "layer"
    kind: ClassVar[str] = "prelu"

    def __post_init__(self) -> None:
        _check(self)

    @property
    def label(self) -> str:
        return f"prelu{_per(self.per)}"


@dataclass(frozen=True, slots=True)
class PiecewiseLinear:
    """A rectifier plus trained hinges (adaptive piecewise linear units, Agostinelli et al. 2015)."""

    hinges: Annotated[int, Options(default=(2,))]
    per: Sharing = "neuron"
    kind: ClassVar[str] = "piecewise_linear"

    def __post_init__(self) -> None:
        _check(self)

    @property
    def label(self) -> str:
        return f"piecewise_linear({self.hinges}){_per(self.per)}"


@dataclass(frozen=True, slots=True)
class Rational:
    """A quotient of trained polynomials without poles (safe Pade units, Molina et al. 2020).

    `numerator` and `denominator` are the degrees; `initial` is the base function it starts from.
    """

    numerator: Annotated[int, Options()] = 5
    denominator: Annotated[int, Options()] = 4
    per: Sharing = "layer"
    initial: Annotated[str, Options(names=FUNCTION)] = "leaky_relu"
    kind: ClassVar[str] = "rational"

    def __post_init__(self) -> None:
        _check(self)

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

    curve: Annotated[str, Options("curves", names=CURVE)]
    interpolation: Interpolation = "linear"
    extrapolation: Extrapolation = "linear"
    kind: ClassVar[str] = "tabulated"
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

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
    interpolation: Interpolation = "linear"
    extrapolation: Extrapolation = "linear"
    kind: ClassVar[str] = "captured"
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)
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

    pieces: Pieces
    kind: ClassVar[str] = "maxout"
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    @property
    def label(self) -> str:
        return f"maxout({self.pieces})"


@dataclass(frozen=True, slots=True)
class ProbabilisticMaxout:
    """One of several pre-activations, drawn by their softmax in training (Springenberg & Riedmiller 2013).

    `sharpness` is the paper's lambda, which multiplies the pre-activations in the softmax.
    """

    pieces: Pieces
    sharpness: Annotated[float, Options()] = 1.0
    kind: ClassVar[str] = "probabilistic_maxout"
    trains: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _check(self)

    @property
    def label(self) -> str:
        sharpness = "" if self.sharpness == 1 else f",{self.sharpness:g}"
        return f"probabilistic_maxout({self.pieces}{sharpness})"


@dataclass(frozen=True, slots=True)
class LpPool:
    """A norm of several pre-activations, of a trained order (Gulcehre et al. 2014)."""

    pieces: Pieces
    per: Sharing = "layer"
    kind: ClassVar[str] = "lp_pool"

    def __post_init__(self) -> None:
        _check(self)

    @property
    def label(self) -> str:
        return f"lp_pool({self.pieces}){_per(self.per)}"


@dataclass(frozen=True, slots=True)
class NetworkInNetwork:
    """A small network on several pre-activations, shared by the neurons (after Lin et al. 2014)."""

    pieces: Pieces
    base: Annotated[str, _functions("bases", None)] = "relu"
    kind: ClassVar[str] = "network_in_network"

    def __post_init__(self) -> None:
        _check(self)

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


def _annotated(annotation: Any) -> tuple[type, Options | None]:
    """The type of a field, and its options if it has any."""
    if get_origin(annotation) is not Annotated:
        return annotation, None
    value_type, options = get_args(annotation)
    return value_type, options


_ANNOTATED = {k: {f.name: _annotated(f.type) for f in dataclasses.fields(cls)} for k, cls in KINDS.items()}
# By kind and field; a field that search spaces do not list is left out.
OPTIONS: Mapping[str, Mapping[str, Options]] = {
    kind: {name: options for name, (_, options) in fields.items() if options is not None}
    for kind, fields in _ANNOTATED.items()
}
TYPES = {kind: {name: cls for name, (cls, _) in fields.items()} for kind, fields in _ANNOTATED.items()}
RELU = Base("relu")  # what an ordinary network has


def _per(per: str) -> str:
    return "" if per == "layer" else f"/{per}"


def _check(activation: Activation) -> None:
    """Raises UserError for a value that a field's type and options exclude."""
    for field, options in OPTIONS[activation.kind].items():
        value, expected = getattr(activation, field), TYPES[activation.kind][field]
        where = f"{activation.kind}.{field}"
        if options.words and (not isinstance(value, str) or value not in options.words):
            raise UserError(unknown(where, value, options.words))
        if expected is int and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
            raise UserError(f"expected {where} to be at least 1, got {short(value)}")
        if expected is int and value > LARGEST:
            raise UserError(f"expected {where} to be at most {LARGEST}, got {short(value)}")
        if expected is float and (not is_finite(value) or value <= 0):
            raise UserError(f"expected {where} to be a number above 0, got {short(value)}")
