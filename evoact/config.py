"""From YAML to an Experiment: every mistake of a config is found, and all are reported at once.

The pydantic models below are the config's documentation: each field is a key. Nothing above this
module sees them; an `Experiment` hands out flat values and plain objects.
"""

import copy
import difflib
import inspect
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evoact.activations.base_functions import BASE_FUNCTIONS
from evoact.errors import ConfigError, UserError
from evoact.genomes.genome import HULLS, SHARING
from evoact.genomes.space import BaseChoices, Family, HullChoices, SearchSpace, SubnetworkChoices, log_grid
from evoact.networks import NETWORKS
from evoact.networks.network import Network, parameter_count
from evoact.registry import lookup, unknown
from evoact.strategies import STRATEGIES, proposer
from evoact.tasks import TASKS
from evoact.tasks.task import Task
from evoact.training.optimizers import OPTIMIZERS
from evoact.training.packed import TrainingSettings

Positive = Annotated[int, Field(gt=0, strict=True)]
NotNegative = Annotated[int, Field(ge=0, strict=True)]
PositiveNumber = Annotated[float, Field(gt=0, strict=True, allow_inf_nan=False)]
Names = Annotated[list[str], Field(min_length=1)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(BaseModel):
    """A `name` from a table, and that entry's own arguments beside it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class BaseTypes(Section):
    functions: Names | None = None


class HullTypes(Section):
    kinds: Annotated[list[str], Field(min_length=1)] = ["convex"]
    functions: Names | None = None
    sizes: Annotated[list[Positive], Field(min_length=1)] = [2]
    per: Annotated[list[str], Field(min_length=1)] = ["layer"]


class SubnetworkTypes(Section):
    bases: Names
    hidden: Annotated[list[Positive], Field(min_length=1)] = [8]


class Types(Section):
    """Which activations a neuron type may have."""

    base: BaseTypes | None = None
    hull: HullTypes | None = None
    subnetwork: SubnetworkTypes | None = None


class LearningRates(Section):
    """A logarithmic grid from `low` to `high`."""

    low: PositiveNumber
    high: PositiveNumber
    per_decade: Annotated[int, Field(gt=0, le=100, strict=True)] = 4


class Space(Section):
    """A search space; `functions` are the base functions of every kind of type that names none."""

    description: str = ""
    functions: Names
    types: Types
    types_per_layer: tuple[Positive, Positive] = (1, 3)
    neurons_per_block: Positive = 1
    learning_rate: LearningRates


class Training(Section):
    steps: Positive = 500
    batch_size: Positive = 100
    optimizer: Named = Named(name="adam")


class Budget(Section):
    """Of the search phase; whichever of the given limits comes first."""

    networks: Positive | None = None
    gradient_examples: Positive | None = None
    minutes: PositiveNumber | None = None


class Baselines(Section):
    """Each base function alone at each learning rate of the grid, on this many replicates (0: none)."""

    replicates: NotNegative = 1


class Confirm(Section):
    """The best candidates and the best baseline, trained again on fresh seeds (0: none)."""

    candidates: NotNegative = 5
    seeds: Positive = 5


class Packs(Section):
    size: Positive = 32
    threads: Positive = 1
    timeout_seconds: PositiveNumber | None = None


class Execution(Section):
    """`workers` null means as many packs at once as the cluster has room for."""

    backend: Literal["local", "ray_tune"] = "ray_tune"
    workers: Positive | None = None
    cpus_per_pack: PositiveNumber = 1.0
    gpus_per_pack: Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)] = 0.0
    max_failures: NotNegative = 2


class Config(Section):
    name: str = ""
    description: str = ""
    seed: NotNegative = 0
    task: Named
    network: Named
    space: Space
    strategy: Named = Named(name="hybrid")
    replicates: Annotated[int, Field(gt=0, le=1000, strict=True)] = 10
    training: Training = Training()
    budget: Budget
    baselines: Baselines = Baselines()
    confirm: Confirm = Confirm()
    packs: Packs = Packs()
    execution: Execution = Execution()


# --- what a config means ------------------------------------------------------------------------


@dataclass(frozen=True)
class Experiment:
    """A valid config and the objects it names."""

    config: Config

    @property
    def name(self) -> str:
        return self.config.name

    @property
    def seed(self) -> int:
        return self.config.seed

    @cached_property
    def task(self) -> Task:
        named = self.config.task
        return lookup(TASKS, "task", named.name)(**named.arguments)

    @cached_property
    def network(self) -> Network:
        named = self.config.network
        build = lookup(NETWORKS, "network", named.name)
        return build(self.task.input_shape, self.task.n_outputs, **named.arguments)

    @cached_property
    def space(self) -> SearchSpace:
        return _search_space(self.config.space, self.config.name, self.network)

    @property
    def training(self) -> TrainingSettings:
        t = self.config.training
        return TrainingSettings(t.batch_size, t.optimizer.name, t.optimizer.arguments)

    @property
    def steps(self) -> int:
        return self.config.training.steps

    @property
    def networks(self) -> int:
        """How many networks the search phase may train (a huge number where only time is limited)."""
        b = self.config.budget
        limits = [2**31]
        if b.networks is not None:
            limits.append(b.networks)
        if b.gradient_examples is not None:
            limits.append(b.gradient_examples // (self.steps * self.training.batch_size))
        return min(limits)

    @property
    def baseline_networks(self) -> int:
        space = self.space
        return self.config.baselines.replicates * len(space.functions) * len(space.learning_rates)

    @property
    def confirm_networks(self) -> int:
        c = self.config.confirm
        extra = 1 if self.config.baselines.replicates else 0
        return (c.candidates + extra) * c.seeds if c.candidates else 0

    def summary(self) -> dict[str, int]:
        """What a whole run costs at most: networks and gradient-examples, by phase and in total."""
        networks = {
            "baseline": self.baseline_networks,
            "search": self.networks,
            "confirm": self.confirm_networks,
        }
        total = sum(networks.values())
        return {
            **networks,
            "networks": total,
            "gradient_examples": total * self.steps * self.training.batch_size,
            "parameters": parameter_count(self.network),
        }

    def to_yaml(self) -> str:
        """The resolved config: complete, with the search space inside, readable by `load`."""
        data = self.config.model_dump(mode="json", exclude_none=True)
        return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def load(path: str | Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment in a YAML file.

    Args:
        path: of the config
        overrides: `key.path=value` texts, values in YAML, applied before anything is checked

    Raises:
        ConfigError: naming every mistake in it.
    """
    data = read_yaml(path)
    beside = Path(path).parent
    problems = []
    for text in overrides:
        if text.startswith("space."):
            problems += _inline_space(data, beside)
        problems += _override(data, text)
    problems += _inline_space(data, beside)
    if not data.get("name"):
        data["name"] = Path(path).stem
    return _checked(data, str(path), problems)


def experiment(data: Mapping[str, Any], source: str = "config") -> Experiment:
    """The experiment described by plain data, the space inside it.

    Raises:
        ConfigError: naming every mistake in it.
    """
    return _checked(data, source, [])


def _checked(data: Mapping[str, Any], source: str, problems: Sequence[str]) -> Experiment:
    """`problems` are those found already."""
    found = list(problems)
    config: Config | None
    try:
        config = Config.model_validate(data)
    except ValidationError as error:
        found += _sentences(error, Config)
        config = _mended(data, error)
    if config is not None:
        found += _problems(config, found)
    if config is None or found:
        raise ConfigError(source, found)
    return Experiment(config)


def _inline_space(data: dict[str, Any], beside: Path) -> list[str]:
    """Replaces a search space's name by what its file says; returns what is wrong with that."""
    if isinstance(data.get("space"), str):
        try:
            data["space"] = read_yaml(find_space(data["space"], beside))
        except UserError as error:
            data["space"] = copy.deepcopy(_STAND_INS["space"])
            return [f"space: {error}"]
    return []


def load_space(path: str | Path) -> Space:
    """A search space file on its own, checked as far as that goes without a network.

    Raises:
        ConfigError: naming every mistake in it.
    """
    data = read_yaml(path)
    try:
        space = Space.model_validate(data)
    except ValidationError as error:
        raise ConfigError(str(path), _sentences(error, Space)) from None
    problems = list(_space_problems(space))
    if problems:
        raise ConfigError(str(path), [p.removeprefix("space.") for p in problems])
    return space


def read_yaml(path: str | Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: if there is no such file, it is not YAML, or holds something else than a mapping.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"expected a YAML file, got {str(path)!r}, which is not there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"expected a YAML file, got {str(path)!r}, which cannot be read: {error}") from None
    try:
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = getattr(error, "problem", None) or "it cannot be parsed"
        raise ConfigError(str(path), [f"expected YAML, got something else{where}: {what}"]) from None
    if not isinstance(data, dict):
        raise ConfigError(str(path), [f"expected keys and values, got {_short(data)}"])
    return data


def space_directories() -> list[Path]:
    """Where named search spaces are looked for: beside the package (installed), or in the repository."""
    package = Path(__file__).parent
    return [d for d in (package / "search_spaces", package.parent / "search_spaces") if d.is_dir()]


def find_space(name: str, beside: Path) -> Path:
    """The file of a search space given by path (relative to the config or to here) or by name."""
    for candidate in (beside / name, Path(name)):
        if candidate.is_file():
            return candidate
    known = {file.stem: file for d in space_directories() for file in d.glob("*.yaml")}
    return lookup(known, "search space", name)


# --- what can be wrong --------------------------------------------------------------------------


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads 1e-3 as a string; a config's author means a number. Keys must not repeat."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"),
    list("-+0123456789"),
)


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    named = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    keys = [loader.construct_object(key, deep=True) for key in named]
    twice = {str(key) for key in keys if keys.count(key) > 1}
    if twice:
        raise yaml.constructor.ConstructorError(
            problem=f"the key {min(twice)!r} stands there twice", problem_mark=node.start_mark
        )
    return yaml.SafeLoader.construct_mapping(loader, node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def _override(data: dict[str, Any], text: str) -> list[str]:
    """Apply one `key.path=value`; returns what is wrong with it, if anything."""
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        return [f"expected --set key.path=value, got {text!r}"]
    try:
        parsed = yaml.load(value, Loader=_Loader)
    except yaml.YAMLError:
        return [f"expected a YAML value in --set {path}=..., got {value!r}"]
    for key in keys[:-1]:
        inner = data.setdefault(key, {})
        if not isinstance(inner, dict):
            return [f"expected --set {path} to lead through sections, but {key!r} is {_short(inner)}"]
        data = inner
    data[keys[-1]] = copy.deepcopy(parsed)
    return []


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_EXPECTED = {
    "missing": "expected a value, got none",
    "int_type": "expected an integer, got {input}",
    "int_parsing": "expected an integer, got {input}",
    "int_from_float": "expected an integer, got {input}",
    "float_type": "expected a number, got {input}",
    "float_parsing": "expected a number, got {input}",
    "bool_type": "expected true or false, got {input}",
    "string_type": "expected a text, got {input}",
    "list_type": "expected a list, got {input}",
    "tuple_type": "expected a list, got {input}",
    "too_short": "expected a list of at least {min_length}, got {actual_length}",
    "too_long": "expected a list of at most {max_length}, got {actual_length}",
    "model_type": "expected a section of keys and values, got {input}",
    "model_attributes_type": "expected a section of keys and values, got {input}",
    "greater_than": "expected more than {gt:g}, got {input}",
    "greater_than_equal": "expected at least {ge:g}, got {input}",
    "less_than_equal": "expected at most {le:g}, got {input}",
    "literal_error": "expected {expected}, got {input}",
    "finite_number": "expected a finite number, got {input}",
    "invalid_key": "expected a text as key, got {input}",
}


def _sentences(error: ValidationError, model: type[BaseModel]) -> list[str]:
    """pydantic's findings in our words, unknown keys with the nearest known one."""
    result = []
    for found in error.errors():
        location = [str(part) for part in found["loc"]]
        where = ".".join(location)
        if found["type"] == "extra_forbidden":
            known = _fields_at(model, location[:-1])
            near = difflib.get_close_matches(location[-1], known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
            result.append(f"{where}: unknown key; {hint}")
            continue
        template = _EXPECTED.get(found["type"])
        values = {**found.get("ctx", {}), "input": _short(found["input"])}
        result.append(f"{where}: {template.format(**values) if template else found['msg']}")
    return result


def _fields_at(model: type[BaseModel], location: Sequence[str]) -> list[str]:
    """The known keys of the section at a location."""
    for part in location:
        annotation = model.model_fields[part].annotation
        options = [annotation, *getattr(annotation, "__args__", ())]
        model = next(o for o in options if inspect.isclass(o) and issubclass(o, BaseModel))
    return list(model.model_fields)


# What stands in for a missing or broken part of a config, so that the rest of it can be looked at, too.
_STAND_INS: Mapping[str, Any] = {
    "task": {"name": "faulty"},
    "network": {"name": "mlp"},
    "strategy": {"name": "random"},
    "training.optimizer": {"name": "adam"},
    "space": {
        "functions": ["relu"],
        "types": {"base": {}},
        "types_per_layer": [1, 1],
        "learning_rate": {"low": 1.0, "high": 1.0},
    },
    "space.functions": list(BASE_FUNCTIONS),
    "space.types": {"base": {}},
    "space.types.base": {},
    "space.types.hull": {},
    "space.types.subnetwork": {"bases": ["relu"]},
    "space.types.subnetwork.bases": ["relu"],
    "space.learning_rate": {"low": 1.0, "high": 1.0},
    "space.learning_rate.low": 1e-9,
    "space.learning_rate.high": 1e9,
    "budget": {"networks": 1},
    "budget.networks": 1,
    "budget.gradient_examples": 2**62,
    "budget.minutes": 1.0,
}


def _mended(data: Any, error: ValidationError) -> Config | None:
    """The config without what is broken in it; None for what is no config at all."""
    if not isinstance(data, Mapping):
        return None
    data = copy.deepcopy(dict(data))
    for _ in range(10):  # a part may be broken again inside what is left of it
        for found in error.errors():
            _mend(data, found["loc"])
        try:
            return Config.model_validate(data)
        except ValidationError as still:
            error = still
    return None


def _mend(data: dict[str, Any], location: Sequence[int | str]) -> None:
    """Replaces or leaves out the innermost part around a location for which that is possible."""
    for depth in range(len(location), 0, -1):
        *sections, key = location[:depth]
        parent: Any = data
        for section in sections:
            parent = parent[section] if isinstance(parent, dict) and section in parent else None
        if not isinstance(parent, dict):
            continue
        stand_in = _STAND_INS.get(".".join(map(str, location[:depth])))
        if stand_in is not None:
            parent[key] = copy.deepcopy(stand_in)
            return
        if key in parent:
            del parent[key]
            return


def _problems(config: Config, known: Sequence[str]) -> list[str]:
    """What is wrong with a config whose types are right; `known` is what was found already."""
    problems = []
    for key, named, table, skip in (
        ("task", config.task, TASKS, ()),
        ("network", config.network, NETWORKS, ("input_shape", "n_outputs")),
        ("training.optimizer", config.training.optimizer, OPTIMIZERS, ("parameters", "learning_rates")),
        ("strategy", config.strategy, STRATEGIES, ("space", "seed", "genomes")),
    ):
        if named.name not in table:
            problems.append(f"{key}.name: {unknown(key.split('.')[-1], named.name, table)}")
            continue
        build: Any = table[named.name]
        if key == "strategy":
            module, attribute = STRATEGIES[named.name]
            build = getattr(import_module(f"evoact.strategies.{module}"), attribute)
        problems += _argument_problems(key, build, named.arguments, skip)
    budget = config.budget
    if budget.networks is None and budget.gradient_examples is None and budget.minutes is None:
        problems.append("budget: expected networks, gradient_examples or minutes, got none of them")
    least = config.training.steps * config.training.batch_size
    if budget.gradient_examples is not None and budget.gradient_examples < least:
        problems.append(
            f"budget.gradient_examples: expected at least {least} for one network, got {budget.gradient_examples}"
        )
    problems += _space_problems(config.space)
    wrong = {problem.split(":")[0].split(".")[0] for problem in (*known, *problems)}
    return problems + _object_problems(Experiment(config), wrong)


def _object_problems(made: Experiment, wrong: set[str]) -> list[str]:
    """What only shows when the named things are made: a missing file, a width of 0, an empty space.

    `wrong` names the sections in which something was found already; what needs them is not made.
    """
    strategy = made.config.strategy
    problems: list[str] = []
    needed: set[str] = set()
    for key, make in (
        ("task", lambda: made.task),
        ("network", lambda: made.network),
        ("space", lambda: made.space),
        ("strategy", lambda: proposer(strategy.name, made.space, made.seed, strategy.arguments)),
    ):
        needed.add(key)
        if wrong & needed:
            continue
        try:
            make()
        except UserError as error:
            wrong.add(key)
            found = error.problems if isinstance(error, ConfigError) else [str(error)]
            problems += [p if f" {key}." in f" {p}" else f"{key}: {p}" for p in found]
    return problems


def _argument_problems(key: str, build: Any, arguments: Mapping[str, Any], skip: Sequence[str]) -> list[str]:
    """Unknown, missing and wrongly typed arguments of a table's entry."""
    signature = {n: p for n, p in inspect.signature(build).parameters.items() if n not in skip}
    problems = []
    for name in arguments:
        if name not in signature and signature:
            problems.append(f"{key}: {unknown('key', name, signature)}")
        elif name not in signature:
            problems.append(f"{key}: expected a name alone, got the key {name!r}, too")
    for name, parameter in signature.items():
        if name in arguments:
            expected = _expected(parameter.annotation, arguments[name])
            if expected:
                problems.append(f"{key}.{name}: expected {expected}, got {_short(arguments[name])}")
        elif parameter.default is inspect.Parameter.empty:
            problems.append(f"{key}.{name}: expected a value, got none")
    return problems


def _expected(annotation: Any, value: Any) -> str:
    """What an argument should have been; nothing where it is right, or its type is none of these."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if annotation is float:
        return "" if number and math.isfinite(value) else "a finite number"
    if annotation is int:
        return "" if number and isinstance(value, int) else "an integer"
    if annotation is str:
        return "" if isinstance(value, str) else "a text"
    if annotation is bool:
        return "" if isinstance(value, bool) else "true or false"
    if get_origin(annotation) in (list, tuple, Sequence):
        entry = get_args(annotation)[0]
        if not isinstance(value, list):
            return "a list"
        wrong = next(filter(None, (_expected(entry, v) for v in value)), "")
        return wrong and f"a list with {wrong} in each place"
    return ""


def _space_problems(space: Space) -> list[str]:
    """Unknown names in a search space, and sizes that cannot be met."""
    problems = []
    lists = {"space.functions": space.functions}
    if space.types.base:
        lists["space.types.base.functions"] = space.types.base.functions or []
    if space.types.subnetwork:
        lists["space.types.subnetwork.bases"] = space.types.subnetwork.bases
    if space.types.hull:
        hull = space.types.hull
        lists["space.types.hull.functions"] = hull.functions or []
        for key, names, known in (("kinds", hull.kinds, HULLS), ("per", hull.per, SHARING)):
            problems += [
                f"space.types.hull.{key}: {unknown('name', n, known)}" for n in names if n not in known
            ]
        available = len(set(hull.functions or space.functions))
        if max(hull.sizes) > available:
            problems.append(
                f"space.types.hull.sizes: expected at most {available}, the number of functions, got {max(hull.sizes)}"
            )
    for key, names in lists.items():
        problems += [
            f"{key}: {unknown('base function', n, BASE_FUNCTIONS)}" for n in names if n not in BASE_FUNCTIONS
        ]
        problems += [f"{key}: {n!r} stands there twice" for n in sorted(set(names)) if names.count(n) > 1]
    if not (space.types.base or space.types.hull or space.types.subnetwork):
        problems.append("space.types: expected base, hull or subnetwork, got a space that contains nothing")
    rates = space.learning_rate
    if rates.low > rates.high:
        problems.append(f"space.learning_rate: expected low <= high, got {rates.low:g} > {rates.high:g}")
    least, most = space.types_per_layer
    if least > most:
        problems.append(f"space.types_per_layer: expected [least, most], got [{least}, {most}]")
    return problems


def _search_space(space: Space, name: str, network: Network) -> SearchSpace:
    families: list[Family] = []
    if space.types.base:
        families.append(BaseChoices(tuple(space.types.base.functions or space.functions)))
    if space.types.hull:
        h = space.types.hull
        families.append(
            HullChoices(tuple(h.kinds), tuple(h.functions or space.functions), tuple(h.sizes), tuple(h.per))
        )
    if space.types.subnetwork:
        s = space.types.subnetwork
        families.append(SubnetworkChoices(tuple(s.bases), tuple(s.hidden)))
    rates = space.learning_rate
    return SearchSpace(
        name=name,
        sites=network.sites,
        families=tuple(families),
        types_per_layer=space.types_per_layer,
        learning_rates=log_grid(rates.low, rates.high, rates.per_decade),
        neurons_per_block=space.neurons_per_block,
    )
