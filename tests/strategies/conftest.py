"""A landscape with known truth and seed noise, which stands in for training."""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from evoact.genomes.activation_json import to_json
from evoact.genomes.choices import HullChoices, Listed, choices
from evoact.genomes.genome import Genome, Site, SiteGenome
from evoact.genomes.genome import to_json as to_json_genome
from evoact.genomes.kinds import Base, Captured, Hull
from evoact.genomes.layer_choices import LayerChoices
from evoact.genomes.space import SearchSpace
from evoact.records import (
    COMPLETED,
    MetaTrainProposal,
    MetaTrainResult,
    Proposal,
    Result,
    TrainResult,
    result_of,
)
from evoact.seeding import generator
from evoact.strategies.archive import ASIDE, Archive, Candidate
from evoact.strategies.surrogate.surrogate import recommended

FUNCTIONS = ("relu", "sin", "tanh", "abs")


def small_space() -> SearchSpace:
    families = (choices("base", name=FUNCTIONS), HullChoices(("convex",), FUNCTIONS, (2,)))
    return SearchSpace("small", (Site("h", 8),), families, (1, 3), (0.01, 0.03, 0.1))


def rich_space() -> SearchSpace:
    """Every kind of choice: many families, widths, blocks with a smaller last one, a site of its own, settings."""
    families = (
        choices("base", name=FUNCTIONS),
        HullChoices(("affine", "conic"), FUNCTIONS, (1, 2), ("layer", "neuron")),
        choices("prelu", per=("layer", "neuron")),
        choices("rational", numerator=(3, 5), per=("layer", "neuron")),
        choices("lp_pool", pieces=(2, 3)),
        Listed((Base("sin(2*x)"), Hull("convex", ("relu", "sin")), Hull("linear", ("abs",), "neuron"))),
    )
    output = LayerChoices((HullChoices(("linear",), ("identity", "cos"), (1, 2)),), (1, 1))
    sites = (Site("h", 9), Site("g", 5, "stream:a"), Site("k", 5, "stream:a"), Site("output", 3, "none"))
    return SearchSpace(
        "rich",
        sites,
        families,
        (1, 3),
        (0.01, 0.1),
        2,
        least_width=0.4,
        overrides=(("output", output),),
        hyperparameters=(("momentum", (0.0, 0.5)), ("dropout", (0.0, 0.5))),
    )


@dataclass(frozen=True)
class Landscape:
    """Scores fall with the squared distance of a genome's function shares, and of its learning rate,
    from an optimum inside the space; `failing` is the fraction of evaluations that end otherwise.
    """

    noise: float = 0.5
    failing: float = 0.0
    optimum: tuple[float, ...] = (0.5, 0.4, 0.1, 0.0)

    def truth(self, genome: Genome) -> float:
        loss = abs(math.log10(genome.hyperparameter("learning_rate") / 0.03))
        for site in genome.sites:
            if site.site == "output":
                continue
            shares = dict.fromkeys(FUNCTIONS, 0.0)
            for activation, count in zip(site.types, site.counts(), strict=True):
                functions = activation.functions if isinstance(activation, Hull) else None
                names = functions or ((activation.name,) if isinstance(activation, Base) else ())
                for name in (name for name in names if name in shares):
                    shares[name] += count / len(site.assignment) / len(names)
            loss += 3 * sum((shares[f] - o) ** 2 for f, o in zip(FUNCTIONS, self.optimum, strict=True))
        return -loss

    def result(self, proposal: Proposal) -> Result:
        draw = generator(proposal.fingerprint, proposal.seed)
        if draw.random() < self.failing:
            meta = isinstance(proposal, MetaTrainProposal)
            state = ("failed", "diverged", "completed")[int(draw.integers(2 if meta else 3))]
            value = {"val_metric": math.nan} if state == "completed" else {}
            return result_of(proposal, state, "accuracy", "maximize", error="made to fail", **value)
        if isinstance(proposal, MetaTrainProposal):
            types = {
                site.site: [
                    to_json(Captured(f"{proposal.seed}.{i}", -1.0, 1.0, tuple(draw.random(3))))
                    for i in (0, 1)
                ]
                for site in proposal.genome.sites
            }
            return MetaTrainResult(
                proposal, COMPLETED, "accuracy", "maximize", learned_types=json.dumps(types)
            )
        score = self.truth(proposal.genome) + self.noise * float(draw.normal())
        discretised = self.discretised(proposal) if proposal.context == ASIDE else ""
        return TrainResult(
            proposal,
            COMPLETED,
            "accuracy",
            "maximize",
            score,
            discretised=discretised,
            n_parameters=self.n_parameters(proposal.genome),
        )

    def n_parameters(self, genome: Genome) -> int:
        """As if each function of a hull took as many as a neuron."""
        return sum(
            count * len(getattr(activation, "functions", "1"))
            for site in genome.sites
            for activation, count in zip(site.types, site.counts(), strict=True)
        )

    def discretised(self, proposal: Proposal) -> str:
        """What training of per-neuron hulls would leave: a different mix of two functions for each network."""
        sites = []
        for site in proposal.genome.sites:
            n = len(site.assignment)
            first = 1 + (proposal.index + len(sites)) % (n - 1) if n > 1 else 1
            assignment = (0,) * first + (1,) * (n - first)
            sites.append(SiteGenome(site.site, (Base("relu"), Base("sin")), assignment))
        genome = Genome(tuple(sites), proposal.genome.hyperparameters)
        sizes = {site.site: [0.5, 0.25] for site in sites}
        return json.dumps({"genome": to_json_genome(genome), "coefficients": sizes})


def best(results: Iterable[Result], k: int) -> list[Candidate]:
    """What a run would confirm of these results."""
    return recommended(Archive.of(results), k)


@pytest.fixture
def space() -> SearchSpace:
    return small_space()


@pytest.fixture
def rich() -> SearchSpace:
    return rich_space()


@pytest.fixture
def landscape() -> type[Landscape]:
    return Landscape
