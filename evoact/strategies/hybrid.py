"""The default search: Optuna chooses what to build from, evolution assigns it to the neurons.

Each Optuna trial fixes a set of functions, a flavour (one kind of activation or of hull, or
mixed) and a learning rate, that is, a sub-space. Within it evolution assigns neurons to types for a
few rounds. Optuna is then told the mean of the trial's denoised scores, never the maximum: that
grows with the number of evaluations whatever the trial is worth.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

from evoact.errors import UserError
from evoact.genomes.encoding import Chooser, Drawn, Given, Value
from evoact.genomes.operators import adopted
from evoact.genomes.space import SearchSpace
from evoact.seeding import derive, python_random
from evoact.strategies.archive import Archive, Candidate, scores_by_context
from evoact.strategies.evolution import breed, immigrants, parents_in
from evoact.strategies.optuna_search import Told, suggest
from evoact.strategies.strategy import WHOLE, Draft


@dataclass(frozen=True)
class Hybrid:
    """Cohorts of `trials` sub-spaces, each given `evaluations` proposals in each of `rounds` generations.

    A generation also re-evaluates the `elites` best candidates on fresh replicates. Parents are the
    best `parents` candidates of the whole archive, carried over into the trial's sub-space. The first
    `startup` trials are drawn at random; where a sub-space has nothing new, random samples of the
    whole space take its place. What a trial fixed stands in the context of its proposals, so that a
    replay need not ask Optuna again.
    """

    space: SearchSpace
    seed: int = 0
    trials: int = 4
    evaluations: int = 7
    rounds: int = 1
    elites: int = 4
    parents: int = 8
    tournament: int = 3
    crossover: float = 0.5
    startup: int = 4

    name = "hybrid"
    independent = False
    shares = WHOLE

    def __post_init__(self) -> None:
        for name in ("trials", "evaluations", "rounds", "parents", "tournament"):
            if getattr(self, name) < 1:
                raise UserError(f"expected {name} of at least 1, got {getattr(self, name)}")
        if self.elites < 0 or not 0 <= self.crossover <= 1:
            raise UserError(
                "expected elites of at least 0 and a crossover probability from 0 to 1, "
                f"got {self.elites} and {self.crossover}"
            )

    def propose(self, generation: int, archive: Archive) -> list[Draft]:
        cohort, round_ = divmod(generation, self.rounds)
        contexts = self._asked(cohort, archive) if round_ == 0 else self._running(cohort, archive)
        drafts = [Draft(c.genome, parents=(c.index,)) for c in archive.best(self.elites)]
        top = archive.best(self.parents)
        for context in contexts:
            drafts += self._bred(generation, context, top, archive)
        missing = self.elites + self.trials * self.evaluations - len(drafts)
        return drafts + immigrants(self.space, missing, derive(self.seed, "hybrid", generation))

    def _bred(self, generation: int, context: str, top: Sequence[Candidate], archive: Archive) -> list[Draft]:
        """A trial's proposals of this generation, from the best candidates, carried over into its sub-space."""
        trial = json.loads(context)
        _, space = sub_space(self.space, Given(trial["values"]))
        seed = derive(self.seed, "hybrid", generation, trial["trial"])
        draw = python_random(seed, "adopted")
        drafts = breed(
            space,
            parents_in(space, [replace(c, genome=adopted(space, c.genome, draw)) for c in top]),
            self.evaluations,
            seed=seed,
            tournament=self.tournament,
            crossover=self.crossover,
            seen=archive.rows,
        )
        return [Draft(draft.genome, draft.parents, context=context) for draft in drafts]

    def _asked(self, cohort: int, archive: Archive) -> list[str]:
        """The contexts of a cohort's new trials: at random while starting up, then from Optuna."""
        first = cohort * self.trials
        seed = derive(self.seed, "trials", cohort)
        chosen: list[dict[str, Value]] = []

        def choose(chooser: Chooser) -> None:
            chosen.append(sub_space(self.space, chooser)[0])

        if first < self.startup:
            for i in range(self.trials):
                choose(Drawn(python_random(seed, i)))
        else:
            suggest(self._history(first, archive), self.trials, seed, choose)
        return [
            json.dumps({"trial": first + i, "values": values}, separators=(",", ":"))
            for i, values in enumerate(chosen)
        ]

    def _running(self, cohort: int, archive: Archive) -> list[str]:
        """The contexts of a cohort, as they stand in the archive."""
        numbers = {json.loads(context)["trial"]: context for context in archive.by_context}
        first = cohort * self.trials
        return [numbers[i] for i in range(first, first + self.trials) if i in numbers]

    def _history(self, before: int, archive: Archive) -> list[Told]:
        """All trials with a lower number, in order, each with its mean denoised score."""
        found = []
        for context, scores in scores_by_context(archive).items():
            trial = json.loads(context)
            if trial["trial"] < before:
                given = Given(trial["values"])
                sub_space(self.space, given)
                score = sum(scores) / len(scores) if scores else None
                found.append((trial["trial"], Told(trial["values"], given.domains, score)))
        return [told for _, told in sorted(found, key=lambda pair: pair[0])]


def sub_space(space: SearchSpace, chooser: Chooser) -> tuple[dict[str, Value], SearchSpace]:
    """The values and the sub-space of a trial.

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
