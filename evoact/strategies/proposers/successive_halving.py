"""Successive halving (Jamieson & Talwalkar 2016) around any other search: many networks are trained a little, the
best of them longer."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any

from evoact.errors import UserError, short
from evoact.genomes.space import SearchSpace
from evoact.records import UNLIMITED, TrainResult
from evoact.strategies import proposer_within, strategy_class
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.strategy import Draft, MetaDraft, Proposer, merit, promotion


@dataclass(frozen=True)
class SuccessiveHalving:
    """Every generation of another search starts a bracket of `rungs` rungs. The networks of the first are trained for
    1 / `eta` ** (`rungs` - 1) of the steps; of each rung the best 1 / `eta` go on to the next one, `eta` times as
    long, from where they stopped. A bracket waits for all results of a rung, unless `asynchronous`: then (Li et al.
    2020, algorithm 2) each network among the best 1 / `eta` of all that ended on its rung up to now goes on, and new
    networks begin if there is none. No worker then waits, but what is proposed depends on the order in which
    results come in.

    Args:
        proposes: the name of the search that fills the first rung, or `name` and its settings; it trains no probes,
            whose coefficients hardly move in a short training
        eta: one of so many networks is promoted
        rungs: how many lengths of training there are; the last is the whole
        networks: the budget, in networks that are trained to their end
    """

    space: SearchSpace
    seed: int = 0
    networks: int = UNLIMITED
    proposes: str | Mapping[str, Any] = "random"
    eta: int = 3
    rungs: int = 3
    asynchronous: bool = False

    name = "successive_halving"
    independent = False
    from_space = False
    meta_trainings = ()

    @property
    def remark(self) -> str:
        said = self._inner.remark
        return f"of {self.networks} networks {self.name} begins {self._begun}: {said}" if said else ""

    def __post_init__(self) -> None:
        if self.eta < 2 or self.rungs < 2:
            raise UserError(f"expected eta and rungs of at least 2, got {self.eta} and {self.rungs}")
        if self._settings.get("probes"):
            raise UserError(
                "expected no probes in strategy.proposes, because their coefficients hardly move in a short training, "
                f"got {self._settings['probes']}; leave probes out"
            )
        if not self._inner.from_space:
            raise UserError(
                "expected a search that trains every network to the end in strategy.proposes, "
                f"got {self._inner.name!r}"
            )
        if self._inner.asynchronous or len(self._settings.get("objectives", ())) > 1:
            raise UserError(
                "expected a search by generations, for the metric alone, in strategy.proposes, "
                f"got {self.proposes}; leave steady_state and objectives out"
            )

    @property
    def _settings(self) -> dict[str, Any]:
        if isinstance(self.proposes, str):
            return {"name": self.proposes}
        if not isinstance(self.proposes, Mapping):
            raise UserError(
                f"expected a search by name, or name and settings, as strategy.proposes, got {short(self.proposes)}"
            )
        return dict(self.proposes)

    @cached_property
    def _inner(self) -> Proposer:
        settings = self._settings
        name = settings.pop("name", None)
        if not isinstance(name, str):
            raise UserError("expected the name of a search in strategy.proposes, got none")
        if "probes" in inspect.signature(strategy_class(name)).parameters:
            settings.setdefault("probes", 0)
        return proposer_within("strategy.proposes", name, self.space, self.seed, settings, self._begun)

    @property
    def _begun(self) -> int:
        """How many networks the budget begins with, so that one in `eta` can be promoted: the other search's budget."""
        shares = self.shares
        each = shares[0] + sum((b - a) / self.eta**r for r, (a, b) in enumerate(pairwise(shares), 1))
        return int(self.networks / each)

    @cached_property
    def shares(self) -> Sequence[Fraction]:
        """
        >>> from evoact.genomes.choices import choices
        >>> from evoact.genomes.space import Site
        >>> space = SearchSpace("s", (Site("h", 4),), (choices("base", name=("relu", "sin")),), (1, 2), (0.1,))
        >>> [str(share) for share in SuccessiveHalving(space).shares]
        ['1/9', '1/3', '1']
        """
        return [Fraction(1, self.eta**r) for r in reversed(range(self.rungs))]

    def propose(self, generation: int, archive: Archive) -> Sequence[Draft | MetaDraft]:
        if self.asynchronous:  # then promotions are not for generations
            return self._inner.propose(generation, archive)
        return self._promoted(archive) or self._inner.propose(archive.beginnings, archive)

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return archive.best(k)

    def _promoted(self, archive: Archive) -> list[Draft]:
        """The best of the latest generation, one at least, if it is not of the last rung; one that failed stays
        behind."""
        latest = archive.latest
        if not latest or latest[0].proposal.rung == self.rungs - 1:
            return []
        usable = set(archive.usable().tolist())
        trained = [r for r in latest if isinstance(r, TrainResult) and r.score is not None]
        fit = [r for r in trained if archive.rows[r.proposal.fingerprint] in usable]
        best = sorted(fit, key=merit)[: max(1, len(latest) // self.eta)]
        return [promotion(p) for p in sorted((r.proposal for r in best), key=lambda p: p.index)]
