"""The searches by name. The table is lazy: DEAP and Optuna are imported by the strategy that needs them."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from evoact.errors import UserError
from evoact.genomes.genome import Genome
from evoact.genomes.space import SearchSpace
from evoact.records import Result
from evoact.registry import lookup, unknown
from evoact.strategies.asynchronous import Asynchronous
from evoact.strategies.generational import Generational
from evoact.strategies.strategy import Proposer, Strategy
from evoact.strategies.warm_start import WarmStarted

STRATEGIES: Mapping[str, tuple[str, str]] = {
    "evolution": ("evolution", "Evolution"),
    "optuna": ("optuna_search", "OptunaSearch"),
    "hybrid": ("hybrid", "Hybrid"),
    "random": ("random_search", "RandomSearch"),
    "enumerate": ("enumerate", "Enumerate"),
    "discretise": ("discretise", "Discretise"),
    "bilevel": ("bilevel", "Bilevel"),
    "successive_halving": ("successive_halving", "SuccessiveHalving"),
}


def proposer(name: str, space: SearchSpace, seed: int, options: Mapping[str, Any]) -> Proposer:
    """The named strategy's proposer, with its own settings from `options`.

    Raises:
        UserError: for an unknown strategy or setting, naming the nearest, or a setting out of range.
    """
    module, attribute = lookup(STRATEGIES, "strategy", name)
    cls = getattr(import_module(f"evoact.strategies.{module}"), attribute)
    settings = [p for p in inspect.signature(cls).parameters if p not in ("space", "seed")]
    for option in options:
        if option not in settings:
            raise UserError(unknown(f"setting of strategy {name!r}", option, settings))
    made: Proposer = cls(space=space, seed=seed, **options)
    return made


def create(
    name: str,
    space: SearchSpace,
    *,
    seed: int,
    networks: int,
    steps: int,
    batch_size: int = 100,
    replicates: int = 10,
    phase: str = "search",
    first_index: int = 0,
    earlier: Iterable[Result] = (),
    options: Mapping[str, Any] | None = None,
    warm: Sequence[Genome] = (),
) -> Strategy:
    """The named strategy, ready to be asked; `warm` are the genomes it begins with, the other arguments those of
    `Generational`.

    Raises:
        UserError: for an unknown strategy or setting, naming the nearest, or a value out of range.
    """
    idea = proposer(name, space, seed, options or {})
    # What is asynchronous can promote, too.
    driver: Callable[..., Strategy] = Asynchronous if idea.asynchronous else Generational
    return driver(
        WarmStarted(idea, tuple(warm)) if warm else idea,
        space.sites,
        networks=networks,
        steps=steps,
        batch_size=batch_size,
        replicates=replicates,
        phase=phase,
        first_index=first_index,
        earlier=earlier,
    )
