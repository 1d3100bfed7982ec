"""The searches by name. The table is lazy: DEAP and Optuna are imported by the strategy that needs them.

`strategy` is the contract. `proposers` are the searches, which `generational` and `asynchronous` drive: both count by
`numbering`, keep what is asked in `pending`, and what was learnt in the `archive`, whose scores `shrinkage` denoises.
`surrogate` predicts scores, `selection` breeds; `one_blas_thread` keeps their linear algebra on one thread."""

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from evoact.errors import UserError, short
from evoact.genomes.genome import Genome
from evoact.genomes.space import SearchSpace
from evoact.records import Result, TrainResult, in_proposal_order
from evoact.registry import lookup, unknown
from evoact.strategies.archive import Archive
from evoact.strategies.asynchronous import Asynchronous
from evoact.strategies.generational import Generational
from evoact.strategies.numbering import Numbering, cost_of
from evoact.strategies.proposers.warm_start import WarmStarted
from evoact.strategies.strategy import Proposer, Strategy

STRATEGIES: Mapping[str, tuple[str, str]] = {
    "evolution": ("evolution", "Evolution"),
    "optuna": ("optuna_search", "OptunaSearch"),
    "hybrid": ("hybrid", "Hybrid"),
    "random": ("random_search", "RandomSearch"),
    "enumerate": ("enumerate", "Enumerate"),
    "discretise": ("discretise", "Discretise"),
    "bilevel": ("learned_diversity", "Bilevel"),
    "successive_halving": ("successive_halving", "SuccessiveHalving"),
}

# What a proposer is made with and no config sets; genomes are given by the stages of a run.
MADE_WITH = ("space", "seed", "networks")
NO_SETTINGS = (*MADE_WITH, "genomes")


def strategy_class(name: str) -> Any:
    """Return the named strategy's proposer class.

    Raises:
        UserError: for an unknown strategy, naming the nearest.
    """
    module, attribute = lookup(STRATEGIES, "strategy", name)
    return getattr(import_module(f"evoact.strategies.proposers.{module}"), attribute)


def proposer(
    name: str,
    space: SearchSpace,
    seed: int,
    options: Mapping[str, Any],
    networks: int | None = None,
    examples: int = 0,
) -> Proposer:
    """Return the named strategy's proposer, with its own settings from `options`; one that plans its budget is told
    `networks`, less what its meta-trainings cost if a network is of so many gradient-examples.

    Raises:
        UserError: for an unknown strategy or setting, naming the nearest, or a setting out of range.
    """
    cls = strategy_class(name)
    parameters = inspect.signature(cls).parameters
    settings = [p for p in parameters if p not in MADE_WITH]
    for option in options:
        if option not in settings:
            raise UserError(unknown(f"setting of strategy {name!r}", option, settings))
    budget = {"networks": networks} if networks and "networks" in parameters else {}
    made: Any = cls(space=space, seed=seed, **budget, **options)
    if networks and budget and examples:
        cost = cost_of(made.meta_trainings, examples)
        made = replace(made, networks=max(1, networks - cost)) if cost else made
    found: Proposer = made
    return found


def proposer_within(
    key: str,
    name: str,
    space: SearchSpace,
    seed: int,
    settings: Mapping[str, Any],
    networks: int | None = None,
) -> Proposer:
    """Return a proposer that is a part of another one, whose setting `key` has its settings.

    Raises:
        UserError: as `proposer` does, and for settings of another type, a text for a number.
    """
    if not isinstance(settings, Mapping):
        raise UserError(f"expected settings of strategy {name!r} as {key}, got {short(settings)}")
    try:
        return proposer(name, space, seed, settings, networks)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(
            f"expected settings of strategy {name!r} in {key}, got {short(settings)}: {error}"
        ) from None


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
    surrogates: Sequence[Sequence[float]] = (),
    island: Callable[[Proposer], Proposer] = lambda proposer: proposer,
) -> Strategy:
    """Return the named strategy, ready to be asked.

    Args:
        name: which one, of `STRATEGIES`.
        space: what to search; its sites are the network's.
        seed: of all its randomness.
        networks: the budget.
        steps: the budget of each network.
        batch_size: examples of a step, which tell how many networks a meta-training is worth.
        replicates: seeds rotate over 0 .. replicates - 1, one per generation.
        phase: of the run.
        first_index: where the ask index starts; the phases of a run share it.
        earlier: the complete results of earlier phases of the run: their candidates keep their ids,
            and those of as many steps count as evaluated.
        options: settings of the strategy.
        warm: genomes to begin with.
        surrogates: the hyperparameters of earlier searches' surrogates, whatever their task.
        island: makes of the search one that others come to.

    Raises:
        UserError: for an unknown strategy or setting, naming the nearest, or a value out of range.
    """
    earlier = list(earlier)
    idea = proposer(name, space, seed, options or {}, networks + len(earlier), steps * batch_size)
    numbering = Numbering(
        space.sites,
        idea.shares,
        strategy=idea.name,
        networks=networks,
        steps=steps,
        batch_size=batch_size,
        replicates=replicates,
        phase=phase,
        first_index=first_index,
    )
    driver: Callable[..., Strategy] = Asynchronous if idea.asynchronous else Generational
    idea = island(idea)
    return driver(
        WarmStarted(idea, tuple(warm)) if warm else idea,
        numbering,
        _known(numbering, steps, earlier, surrogates),
    )


def _known(
    numbering: Numbering, steps: int, earlier: Iterable[Result], surrogates: Sequence[Sequence[float]]
) -> Archive:
    """Results of earlier phases that the numbering takes note of, and what was known before them."""
    whole = []
    for result in in_proposal_order(earlier):
        numbering.know(result.proposal)
        if isinstance(result, TrainResult) and result.proposal.steps == steps:
            rung = numbering.last_rung
            same = result.proposal.rung == rung
            whole.append(result if same else replace(result, proposal=replace(result.proposal, rung=rung)))
    return Archive.of(whole, surrogates)
