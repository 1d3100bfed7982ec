"""From trained hulls to discrete networks: which function stays, and what becomes of the coefficients."""

import json

import numpy as np
import pytest

from evoact.activations.strongest import discretised
from evoact.config import experiment
from evoact.errors import UserError
from evoact.execution.run import search
from evoact.genomes.choices import choices
from evoact.genomes.discretised import discrete
from evoact.genomes.genome import Genome, Site, SiteGenome
from evoact.genomes.kinds import Base, Hull
from evoact.genomes.space import SearchSpace
from evoact.genomes.variation import carried
from evoact.seeding import python_random
from evoact.strategies import create, proposer
from evoact.strategies.archive import ASIDE


def hulls_then(space, landscape, **options):
    """The proposals of the first generation, and of the second."""
    strategy = create("discretise", space, seed=0, networks=40, steps=1, options={"hulls": 1, **options})
    first = strategy.ask(100)
    strategy.tell([landscape.result(p) for p in first])
    return first, [p for p in strategy.ask(100) if p.generation == 1]


def test_hulls_of_all_functions_then_what_they_became(space, landscape):
    first, second = hulls_then(space, landscape())
    assert [p.genome.label for p in first] == ["8 convex(abs,relu,sin,tanh)/neuron"] * 3
    assert {p.context for p in first} == {ASIDE}
    for p in second:
        assert space.contains(p.genome)
        assert {t.name for t in p.genome.sites[0].types} == {"relu", "sin"}
        (parent,) = p.parents
        assert (
            p.genome.hyperparameters == next(q for q in first if q.candidate == parent).genome.hyperparameters
        )


def test_inherited_coefficients_stay(space, landscape):
    _, second = hulls_then(space, landscape(), inherit=True)
    assert {t.name for p in second for t in p.genome.sites[0].types} == {"0.5*relu(x)", "0.25*sin(x)"}


def test_the_strongest_is_the_one_whose_term_moves_most():
    """3 sin(0.01 x) hardly moves; per-layer hulls and other types stay."""
    hull = Hull("linear", ("sin(0.01*x)", "tanh"), "neuron")
    site = SiteGenome("h", (Hull("linear", ("relu", "sin")), hull, Base("abs")), (0, 1, 1, 2, 0))
    found = discretised(Genome((site,)), {"h.activation": np.array([9.0, 9.0, 3.0, 0.5, 3.0, 0.01])})
    genome, sizes = discrete(found)
    became = [genome.sites[0].types[i].label for i in genome.sites[0].assignment]
    assert became == ["linear(relu,sin)", "tanh", "sin(0.01*x)", "abs", "linear(relu,sin)"]
    assert sizes == {"h": [1.0, 0.5, 3.0, 1.0]}
    assert discretised(Genome((SiteGenome("h", (Base("abs"),), (0,)),)), {}) == ""


def test_genomes_are_carried_over_to_other_widths_and_blocks():
    base = choices("base", name=("relu", "sin"))
    space = SearchSpace(
        "s", (Site("h", 10), Site("g", 4, "none")), (base,), (1, 2), (0.1,), neurons_per_block=2
    )
    types = (Base("relu"), Base("sin"))
    other = Genome(
        (SiteGenome("h", types, (0,) * 7 + (1,) * 13), SiteGenome("g", types, (1, 1, 0, 0))),
        (("learning_rate", 0.3),),
    )
    found = carried(space, other, python_random(0))
    assert space.contains(found)
    assert found.label == "h: 4 relu + 6 sin | g: 2 relu + 2 sin"
    with pytest.raises(UserError, match="expected a genome on the sites h, g, got one on h"):
        carried(space, Genome(other.sites[:1], other.hyperparameters), python_random(0))


def test_a_real_search(tiny, tmp_path, rows_of):
    """Hulls are trained, their rows say what they became, and those networks are trained."""
    made = experiment(tiny(strategy={"name": "discretise", "hulls": 2}, baselines__replicates=0))
    search(made, tmp_path / "run")
    rows = [r for r in rows_of(tmp_path / "run", ()) if r["phase"] == "search"]
    hulls = [r for r in rows if r["context"] == ASIDE]
    assert len(hulls) == 4
    for r in rows:
        assert bool(r["discretised"]) == (r["context"] == ASIDE)
    became = {json.dumps(json.loads(r["discretised"])["genome"]["sites"]) for r in hulls}
    second = [r for r in rows if r["generation"] == 1]
    assert 0 < len(second) <= len(hulls)
    assert {r["parents"][0] for r in second} <= {r["candidate"] for r in hulls}
    assert len(became) > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [({"hull": "convx"}, "did you mean 'convex'"), ({"hulls": 0}, "hulls of at least 1")],
)
def test_wrong_settings(space, options, message):
    with pytest.raises(UserError, match=message):
        proposer("discretise", space, 0, options)
    with pytest.raises(UserError, match="at least 2 base functions"):
        proposer("discretise", space.restrict(("sin",)), 0, {})
