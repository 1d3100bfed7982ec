"""From the keys of a search space to the `SearchSpace`, and what can be wrong with them."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from evoact.activations.base_functions import base_function
from evoact.activations.curves import resolve
from evoact.config.given import given_activations, given_problems, pinned_entries
from evoact.config.models import HullTypes, LearningRates, Space, TabulatedTypes, Types
from evoact.errors import UserError
from evoact.genomes.expressions import canonical_name
from evoact.genomes.families import GIVEN, Family, HullChoices, Listed, choices, smallest_hull
from evoact.genomes.genome import (
    ABSENT,
    EVALUATIONS,
    EXTRAPOLATIONS,
    HULLS,
    INTERPOLATIONS,
    SHARING,
    Site,
    Tabulated,
)
from evoact.genomes.layers import LayerChoices
from evoact.genomes.space import SearchSpace, log_grid
from evoact.registry import unknown

# Keys that list options under a plural name, and the fields they are options for.
FIELD_OF = {"functions": "name", "bases": "base", "curves": "curve"}
FUNCTION_KEYS = ("functions", "bases", "initial")
WORDS = {
    "kinds": HULLS,
    "per": SHARING,
    "interpolation": INTERPOLATIONS,
    "extrapolation": EXTRAPOLATIONS,
    "evaluation": EVALUATIONS,
}


def search_space(space: Space, name: str, sites: Sequence[Site]) -> SearchSpace:
    """The search space over a network's sites.

    Raises:
        UserError: if it cannot be met; what `space_problems` finds must have been mended.
    """
    common = LayerChoices(
        families(space.types, space.functions or ()), space.types_per_layer, space.least_width
    )
    overrides = [
        (
            site,
            LayerChoices(
                families(layer.types, space.functions or ()) if layer.types else common.families,
                layer.types_per_layer or common.types_per_layer,
                common.least_width if layer.least_width is None else layer.least_width,
            ),
        )
        for site, layer in space.sites.items()
    ]
    return SearchSpace(
        name=name,
        sites=tuple(sites),
        families=common.families,
        types_per_layer=common.types_per_layer,
        learning_rates=_learning_rates(space.learning_rate),
        neurons_per_block=space.neurons_per_block,
        least_width=common.least_width,
        overrides=tuple(overrides),
        optimizer=tuple((name, tuple(values)) for name, values in sorted(space.optimizer.items())),
    )


def _learning_rates(rates: LearningRates) -> tuple[float, ...]:
    if rates.values is not None:
        return tuple(rates.values)
    assert rates.low is not None  # `space_problems` finds what is missing
    assert rates.high is not None
    assert rates.per_decade is not None
    return log_grid(rates.low, rates.high, rates.per_decade)


def families(types: Types, functions: Sequence[str]) -> tuple[Family, ...]:
    """One family for each kind that `types` names; `functions` for what names none."""
    result: dict[str, Family] = {}
    singles: list[str] = []  # what hulls of one function are
    for kind, section in types:
        if section is None:
            continue
        if isinstance(section, HullTypes):
            hull, singles = _hulls(section, functions)
            result |= {kind: hull} if hull else {}
            continue
        if kind == GIVEN:
            result[kind] = Listed(given_activations(section))
            continue
        options: dict[str, Sequence[Any]] = {
            FIELD_OF.get(key, key): tuple(functions if value is None else value) for key, value in section
        }
        result[kind] = choices(kind, **options)
    if singles:
        own = result["base"].functions if "base" in result else ()
        result = {"base": choices("base", name=tuple(dict.fromkeys((*own, *singles)))), **_but_base(result)}
    return tuple(result.values())


def _but_base(result: dict[str, Family]) -> dict[str, Family]:
    return {kind: family for kind, family in result.items() if kind != "base"}


def _hulls(section: HullTypes, functions: Sequence[str]) -> tuple[HullChoices | None, list[str]]:
    """The hulls proper, and the functions that convex and affine hulls of one function equal."""
    names = [canonical_name(name) for name in section.functions or functions]
    kinds = tuple(k for k in section.kinds if max(section.sizes) >= smallest_hull(k))
    smallest = min(map(smallest_hull, kinds), default=1)
    sizes = tuple(size for size in section.sizes if size >= smallest)
    single = 1 in section.sizes and any(smallest_hull(k) > 1 for k in section.kinds)
    hulls = HullChoices(kinds, tuple(names), sizes, tuple(section.per)) if kinds else None
    return hulls, names if single else []


def pinned(space: Space) -> Space:
    """The space with each curve as `name@digest`, so that a resolved config says what was trained."""
    layers = {
        site: layer.model_copy(update={"types": _pinned_types(layer.types)})
        for site, layer in space.sites.items()
    }
    return space.model_copy(update={"types": _pinned_types(space.types), "sites": layers})


def _pinned_types(types: Types | None) -> Types | None:
    if types is None:
        return types
    update: dict[str, Any] = {}
    if types.tabulated is not None:
        curves = [resolve(Tabulated(curve)).curve for curve in types.tabulated.curves]
        update["tabulated"] = types.tabulated.model_copy(update={"curves": curves})
    if types.given is not None:
        update["given"] = pinned_entries(types.given)
    return types.model_copy(update=update)


# --- what can be wrong ----------------------------------------------------------------------------


def space_problems(space: Space) -> list[str]:
    """Unknown names in a search space, and sizes that cannot be met."""
    problems = list(_function_problems("space.functions", space.functions or []))
    problems += _types_problems("space.types", space.types, space.functions or [])
    problems += _range_problems("space.types_per_layer", space.types_per_layer)
    for site, layer in space.sites.items():
        if layer.types:
            problems += _types_problems(f"space.sites.{site}.types", layer.types, space.functions or [])
        if layer.types_per_layer:
            problems += _range_problems(f"space.sites.{site}.types_per_layer", layer.types_per_layer)
    for name, values in space.optimizer.items():
        problems += _order_problems(f"space.optimizer.{name}", values)
    return problems + list(_rate_problems("space.learning_rate", space.learning_rate))


def _rate_problems(path: str, rates: LearningRates) -> Iterator[str]:
    grid = {"low": rates.low, "high": rates.high, "per_decade": rates.per_decade}
    if rates.values is not None:
        both = [key for key, value in grid.items() if value is not None]
        if both:
            yield f"{path}: expected values or a grid, got both, values and {', '.join(both)}; leave one out"
        yield from _order_problems(f"{path}.values", rates.values)
        return
    yield from (f"{path}.{key}: expected a value, got none" for key, value in grid.items() if value is None)
    if rates.low is not None and rates.high is not None and rates.low > rates.high:
        yield f"{path}: expected low <= high, got {rates.low:g} > {rates.high:g}"


def _order_problems(path: str, values: Sequence[float]) -> Iterator[str]:
    if values != sorted(set(values)):
        yield f"{path}: expected ascending values without repetition, got {values}"


def _range_problems(key: str, types: tuple[int, int]) -> Iterator[str]:
    if types[0] > types[1]:
        yield f"{key}: expected [least, most], got [{types[0]}, {types[1]}]"


def _types_problems(where: str, types: Types, functions: Sequence[str]) -> Iterator[str]:
    if all(section is None for _, section in types):
        kinds = ", ".join(Types.model_fields)
        yield f"{where}: expected at least one of {kinds}, got a space that contains nothing"
    for kind, section in types:
        if section is None:
            continue
        if kind == GIVEN:
            yield from given_problems(f"{where}.{kind}", section)
            continue
        for key, value in section:
            path = f"{where}.{kind}.{key}"
            if value is None and not functions:
                yield f"{path}: expected a list of base functions here or in space.functions, got none"
            elif value is not None:
                yield from _option_problems(path, key, value)
        if isinstance(section, HullTypes):
            yield from _hull_problems(f"{where}.{kind}", section, functions)
        if isinstance(section, TabulatedTypes):
            yield from _curve_problems(f"{where}.{kind}.curves", section)


def _option_problems(path: str, key: str, values: Sequence[Any]) -> Iterator[str]:
    """What is wrong with one list of options."""
    if key in FUNCTION_KEYS:
        yield from _function_problems(path, values)
        return
    if key in WORDS:
        yield from (f"{path}: {unknown('name', v, WORDS[key])}" for v in values if v not in WORDS[key])
    yield from (f"{path}: {v!r} stands there twice" for v in sorted(set(values)) if values.count(v) > 1)


def _function_problems(path: str, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name == ABSENT:
            yield f"{path}: {ABSENT!r} is no function; space.least_width says how many neurons may be absent"
    yield from _sentences(path, (lambda n=n: base_function(n) for n in names))
    spelled = [canonical_name(name) for name in names]
    yield from (f"{path}: {n!r} stands there twice" for n in sorted(set(spelled)) if spelled.count(n) > 1)


def _hull_problems(path: str, section: HullTypes, functions: Sequence[str]) -> Iterator[str]:
    available = len(set(map(canonical_name, section.functions or functions)))
    if available and max(section.sizes) > available:
        yield (
            f"{path}.sizes: expected at most {available}, the number of functions, got {max(section.sizes)}"
        )


def _curve_problems(path: str, section: TabulatedTypes) -> Iterator[str]:
    """Curves that are not there, are no curves, or have too few points for an interpolation."""
    known = [i for i in INTERPOLATIONS if i in section.interpolation] or ["linear"]
    for curve in section.curves:
        found = dict.fromkeys(
            _sentences(path, (lambda c=curve, i=i: resolve(Tabulated(c, i)) for i in known))
        )
        yield from list(found)[:1]


def _sentences(path: str, makers: Iterable[Any]) -> Iterator[str]:
    for make in makers:
        try:
            make()
        except UserError as error:
            yield f"{path}: {error}"
