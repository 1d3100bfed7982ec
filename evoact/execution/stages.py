"""The stages of a run in one ask/tell: baselines, the search, the confirmation, then the judgement of what it chose.

Each stage is a strategy; the next is made from the results of those before it. Every stage takes its
stored rows when it begins, so a resumed run stands where the interrupted one stood.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence, Set

from evoact.analysis.search_summary import summarise
from evoact.config import Experiment
from evoact.execution.confirmation import as_begun
from evoact.execution.running.kept import Kept, Some
from evoact.execution.warm_start import warm_genomes, warm_surrogates
from evoact.genomes.genome import Genome, fingerprint, structure
from evoact.records import COMPLETED, FIRST_CONFIRMATION_SEED, PHASES, Proposal, Result
from evoact.strategies import create
from evoact.strategies.archive import Archive, best_structures
from evoact.strategies.asynchronous import Asynchronous
from evoact.strategies.proposers.enumerate import baselines
from evoact.strategies.proposers.islands import Island, Migration
from evoact.strategies.strategy import Proposer, Strategy
from evoact.strategies.surrogate.surrogate import recommended


class Stages:
    """Proposals of all stages, in order, with one index space."""

    def __init__(
        self,
        experiment: Experiment,
        seconds: float | None = None,
        stored: Iterable[Result] = (),
        migration: Migration | None = None,
    ):
        """
        Args:
            experiment: what to do
            seconds: after so long, counted from its first ask, the search stage asks no more
            stored: the rows of an interrupted run
            migration: between this search and others, if it is an island
        """
        self._migration = migration
        self.experiment = experiment
        self.seconds = seconds
        self.deadline: float | None = None
        self._results = Kept(stored)
        self._done: Counter[str] = Counter()
        self._last: dict[str, int] = {}  # the last index of each stage
        for result in self._results:
            self._count(result)
        self.in_flight = 0
        self._known: dict[str, int] = {}  # how many networks, of stages on fresh seeds that have begun
        self._of_confirmed: list[Result] = []  # results of the networks that are confirmed, from before that
        self._reached = max(map(PHASES.index, self._done), default=0)
        self._stages = [phase for phase in PHASES if self.planned(phase)]
        self._position = 0
        strategy = self._make()
        assert strategy is not None  # the first stages train whatever happens
        self._strategy = strategy

    def planned(self, phase: str) -> int:
        """Return how many networks a stage trains at most; exactly, of a stage on fresh seeds that has begun."""
        return self._known.get(phase, self.experiment.networks_by_phase[phase])

    def expected(self, phase: str) -> int:
        """Return how many trainings a stage will have been, as far as can be told: of a search that promotes networks
        more than it may train to their end.
        """
        position = self._stages.index(phase) if phase in self._stages else len(self._stages)
        if phase != "search" or position > self._position:
            return self.planned(phase)
        if position == self._position:
            return self._strategy.expected()
        return self._done[phase]

    @property
    def results(self) -> Kept:
        """All results so far, in proposal order: what is computed of them does not depend on which came first."""
        return self._results

    @property
    def phase(self) -> str:
        return self._stages[min(self._position, len(self._stages) - 1)]

    @property
    def finished(self) -> bool:
        self._advance()
        return self._position == len(self._stages)

    def ask(self, n: int) -> list[Proposal]:
        """Return up to n proposals of one stage; none if results must be told first, or all is done."""
        self._advance()
        if self._position == len(self._stages) or self._expired():
            return []
        if self.phase == "search" and self.seconds is not None and self.deadline is None:
            self.deadline = time.monotonic() + self.seconds
        proposals = self._strategy.ask(n)
        self.in_flight += len(proposals)
        return proposals

    def tell(self, results: Sequence[Result]) -> None:
        self._strategy.tell(results)
        self.in_flight -= len(results)
        for result in results:
            self._results.add(result)
            self._count(result)

    def _count(self, result: Result) -> None:
        phase, index = result.proposal.phase, result.proposal.index
        self._done[phase] += 1
        self._last[phase] = max(index, self._last.get(phase, -1))

    def checkpoints(self) -> Set[str]:
        """Return the names of the checkpoints from which a training may yet continue."""
        return frozenset() if self._position == len(self._stages) else self._strategy.checkpoints()

    def _expired(self) -> bool:
        """Whether the clock ended the search, now or before the run was interrupted.

        A search in the order of results does not ask again for rows that were damaged; after the confirmation has
        begun, what it proposed instead would take the indices of that.
        """
        if self.phase != "search":
            return False
        followed = self._reached > PHASES.index("search")
        if self.seconds is None:
            return followed and isinstance(self._strategy, Asynchronous)
        over = self.deadline is not None and time.monotonic() > self.deadline
        return over or self.seconds <= 0 or followed

    def _advance(self) -> None:
        while self._position < len(self._stages) and self.in_flight == 0:
            if not (self._strategy.finished or self._expired()):
                return
            self._next_stage()

    def _next_stage(self) -> None:
        self._position += 1
        if self._position == len(self._stages):
            return
        del self._strategy  # what it knows of a long search need not be in memory beside what is made of it
        strategy = self._make()
        if strategy is None:
            self._position = len(self._stages)  # nothing worked, so there is nothing to confirm or to judge
        else:
            self._strategy = strategy

    def _before(self, phase: str) -> Sequence[str]:
        return PHASES[: PHASES.index(phase)]

    def _first(self, phase: str) -> int:
        """The first index of a stage, once those before it are done."""
        return 1 + max((self._last[p] for p in self._before(phase) if p in self._last), default=-1)

    def _of(self, phase: str) -> list[Result]:
        """The results of a stage."""
        if not self._done[phase]:
            return []
        first, last = self._first(phase), self._last[phase]
        return [r for r in self._results.between(first, last) if r.proposal.phase == phase]

    def _earlier(self, wanted: Callable[[Result], bool] = lambda result: True) -> Some:
        """Those results of the stages before this one that are wanted, in proposal order."""
        before = self._before(self.phase)
        return self._results.where(lambda r: r.proposal.phase in before and wanted(r))

    def _make(self) -> Strategy | None:
        """The strategy of this stage; None if there is nothing for it to do."""
        e, phase, earlier = self.experiment, self.phase, list[Result]()
        options: dict[str, object] = {}
        name, networks = "enumerate", e.networks if phase == "search" else self.planned(phase)
        if phase == "baseline":
            options = {"seeds": tuple(range(e.config.baselines.replicates)), "genomes": baselines(e.space)}
        elif phase == "search":
            name, options, earlier = e.config.strategy.name, e.config.strategy.arguments, self._of("baseline")
        else:
            genomes, seeds = self._on_fresh_seeds(), self._fresh_seeds
            if not genomes:
                return None
            earlier = self._of_networks({fingerprint(genome) for genome in genomes})
            options = {"seeds": seeds, "genomes": genomes}
            networks = self._known[phase] = max(1, len(genomes) * len(seeds))
        strategy = create(
            name,
            e.space,
            seed=e.seed,
            networks=networks,
            steps=e.steps,
            batch_size=e.training.batch_size,
            replicates=e.config.replicates,
            phase=phase,
            first_index=self._first(phase),
            earlier=earlier,
            options=options,
            warm=warm_genomes(e) if phase == "search" else (),
            surrogates=warm_surrogates(e),
            island=self._on_island if phase == "search" else lambda proposer: proposer,
        )
        # Only now: a stage whose rows were damaged trains them again before the next one replays.
        strategy.replay(self._of(phase))
        return strategy

    def _on_island(self, proposer: Proposer) -> Proposer:
        islands = self.experiment.config.islands
        if islands is None or self._migration is None:
            return proposer
        return Island(proposer, self.experiment.space, self._migration, islands.every, islands.migrants)

    @property
    def _fresh_seeds(self) -> tuple[int, ...]:
        """The seeds of this stage, one of `FRESH`: the judgement's follow the confirmation's."""
        first, confirm = FIRST_CONFIRMATION_SEED, self.experiment.config.confirm
        if self.phase == "judge":
            return tuple(range(first + confirm.seeds, first + confirm.seeds + confirm.judge))
        return tuple(range(first, first + confirm.seeds))

    def _on_fresh_seeds(self) -> tuple[Genome, ...]:
        """The genomes of this stage, one of `FRESH`: those that an interrupted one began with, else the best."""
        chosen = self._to_confirm() if self.phase == "confirm" else self._to_judge()
        return as_begun(chosen, self._of(self.phase), self._first(self.phase), self._fresh_seeds)

    def _to_judge(self) -> tuple[Genome, ...]:
        """The best found and the best baseline, as the seeds of the confirmation chose them; the winner alone if no
        baseline is to stand beside it, as in an arm of a comparison."""
        found = summarise([*self._of_confirmed, *self._of("confirm")])
        both = self.experiment.config.confirm.baselines > 0
        judged = (found.best_found, found.best_baseline) if both else (found.winner,)
        genomes = {r.proposal.candidate: r.proposal.genome for r in self._of("confirm")}
        return tuple(dict.fromkeys(genomes[c.candidate] for c in judged if c is not None))

    def _of_networks(self, names: Set[str]) -> list[Result]:
        """The results of these networks, which are to be confirmed or judged, from the stages before: others do not
        matter any more. All results are looked at once, for those that are judged were confirmed."""
        if self.phase == "confirm":
            self._of_confirmed = [*self._earlier(lambda r: r.proposal.fingerprint in names)]
        known = [*self._of_confirmed, *(self._of("confirm") if self.phase == "judge" else ())]
        return [r for r in known if r.proposal.fingerprint in names]

    def _to_confirm(self) -> tuple[Genome, ...]:
        """The best candidates of the search by denoised score, whatever its strategy, and the best baselines, each
        function at its best learning rate; none that ever failed.

        Where they are to be of distinct structure, each is there once, at its best learning rate.
        """
        every = self._of("baseline")
        alone = {r.proposal.fingerprint for r in every}  # and not searched
        failed = set[str]()
        for r in self._earlier():  # each look at all results takes a while
            if r.state != COMPLETED:
                failed.add(r.proposal.fingerprint)
            if r.proposal.phase == "search":
                alone.discard(r.proposal.fingerprint)
        alone -= failed

        def usable(phases: Sequence[str]) -> Some:
            return self._earlier(
                lambda r: r.proposal.phase in phases and r.proposal.fingerprint not in failed
            )

        confirm = self.experiment.config.confirm
        by_structure = confirm.distinct == "structure"
        ordinary = [r for r in every if r.proposal.fingerprint not in failed]
        if by_structure:
            found = best_structures(Archive.of(usable(["search"])), confirm.candidates)
        else:  # what the surrogate knows from baselines counts, too
            known = Archive.of(usable(["baseline", "search"]), warm_surrogates(self.experiment))
            ranked = recommended(known, confirm.candidates + len(alone))
            found = [c for c in ranked if c.fingerprint not in alone][: confirm.candidates]
        chosen: dict[str, Genome] = {}
        for c in found + best_structures(Archive.of(ordinary), confirm.baselines):
            chosen.setdefault(structure(c.genome) if by_structure else c.fingerprint, c.genome)
        return tuple(chosen.values())
