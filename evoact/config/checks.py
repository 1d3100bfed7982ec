"""Checks of a config whose types are right: unknown names, sizes that cannot be met."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from types import UnionType
from typing import Any, get_args, get_origin

from evoact.config.experiment import Experiment
from evoact.config.inlined import plugins_of
from evoact.config.meta_checks import check_meta_training
from evoact.config.schema import MOST, Config, Named
from evoact.config.spaces import space_problems
from evoact.errors import ConfigError, UserError, counted, short
from evoact.genomes.field_options import is_finite
from evoact.genomes.genome import from_json
from evoact.genomes.hyperparameters import LEARNING_RATE, OF_NETWORKS
from evoact.networks import NETWORKS
from evoact.networks.own.named import FOUND, SYMMETRIES
from evoact.plugins import found, is_plugged
from evoact.registry import unknown
from evoact.strategies import NO_SETTINGS, STRATEGIES, strategy_class
from evoact.tasks import TASKS
from evoact.tasks.outline import Outline
from evoact.tasks.task import Task
from evoact.trackers import MADE_WITH, TRACKERS, tracker_class
from evoact.training.optimizers import FROM_PACK, OPTIMIZERS
from evoact.training.schedules import SCHEDULES

LONGEST_LIST = 1000  # as an argument
# Lengths and variances of a surrogate of one signal or two (`strategies/surrogate/gaussian_process.py`).
OF_ONE_SIGNAL, OF_TWO_SIGNALS = 5, 8
PLUGGED = ("network", "task")  # what plugins have, beside base functions


def problems_of(config: Config, known: Sequence[str], task: Task | None = None) -> list[str]:
    """Return what is wrong with a config whose types are right; `known` is what was found already, `task` what stands
    for the task if its data is not to be read.
    """
    problems = [
        *_named(config, executes=not isinstance(task, Outline)),
        *_searched_settings(config),
        *_contradictions(config),
        *space_problems(config.space),
    ]
    for i, genome in enumerate((config.warm_start and config.warm_start.genomes) or ()):
        problems += _objections(f"warm_start.genomes.{i}", partial(_begins, genome))
    for i, values in enumerate((config.warm_start and config.warm_start.surrogates) or ()):
        if len(values) not in (OF_ONE_SIGNAL, OF_TWO_SIGNALS):
            problems.append(
                f"warm_start.surrogates.{i}: expected {OF_ONE_SIGNAL} or {OF_TWO_SIGNALS} lengths and variances, as in "
                f"the resolved config of a run, got {len(values)}; leave it out"
            )
    wrong = {problem.split(":")[0].split(".")[0] for problem in (*known, *problems)}
    made = Experiment(config)
    return problems + _object_problems(made if task is None else made.sharing(task), wrong)


def _named(config: Config, executes: bool) -> Iterator[str]:
    """Names that no table has, and arguments that do not fit what is named; those of plugins need their code."""
    for key, named, table, skip in (
        ("task", config.task, TASKS, ()),
        ("network", config.network, NETWORKS, ("input_shape", "n_outputs")),
        ("training.optimizer", config.training.optimizer, OPTIMIZERS, FROM_PACK),
        ("training.schedule", config.training.schedule, SCHEDULES, ()),
        ("strategy", config.strategy, STRATEGIES, NO_SETTINGS),
    ):
        if key in PLUGGED and is_plugged(named.name):
            if executes:
                yield from _plugged(config, key, named, skip)
            continue
        if named.name not in table:
            yield f"{key}.name: {unknown(key.split('.')[-1], named.name, table)}"
            continue
        build: Any = strategy_class(named.name) if key == "strategy" else table[named.name]
        yield from _argument_problems(key, build, named.arguments, skip)
    yield from _tracker_problems(config.trackers)


def _tracker_problems(trackers: Sequence[Named]) -> Iterator[str]:
    """Problems of trackers' names and options; whether their packages are there shows when a run begins."""
    for i, named in enumerate(trackers):
        if named.name not in TRACKERS:
            yield f"trackers.{i}.name: {unknown('tracker', named.name, TRACKERS)}"
        elif named.name in {other.name for other in trackers[:i]}:
            yield f"trackers.{i}: expected each tracker once, got {named.name!r} again; leave one out"
        else:
            cls = tracker_class(named.name)
            yield from _argument_problems(f"trackers.{i}", cls, named.arguments, MADE_WITH)


def _plugged(config: Config, key: str, named: Named, skip: Sequence[str]) -> Iterator[str]:
    """Problems of a plugin's network or task."""
    try:
        build = found(plugins_of(config), key, named.name)
    except UserError as error:
        yield f"{key}.name: {error}"
        return
    of_run = (FOUND, SYMMETRIES) if key == "network" else ()
    own = {name: value for name, value in named.arguments.items() if name not in of_run}
    yield from _argument_problems(key, build, own, skip)


def _contradictions(config: Config) -> Iterator[str]:
    """Values that are right one by one, but not together."""
    training, budget = config.training, config.budget
    if budget.networks is None and budget.gradient_examples is None and budget.minutes is None:
        yield "budget: expected networks, gradient_examples or minutes, got none of them"
    if training.steps is not None and training.epochs is not None:
        yield (
            f"training: expected steps or epochs, got both, {training.steps} and {training.epochs}; leave one out, by "
            "--set training.epochs=null for one"
        )
    if training.early_stop and training.steps is not None and training.early_stop.every >= training.steps:
        yield (
            f"training.early_stop.every: expected fewer than the {counted(training.steps, 'step')} of a network, "
            f"got {training.early_stop.every}"
        )
    if training.curve_at and training.steps is not None and max(training.curve_at) >= training.steps:
        yield (
            f"training.curve_at: expected fewer than the {counted(training.steps, 'step')} of a network, "
            f"got {max(training.curve_at)}"
        )
    if training.early_stop and training.average:
        yield (
            "training.average: expected it without early_stop, since the last steps of a training that may end at any "
            "are not known before, got both; leave one out"
        )
    # What epochs cost shows when the task is made.
    least = (training.steps or 0) * training.batch_size
    if budget.gradient_examples is not None and budget.gradient_examples < least:
        yield f"budget.gradient_examples: expected at least {least} for one network, got {budget.gradient_examples}"
    if (config.execution.backend == "table") != (config.execution.table is not None):
        got = "no file" if config.execution.table is None else f"{config.execution.backend} with a file"
        yield f"execution: expected backend table and its file, table, together, got {got}"


def _begins(data: Mapping[str, Any]) -> None:
    """Raises UserError if a search cannot begin with a genome."""
    genome = from_json(data)
    rate = dict(genome.hyperparameters).get(LEARNING_RATE, 0.0)
    if rate <= 0:
        raise UserError(f"expected a genome with a {LEARNING_RATE} above 0, got {rate:g}")
    if not genome.sites or not all(site.assignment for site in genome.sites):
        raise UserError("expected a genome with neurons at each of its sites, got one without")


def _searched_settings(config: Config) -> list[str]:
    """Problems of the hyperparameters that are searched beside the learning rate."""
    key, named, problems = "space.optimizer", config.training.optimizer, []
    for name, values in config.space.optimizer.items():
        if name in named.arguments:
            problems.append(
                f"{key}.{name}: expected it here or in training.optimizer, got both, {values} and "
                f"{named.arguments[name]}; leave one out"
            )
        elif named.name in OPTIMIZERS:
            given = {name: values[0]}
            problems += _argument_problems(key, OPTIMIZERS[named.name], given, FROM_PACK)
    return problems + list(_network_settings(config))


def _network_settings(config: Config) -> Iterator[str]:
    """Problems of the searched hyperparameters that are arguments of networks."""
    key, network = "space.hyperparameters", config.network
    for name, values in config.space.hyperparameters.items():
        if name not in OF_NETWORKS:
            optimizer = OPTIMIZERS.get(config.training.optimizer.name)
            if optimizer and name in set(inspect.signature(optimizer).parameters) - set(FROM_PACK):
                yield f"{key}: expected arguments of the optimizer in space.optimizer, got {name!r}"
            else:
                yield f"{key}: {unknown('hyperparameter', name, OF_NETWORKS)}"
            continue
        allowed = OF_NETWORKS[name]
        if not all(map(allowed.has, values)):
            yield f"{key}.{name}: expected from {allowed.least:g} to less than {allowed.below:g}, got {short(values)}"
        having = [n for n, build in NETWORKS.items() if name in inspect.signature(build).parameters]
        if (network.name in NETWORKS or is_plugged(network.name)) and network.name not in having:
            yield f"{key}.{name}: expected a network with {name}, one of {', '.join(having)}, got {network.name}"
        if name in network.arguments:
            yield (
                f"{key}.{name}: expected it here or in network, got both, {short(values)} and "
                f"{short(network.arguments[name])}; leave one out"
            )


def _object_problems(made: Experiment, wrong: set[str]) -> list[str]:
    """Problems that only show when the named things are made: a missing file, a width of 0, an empty space.

    `wrong` names the sections in which something was found already; what needs them is not made.
    """
    problems: list[str] = []
    needed: set[str] = set()
    for key, make in (
        ("task", lambda: made.task),
        ("network", lambda: made.network),
        ("space", lambda: made.space),
        ("space", lambda: made.network.with_pieces(made.space.pieces)),
        ("strategy", lambda: made.proposer),
        ("strategy", lambda: check_meta_training(made, counted=made.config.training.steps is not None)),
    ):
        needed.add(key)
        if wrong & needed:
            continue
        found = _objections(key, make)
        if found:
            wrong.add(key)
        problems += found
    if "training" not in wrong:
        schedule = made.config.training.schedule
        problems += _objections("training", lambda: SCHEDULES[schedule.name](**schedule.arguments))
    return problems


def _objections(key: str, make: Callable[[], object]) -> list[str]:
    """Objections of a part of the config to its own arguments when it is made."""
    try:
        make()
    except UserError as error:
        found = error.problems if isinstance(error, ConfigError) else [str(error)]
        return [p if f" {key}." in f" {p}" else f"{key}: {p}" for p in found]
    return []


def _argument_problems(key: str, build: Any, arguments: Mapping[str, Any], skip: Sequence[str]) -> list[str]:
    """Unknown, missing and wrongly typed arguments of a table's entry."""
    try:
        parameters = inspect.signature(build).parameters
    except ValueError:  # of something in C, which says nothing of itself
        return []
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return []  # a plugin's that takes any
    signature = {n: p for n, p in parameters.items() if n not in skip}
    problems = []
    for name in arguments:
        if name not in signature and signature:
            problems.append(f"{key}: {unknown('key', name, signature)}")
        elif name not in signature:
            problems.append(f"{key}: takes no arguments, got {name!r}")
    for name, parameter in signature.items():
        if name in arguments:
            expected = _expected(parameter.annotation, arguments[name])
            if expected:
                problems.append(f"{key}.{name}: expected {expected}, got {short(arguments[name])}")
        elif parameter.default is inspect.Parameter.empty:
            problems.append(f"{key}.{name}: expected a value, got none")
    return problems


def _expected(annotation: Any, value: Any) -> str:
    """The type that an argument should have; empty if it is right, or its type is none of these."""
    if get_origin(annotation) is UnionType:  # X | Y | None
        if value is None and type(None) in get_args(annotation):
            return ""
        found = [_expected(one, value) for one in get_args(annotation) if one is not type(None)]
        return "" if "" in found else " or ".join(found)
    if annotation is float:
        return "" if is_finite(value) else "a finite number"
    if annotation is int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return "an integer" if not whole else "" if abs(value) <= MOST else f"at most {MOST:g}"
    if annotation is str:
        return "" if isinstance(value, str) else "text"
    if annotation is bool:
        return "" if isinstance(value, bool) else "true or false"
    if get_origin(annotation) in (list, tuple, Sequence):
        entry = get_args(annotation)[0]
        if not isinstance(value, list):
            return "a list"
        if len(value) > LONGEST_LIST:
            return f"a list of at most {LONGEST_LIST}"
        wrong = next(filter(None, (_expected(entry, v) for v in value)), "")
        return wrong and f"a list with {wrong} in each place"
    return ""
