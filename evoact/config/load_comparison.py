"""Reading comparisons, with every mistake in them: each arm is checked as the experiment that it is."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from evoact.config.experiment import Experiment
from evoact.config.inlined import inline_files, inline_plugins
from evoact.config.load import experiment
from evoact.config.messages import sentences
from evoact.config.plan import Plan
from evoact.config.schema import Arm, Arms, Budget, Config
from evoact.config.width_controls import MARGIN, larger_arms, matched
from evoact.config.yaml_files import find_config, override, read_yaml
from evoact.errors import ConfigError
from evoact.registry import unknown
from evoact.tasks.outline import Outline
from evoact.tasks.task import Task
from evoact.yaml_text import check_size

# Of a comparison: each search's winner is chosen among its best three on the first seeds and judged on the others. Base
# functions are an arm of their own, so that no baseline stands beside it.
CONFIRM = {"candidates": 3, "baselines": 0, "seeds": 5, "judge": 15}
ROOMY = 2**29  # networks
_COMMON = tuple(key for key in Config.model_fields if key != "baselines")
_NO_BASELINES = "baselines: expected none in a comparison; base functions are an arm of their own"


def load_comparison(path: str | Path, overrides: Sequence[str] = ()) -> Plan:
    """Return the comparison in a YAML file; the arguments are those of `load`.

    Raises:
        ConfigError: naming every mistake in it.
    """
    path = find_config(path)
    data = read_yaml(path)
    if "arms" not in data:
        raise ConfigError(
            str(path), ["expected a comparison with `arms`, got none; run an experiment with `evoact search`"]
        )
    problems = _overridden(data, overrides, Path(path).parent)
    if not data.get("name"):
        data["name"] = Path(path).stem
    return _checked_comparison(data, str(path), problems)


def _overridden(data: dict[str, Any], overrides: Sequence[str], beside: Path) -> list[str]:
    """Apply all overrides, and put what other files say inside; return what is wrong with them."""
    problems = _inline_all(data, beside)
    for text in overrides:
        problems += _unknown_arm(data, text) or override(data, text)
    return problems + (_inline_all(data, beside) if overrides else [])


def _unknown_arm(data: Mapping[str, Any], text: str) -> list[str]:
    """Problems of an override of an unknown arm: a typing error would make a new arm."""
    section, *names = text.partition("=")[0].strip().split(".")
    arms = data.get("arms")
    if section != "arms" or len(names) < 2 or not isinstance(arms, dict) or names[0] in arms:
        return []
    return [f"arms: {unknown('arm', names[0], arms)}"]


def comparison(
    data: Mapping[str, Any],
    source: str = "config",
    task: Task | None = None,
    overrides: Sequence[str] = (),
) -> Plan:
    """Return the comparison described by plain data, the spaces inside it; `task` stands for its task, if it is given,
    and `overrides` are those of `load`.

    Raises:
        ConfigError: naming every mistake in it.
    """
    check_size(data, source)
    own = copy.deepcopy(dict(data))
    return _checked_comparison(own, source, _overridden(own, overrides, Path()), task)


def read_plan(data: Mapping[str, Any], source: str = "config", task: Task | None = None) -> Plan:
    """Return what plain data describes, a search or a comparison, as a run directory holds it.

    Raises:
        ConfigError: naming every mistake in it.
    """
    return comparison(data, source, task) if "arms" in data else Plan.of(experiment(data, source, task))


def _checked_comparison(
    data: Mapping[str, Any], source: str, problems: Sequence[str], task: Task | None = None
) -> Plan:
    check_size(data, source)
    problems = [*problems, *_key_problems(data)]
    try:
        own = Arms.model_validate({k: v for k, v in data.items() if k in Arms.model_fields})
    except ValidationError as error:
        raise ConfigError(source, [*problems, *sentences(error, Arms)]) from None
    common = {k: v for k, v in data.items() if k in _COMMON}
    if isinstance(common.get("confirm", {}), Mapping):  # anything else is a mistake of every arm
        common["confirm"] = {**CONFIRM, **common.get("confirm", {})}
    problems += _own_problems(own, common)
    arms: dict[str, Experiment] = {}
    for name, arm in own.arms.items():
        try:
            made = _amortised if arm.amortised else experiment
            arms[name] = made(_arm(common, own, name, arm), source, task)
        except ConfigError as error:
            problems += [_placed(problem, name, arm) for problem in error.problems]
    if problems:
        raise ConfigError(source, dict.fromkeys(problems))
    reference = own.reference or next(iter(own.arms))
    controls = {name: tuple(arm.control_of) for name, arm in own.arms.items() if arm.control_of}
    compared = Plan(
        name=data.get("name", ""),
        description=data.get("description", ""),
        seed=data.get("seed", 0),
        repeats=own.repeats,
        reference=reference,
        scaled=own.scaled or "",
        equivalence=own.equivalence,
        arms=arms,
        controls=controls,
        groups={name: arm.group for name, arm in own.arms.items() if arm.group},
        amortised=frozenset(name for name, arm in own.arms.items() if arm.amortised),
    )
    # What a run keeps is complete, and who only reads it has no network to count the parameters of.
    return compared if isinstance(task, Outline) else _with_controls(compared, own, common, source)


def _amortised(data: Mapping[str, Any], source: str, task: Task | None) -> Experiment:
    """An arm whose budget is larger by what its meta-training takes.

    Raises:
        ConfigError: if it has no meta-training, beside all that `checked` finds.
    """
    # However large the meta-training: the budget that holds it is only known when it is made.
    roomy = experiment({**data, "budget": {"networks": ROOMY}}, source, task)
    cost = roomy.meta_cost
    if not cost:
        raise ConfigError(
            source,
            [f"amortised: expected an arm with meta-training, got strategy {roomy.config.strategy.name}"],
        )
    try:
        budget = Budget.model_validate(data.get("budget"))
    except ValidationError as error:
        raise ConfigError(source, [f"budget.{problem}" for problem in sentences(error, Budget)]) from None
    base = replace(roomy, config=roomy.config.model_copy(update={"budget": budget}))
    return experiment({**data, "budget": {"networks": base.networks + cost}}, source, task)


def _arm(common: Mapping[str, Any], own: Arms, name: str, arm: Arm) -> dict[str, Any]:
    """An arm as the plain data of an experiment."""
    data = copy.deepcopy(dict(common)) | {"name": name, "baselines": {"replicates": 0}}
    if arm.description:
        data["description"] = arm.description
    for key in ("space", "strategy", "network"):
        if getattr(arm, key) is not None:
            data[key] = copy.deepcopy(getattr(arm, key))
    rates = arm.learning_rate or own.learning_rate
    if rates is not None and isinstance(data.get("space"), Mapping):
        data["space"] = {**data["space"], "learning_rate": rates}
    if arm.training and isinstance(data.get("training", {}), Mapping):
        shared = dict(data.get("training", {}))
        if {"steps", "epochs"} & arm.training.keys():  # the one that is given stands for the other
            shared = {k: v for k, v in shared.items() if k not in ("steps", "epochs")}
        data["training"] = shared | dict(arm.training)
    return data


def _placed(problem: str, name: str, arm: Arm) -> str:
    """A problem of an arm's experiment, said of the arm if it is the arm's own."""
    section = problem.split(":")[0].split(".")[0]
    own = getattr(arm, section, None)
    return f"arms.{name}.{problem}" if own else problem


def _with_controls(made: Plan, own: Arms, common: Mapping[str, Any], source: str) -> Plan:
    """The comparison with a width-matched control for each larger arm that has none yet; arms of about the same
    size share one.

    Raises:
        ConfigError: if an arm has the name of such a control.
    """
    has_one = {name for names in made.controls.values() for name in (*names, *made.controls)}
    larger = larger_arms({n: e for n, e in made.arms.items() if n not in has_one}, made.reference)
    arms, controls = dict(made.arms), dict(made.controls)
    reference = own.arms[made.reference]
    while larger:
        most = max(larger.values())
        names = tuple(name for name, n in larger.items() if n * (1 + MARGIN) >= most)
        larger = {name: n for name, n in larger.items() if name not in names}
        name = f"{made.reference} as large as {', '.join(names)}"
        if name in arms:
            raise ConfigError(
                source,
                [
                    f"arms.{name}: expected another name, got that of the control of {', '.join(names)}; rename it"
                ],
            )
        wide = reference.model_copy(update={"network": matched(made.arms[made.reference], most)})
        arms[name] = experiment(_arm(common, own, name, wide), source, made.task)
        controls[name] = names
    return replace(made, arms=arms, controls=controls)


def _key_problems(data: Mapping[str, Any]) -> list[str]:
    known = (*Arms.model_fields, *_COMMON)
    return [
        _NO_BASELINES if key == "baselines" else unknown("key", str(key), known)
        for key in data
        if key not in known
    ]


def _own_problems(own: Arms, common: Mapping[str, Any]) -> list[str]:
    problems = []
    for key, name in (("reference", own.reference), ("scaled", own.scaled)):
        if name is not None and name not in own.arms:
            problems.append(f"{key}: {unknown('arm', name, own.arms)}")
    if own.reference is not None and own.reference == own.scaled:
        problems.append(f"scaled: expected another arm than the reference, got {own.scaled!r} for both")
    budget = common.get("budget")
    if isinstance(budget, Mapping) and budget.get("minutes") is not None:
        problems.append(
            "budget.minutes: expected networks or gradient_examples in a comparison, because all arms must spend the "
            f"same, got {budget['minutes']!r} minutes"
        )
    execution = common.get("execution")
    if isinstance(execution, Mapping) and execution.get("backend") == "table":
        problems.append(
            "execution.backend: expected local or ray_tune in a comparison, because each repeat trains its own "
            "networks, got table"
        )
    confirm = common.get("confirm")
    confirm = confirm if isinstance(confirm, Mapping) else {}
    if confirm.get("baselines"):
        problems.append(f"confirm.{_NO_BASELINES}")
    if confirm.get("candidates") == 0:
        problems.append("confirm.candidates: expected at least 1, because winners are compared, got 0")
    return problems


def _inline_all(data: dict[str, Any], beside: Path) -> list[str]:
    """Put what other files say inside, of all arms; return what is wrong with them."""
    problems = inline_files(data, beside)
    arms = data.get("arms")
    for name, arm in arms.items() if isinstance(arms, dict) else ():
        if isinstance(arm, dict):
            problems += [f"arms.{name}.{problem}" for problem in inline_files(arm, beside)]
    return problems + inline_plugins(data, beside)
