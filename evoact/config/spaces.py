"""From the keys of a search space to the `SearchSpace`, and what can be wrong with them."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, product
from typing import Any

from evoact.activations.functions.base_functions import base_function
from evoact.activations.kinds import kind_of
from evoact.config.given import given_activations, given_problems, pinned_entries
from evoact.config.schema import LearningRates, Section, Space, Types
from evoact.errors import UserError
from evoact.genomes.choices import GIVEN, Family, Listed
from evoact.genomes.choices import families as searched
from evoact.genomes.field_options import CURVE, FUNCTION, Options
from evoact.genomes.function_names import ABSENT, canonical_name
from evoact.genomes.genome import Site
from evoact.genomes.hyperparameters import log_grid
from evoact.genomes.kinds import KINDS, OPTIONS
from evoact.genomes.layer_choices import LayerChoices
from evoact.genomes.space import SearchSpace
from evoact.registry import unknown

MOST_RATIO = 1e30  # of the learning rates of a grid


def search_space(space: Space, name: str, sites: Sequence[Site]) -> SearchSpace:
    """Return the search space over a network's sites.

    Raises:
        UserError: if it cannot be met; what `space_problems` finds must have been fixed.
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
        hyperparameters=tuple(
            (name, tuple(values))
            for grids in (space.optimizer, space.hyperparameters)
            for name, values in sorted(grids.items())
        ),
    )


def _learning_rates(rates: LearningRates) -> tuple[float, ...]:
    if rates.values is not None:
        return tuple(rates.values)
    assert rates.low is not None  # `space_problems` finds what is missing
    assert rates.high is not None
    assert rates.per_decade is not None
    return log_grid(rates.low, rates.high, rates.per_decade)


def families(types: Types, functions: Sequence[str]) -> tuple[Family, ...]:
    """Return one family for each kind that `types` names; `functions` for what names none."""
    lists = {
        kind: {key: functions if value is None else value for key, value in section}
        for kind, section in sections(types)
    }
    given = (Listed(given_activations(types.given)),) if types.given is not None else ()
    return (*searched(lists), *given)


def sections(types: Types) -> Iterator[tuple[str, Section]]:
    """Yield each kind that is listed by options, with its section."""
    return ((kind, section) for kind, section in types if section is not None and kind != GIVEN)


def curve_lists(kind: str, section: Section) -> Iterator[tuple[str, str, Sequence[str]]]:
    """Yield each field that names curves, its key in the section, and the names there."""
    for field, options in OPTIONS[kind].items():
        if options.names == CURVE:
            key = options.key or field
            yield field, key, getattr(section, key)


def pinned(space: Space) -> Space:
    """Return the space with each curve as `name@digest`, so that a resolved config says what was trained."""
    layers = {
        site: layer.model_copy(update={"types": _pinned_types(layer.types)})
        for site, layer in space.sites.items()
    }
    return space.model_copy(update={"types": _pinned_types(space.types), "sites": layers})


def _pinned_types(types: Types | None) -> Types | None:
    if types is None:
        return types
    update: dict[str, Any] = {}
    for kind, section in sections(types):
        for field, key, curves in curve_lists(kind, section):
            build: Any = KINDS[kind]
            made = [build(**{field: curve}) for curve in curves]
            names = [getattr(kind_of(activation).pinned(activation), field) for activation in made]
            update[kind] = section.model_copy(update={key: names})
    if types.given is not None:
        update["given"] = pinned_entries(types.given)
    return types.model_copy(update=update)


# --- what can be wrong ----------------------------------------------------------------------------


def space_problems(space: Space) -> list[str]:
    """Return unknown names in a search space, and sizes that cannot be met."""
    problems = list(_function_problems("space.functions", space.functions or []))
    problems += _types_problems("space.types", space.types, space.functions or [])
    problems += _range_problems("space.types_per_layer", space.types_per_layer)
    for site, layer in space.sites.items():
        if layer.types:
            problems += _types_problems(f"space.sites.{site}.types", layer.types, space.functions or [])
        if layer.types_per_layer:
            problems += _range_problems(f"space.sites.{site}.types_per_layer", layer.types_per_layer)
    for key, grids in (("optimizer", space.optimizer), ("hyperparameters", space.hyperparameters)):
        for name, values in grids.items():
            problems += _order_problems(f"space.{key}.{name}", values)
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
    elif rates.low is not None and rates.high is not None and rates.high / MOST_RATIO > rates.low:
        yield (
            f"{path}: expected high of at most {MOST_RATIO:g} times low, got {rates.low:g} to {rates.high:g}"
        )


def _order_problems(path: str, values: Sequence[float]) -> Iterator[str]:
    if values != sorted(set(values)):
        yield f"{path}: expected ascending values without repetition, got {values}"


def _range_problems(key: str, types: tuple[int, int]) -> Iterator[str]:
    if types[0] > types[1]:
        yield f"{key}: expected [least, most], got [{types[0]}, {types[1]}]"


def _types_problems(where: str, types: Types, functions: Sequence[str]) -> Iterator[str]:
    if all(section is None for _, section in types):
        kinds = ", ".join(Types.model_fields)
        yield f"{where}: expected at least one of {kinds}, got an empty space"
    for kind, section in sections(types):
        for field, options in OPTIONS[kind].items():
            key = options.key or field
            value, path = getattr(section, key), f"{where}.{kind}.{key}"
            if value is None and not functions:
                yield f"{path}: expected a list of base functions here or in space.functions, got none"
            elif value is not None:
                yield from _option_problems(path, options, value)
            if options.sizes:
                sizes = dict(section)["sizes"]
                several = len(set(map(canonical_name, value or functions)))
                yield from _repeated(f"{where}.{kind}.sizes", sizes)
                if several and max(sizes) > several:
                    yield (
                        f"{where}.{kind}.sizes: expected at most {several}, the number of functions, got {max(sizes)}"
                    )
        for field, key, curves in curve_lists(kind, section):
            yield from _curve_problems(f"{where}.{kind}.{key}", kind, field, curves, section)
    if types.given is not None:
        yield from given_problems(f"{where}.{GIVEN}", types.given)


def _option_problems(path: str, options: Options, values: Sequence[Any]) -> Iterator[str]:
    """Problems of one list of options."""
    if options.names == FUNCTION:
        yield from _function_problems(path, values)
        return
    if options.words:
        yield from (f"{path}: {unknown('name', v, options.words)}" for v in values if v not in options.words)
    yield from _repeated(path, values)


def _repeated(path: str, values: Sequence[Any]) -> Iterator[str]:
    yield from (f"{path}: {v!r} is listed twice" for v in sorted(set(values)) if values.count(v) > 1)


def _function_problems(path: str, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if name == ABSENT:
            yield f"{path}: {ABSENT!r} is not a function; space.least_width says how many neurons may be absent"
    yield from _sentences(path, (lambda n=n: base_function(n) for n in names))
    yield from _repeated(path, [canonical_name(name) for name in names])


def _curve_problems(
    path: str, kind: str, field: str, curves: Sequence[str], section: Section
) -> Iterator[str]:
    """Curves that are not there, are no curves, or have too few points for what is done with them."""
    build: Any = KINDS[kind]
    others = {
        name: [v for v in getattr(section, options.key or name) if not options.words or v in options.words]
        for name, options in OPTIONS[kind].items()
        if name != field
    }
    used = {name: values for name, values in others.items() if values}
    for curve in curves:
        made = [build(**dict(zip(used, v, strict=True)), **{field: curve}) for v in product(*used.values())]
        found = _sentences(path, ((lambda a=a: kind_of(a).pinned(a)) for a in made))
        yield from islice(found, 1)


def _sentences(path: str, makers: Iterable[Any]) -> Iterator[str]:
    for make in makers:
        try:
            make()
        except UserError as error:
            yield f"{path}: {error}"
