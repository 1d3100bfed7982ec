"""The default search: Optuna chooses what to build from, evolution assigns it to the neurons.

Each Optuna trial fixes a set of functions, a flavour (one kind of activation or of hull, or mixed) and a
learning rate, that is, a sub-space, in which evolution assigns neurons to types. Optuna is then told the
mean of the trial's denoised scores, never the maximum: that grows with the number of evaluations whatever
the trial is worth. Beside it evolution searches the whole space, and the half that pays off grows.
"""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from evoact.errors import UserError
from evoact.genomes.encoding import Chooser, Given, Value
from evoact.genomes.space import SearchSpace
from evoact.genomes.variation import adopted
from evoact.seeding import derive, generator, python_random
from evoact.strategies.archive import Archive, Candidate, scores_by_context
from evoact.strategies.proposers.evolution import GROWTH
from evoact.strategies.proposers.optuna_search import Told, suggest
from evoact.strategies.selection.breeding import breed, immigrants, parents_in
from evoact.strategies.strategy import WHOLE, Draft, reevaluation
from evoact.strategies.surrogate.surrogate import Surrogate, recommended, surrogate
from evoact.strategies.surrogate.thompson import survivors, winners

# No half is ever starved: it would never be seen to pay off again.
LEAST_SHARE = 0.1
RECENT = 128
BEST = 0.2


@dataclass(frozen=True)
class Hybrid:
    """Generations of `batch` proposals, or of a sixteenth of all results so far if that is more, in two halves.

    One half is Optuna's: it fixes sub-spaces, and evolution assigns neurons within each, `evaluations`
    proposals a trial. The other half is evolution's over the whole space. How large each is, follows from how
    many of its recent candidates are among the best (`optuna_share`). In both, children of candidates that a
    posterior sample of the surrogate lets survive compete in further samples for being trained; in the second
    half the best candidates known compete for another evaluation, too, at most `elites` of them.

    The first `startup` candidates are drawn at random. Where a sub-space has nothing new, random samples of
    the whole space take its place. What a trial fixed stands in the context of its proposals, so that a
    replay need not ask Optuna again.
    """

    space: SearchSpace
    seed: int = 0
    batch: int = 16
    evaluations: int = 4
    elites: int = 8
    parents: int = 16
    tournament: int = 3
    crossover: float = 0.5
    offspring: int = 96
    startup: int = 24

    name = "hybrid"
    independent = False
    from_space = True
    meta_trainings = ()
    shares = WHOLE
    asynchronous = False

    def __post_init__(self) -> None:
        for name in ("batch", "evaluations", "parents", "tournament", "offspring"):
            if getattr(self, name) < 1:
                raise UserError(f"expected {name} of at least 1, got {getattr(self, name)}")
        if self.elites < 0 or not 0 <= self.crossover <= 1:
            raise UserError(
                "expected elites of at least 0 and a crossover probability from 0 to 1, "
                f"got {self.elites} and {self.crossover}"
            )

    def propose(self, generation: int, archive: Archive) -> list[Draft]:
        size = max(self.batch, archive.results // GROWTH)
        seed = derive(self.seed, "hybrid", generation)
        if len(archive) < self.startup:
            return immigrants(self.space, size, seed)
        model = surrogate(archive)
        if model is None:
            parents = archive.best(self.parents)
        else:
            parents = survivors(model, self.parents, generator(seed, "parents"))
        trials = round(optuna_share(archive) * size / self.evaluations)
        drafts: list[Draft] = []
        for context in self._asked(trials, archive, seed):
            drafts += self._in_sub_space(context, parents, model, archive, seed)
        rest = size - len(drafts)
        drafts += self._anywhere(rest, parents, model, archive, {d.fingerprint for d in drafts}, seed)
        return drafts + immigrants(self.space, size - len(drafts), seed)

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return recommended(archive, k)

    def _anywhere(
        self,
        count: int,
        parents: Sequence[Candidate],
        model: Surrogate | None,
        archive: Archive,
        taken: Collection[str],
        seed: int,
    ) -> list[Draft]:
        """Evolution's half: children of the whole space, and candidates to be evaluated again."""
        wanted = max(self.offspring, count)
        children = self._children(self.space, parents, wanted, archive, derive(seed, "anywhere"))
        children = [child for child in children if child.fingerprint not in taken]
        elites = self.elites * count // self.batch
        if model is None:
            kept = [reevaluation(c) for c in archive.best(elites)]
            return (kept + children)[:count]
        return winners(model, children, count, elites, generator(seed, "anywhere"))

    def _in_sub_space(
        self,
        context: str,
        parents: Sequence[Candidate],
        model: Surrogate | None,
        archive: Archive,
        seed: int,
    ) -> list[Draft]:
        """A trial's proposals: children of the parents, carried over into its sub-space."""
        trial = json.loads(context)
        _, space = sub_space(self.space, Given(trial["values"]))
        seed = derive(seed, trial["trial"])
        draw = python_random(seed, "adopted")
        carried = [replace(c, genome=adopted(space, c.genome, draw)) for c in parents]
        wanted = self.evaluations if model is None else 4 * self.evaluations
        children = self._children(space, carried, wanted, archive, seed)
        if model is not None:
            children = winners(model, children, self.evaluations, 0, generator(seed, "sub-space"))
        return [replace(child, context=context) for child in children]

    def _children(
        self, space: SearchSpace, parents: Sequence[Candidate], count: int, archive: Archive, seed: int
    ) -> list[Draft]:
        return breed(
            space,
            parents_in(space, parents),
            count,
            seed=seed,
            tournament=self.tournament,
            crossover=self.crossover,
            seen=archive.rows,
        )

    def _asked(self, count: int, archive: Archive, seed: int) -> list[str]:
        """The contexts of so many new trials of Optuna's."""
        chosen: list[dict[str, Value]] = []
        if count:
            history = self._history(archive)
            first = 1 + max((number for number, _ in history), default=-1)
            suggest(
                [told for _, told in history],
                count,
                derive(seed, "trials"),
                lambda chooser: chosen.append(sub_space(self.space, chooser)[0]),
            )
        return [
            json.dumps({"trial": first + i, "values": values}, separators=(",", ":"))
            for i, values in enumerate(chosen)
        ]

    def _history(self, archive: Archive) -> list[tuple[int, Told]]:
        """The number of each trial and what it came to, its mean denoised score, in order."""
        found = []
        for context, scores in scores_by_context(archive).items():
            trial = json.loads(context)
            given = Given(trial["values"])
            sub_space(self.space, given)
            score = sum(scores) / len(scores) if scores else None
            found.append((trial["trial"], Told(trial["values"], given.domains, score)))
        return sorted(found, key=lambda pair: pair[0])


def optuna_share(archive: Archive) -> float:
    """Return the share of a generation that is Optuna's, between `LEAST_SHARE` and 1 - `LEAST_SHARE`.

    Each half is paid by its rate of success: how many of its candidates among the `RECENT` last are in the
    best fifth of all, by shrunken mean. Both start with one success in two.
    """
    rows = archive.usable()
    if not len(rows):
        return 0.5
    worth = archive.posterior(rows).mean
    good = set(rows[worth >= np.quantile(worth, 1 - BEST)].tolist())
    optunas = {row for members in archive.by_context.values() for row in members}
    rates = []
    recent = rows[-RECENT:].tolist()
    for half in ([r for r in recent if r in optunas], [r for r in recent if r not in optunas]):
        rates.append((1 + len(good.intersection(half))) / (2 + len(half)))
    share = rates[0] / sum(rates)
    return min(max(share, LEAST_SHARE), 1 - LEAST_SHARE)


def sub_space(space: SearchSpace, chooser: Chooser) -> tuple[dict[str, Value], SearchSpace]:
    """Return the values and the sub-space of a trial.

    Where the chosen functions are too few for the flavour, the next ones of the space join them; the
    values returned say so.

    >>> from evoact.genomes.genome import Site
    >>> from evoact.genomes.space import choices
    >>> base = choices("base", name=("relu", "sin", "abs"))
    >>> space = SearchSpace("s", (Site("h", 4),), (base,), (2, 3), (0.1, 1.0))
    >>> answers = {"use.relu": "no", "use.sin": "no", "use.abs": "yes", "learning_rate": 0}
    >>> values, narrowed = sub_space(space, Given(answers))
    >>> narrowed.functions, narrowed.learning_rates
    (('relu', 'abs'), (0.1,))
    """
    flavours = space.flavours
    flavour = chooser.category("flavour", flavours) if len(flavours) > 1 else flavours[0]
    used = [f for f in space.functions if chooser.category(f"use.{f}", ("yes", "no")) == "yes"]
    rate = chooser.integer("learning_rate", 0, len(space.learning_rates) - 1)
    spare = [f for f in space.functions if f not in used]
    while True:
        try:
            narrowed = space.restrict(used or spare[:1], flavour, (space.learning_rates[rate],))
            break
        except UserError:
            if not spare:
                raise
            used.append(spare.pop(0))
    kept = used or spare[:1]
    values: dict[str, Value] = {f"use.{f}": "yes" if f in kept else "no" for f in space.functions}
    if len(flavours) > 1:
        values["flavour"] = flavour
    return values | {"learning_rate": rate}, narrowed
