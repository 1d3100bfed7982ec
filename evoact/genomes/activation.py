"""Kinds of activation, one dataclass each: plain, immutable data, no torch.

The formulas are in the modules of `evoact.activations.kinds` that have the kinds' names. `per` says which neurons
shares one set of trained parameters: all neurons of the type (`layer`), or none (`neuron`). `Options` in a field's
annotation say what its values are, and how search spaces list them.
"""

import dataclasses
import json
import math
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, ClassVar, TypeGuard, get_args, get_origin

from evoact.errors import UserError, short
from evoact.genomes.function_names import ABSENT, canonical_name
from evoact.registry import lookup, unknown

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


def _functions(key: str, default: tuple[str, ...] | None = (), **more: Any) -> Options:
    return Options(key, default, names=FUNCTION, builds=True, **more)


Sharing = Annotated[str, Options(words=SHARING)]
Interpolation = Annotated[str, Options(words=INTERPOLATIONS)]
Extrapolation = Annotated[str, Options(words=EXTRAPOLATIONS)]
Pieces = Annotated[int, Options(default=(2,))]


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
_ABSENT = Base(ABSENT)


def pieces(activation: Activation) -> int:
    """Return how many pre-activations a neuron of this type takes.

    >>> pieces(Maxout(3)), pieces(Base("relu"))
    (3, 1)
    """
    return activation.pieces if "pieces" in FIELDS[activation.kind] else 1  # type: ignore[union-attr]


def per_neuron(activation: Activation) -> bool:
    """Return whether each neuron of this type has trained numbers of its own."""
    return getattr(activation, "per", "layer") == "neuron"


def trains(activation: Activation) -> bool:
    """Return whether a type has numbers of its own that are trained.

    >>> trains(Base("relu")), trains(PReLU())
    (False, True)
    """
    return getattr(activation, "trains", True)


def needs_file(activation: Activation) -> bool:
    """Return whether the activation names a curve, which is not in the genome itself."""
    return any(options.names == CURVE for options in OPTIONS[activation.kind].values())


def functions_of(activation: Activation) -> tuple[str, ...]:
    """Return the base functions that an activation is built of; none for a kind that names none.

    >>> functions_of(Hull("convex", ("identity", "relu"))), functions_of(Maxout(2))
    (('identity', 'relu'), ())
    """
    return _named(activation, {name for name, options in OPTIONS[activation.kind].items() if options.builds})


def names_in(activation: Activation) -> tuple[str, ...]:
    """Return all base functions that the activation names, including the one that it starts from."""
    return _named(
        activation, {name for name, options in OPTIONS[activation.kind].items() if options.names == FUNCTION}
    )


def _named(activation: Activation, fields: Set[str]) -> tuple[str, ...]:
    values = [getattr(activation, name) for name in FIELDS[activation.kind] if name in fields]
    return tuple(name for value in values for name in ((value,) if isinstance(value, str) else value))


def is_absent(activation: Activation) -> bool:
    """Return whether a neuron of this type is one that is not there (Liu & Yao 1996: nodes are removed)."""
    return activation == _ABSENT


def is_base(activation: Activation) -> TypeGuard[Base]:
    """Return whether the activation is a base function and nothing else."""
    return isinstance(activation, Base)


def is_captured(activation: Activation) -> TypeGuard[Captured]:
    """Return whether the activation is a curve that meta-training found."""
    return isinstance(activation, Captured)


def group_label(activation: Activation) -> str:
    """Return the name under which summaries count the activation: a base function's name, a hull's kind, else the kind.

    >>> [group_label(a) for a in (Base("relu"), Hull("convex", ("sin", "relu")), LpPool(2))]
    ['relu', 'convex hull', 'lp pool']
    """
    if isinstance(activation, Base):
        return activation.name
    if isinstance(activation, Hull):
        return f"{activation.hull} hull"
    return activation.kind.replace("_", " ")


@lru_cache(maxsize=4096)
def canonical_activation(activation: Activation) -> Activation:
    """Return the one spelling of all activations that compute and train the same.

    >>> canonical_activation(Hull("convex", ("1*sin(x)",))), canonical_activation(Base("2.0*sin(x)")).label
    (Base(name='sin'), '2*sin(x)')
    """
    spelled: dict[str, Any] = {}
    for name, options in OPTIONS[activation.kind].items():
        if options.names == FUNCTION:
            value = getattr(activation, name)
            several = not isinstance(value, str)
            spelled[name] = (
                tuple(sorted(set(map(canonical_name, value)))) if several else canonical_name(value)
            )
    activation = dataclasses.replace(activation, **spelled)
    if isinstance(activation, Hull) and len(activation.functions) < smallest_hull(activation.hull):
        return Base(activation.functions[0])  # its only coefficient is 1
    return activation


def smallest_hull(hull: str) -> int:
    """Return the fewest functions of which this hull is more than a base function."""
    return 2 if hull in ("convex", "affine") else 1


def to_json(activation: Activation) -> dict[str, Any]:
    """Return plain data, its `kind` first."""
    fields = {name: getattr(activation, name) for name in FIELDS[activation.kind]}
    return {"kind": activation.kind} | {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}


def from_json(data: Mapping[str, Any]) -> Activation:
    """Return the inverse of `to_json`; keys that no activation of the kind has are left alone.

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
    str: ("text", lambda v: isinstance(v, str)),
    int: ("an integer", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    float: ("a finite number", is_finite),
    tuple[str, ...]: ("a list of texts", lambda v: _all(v, lambda each: isinstance(each, str))),
    tuple[float, ...]: ("a list of finite numbers", lambda v: _all(v, is_finite)),
}


def wrong_fields(cls: type[Activation], data: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with an activation as plain data: fields of the wrong type, else missing fields."""
    types = TYPES[cls.kind]
    wrong = [
        f"expected {_PLAIN[expected][0]} as {cls.kind}.{name}, got {short(data[name])}"
        for name, expected in types.items()
        if name in data and not _PLAIN[expected][1](data[name])
    ]
    return wrong or [
        f"expected {_PLAIN[types[field.name]][0]} as {cls.kind}.{field.name}, got {short(dict(data))} without it"
        for field in dataclasses.fields(cls)
        if field.name not in data and field.default is dataclasses.MISSING
    ]


def _all(value: Any, right: Callable[[Any], bool]) -> bool:
    return isinstance(value, (list, tuple)) and all(map(right, value))


@lru_cache(maxsize=4096)
def type_key(activation: Activation) -> str:
    """Return what types are ordered by, absent neurons last."""
    return ("~" if is_absent(activation) else "") + json.dumps(to_json(activation), sort_keys=True)


# --- checks ---------------------------------------------------------------------------------------


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
