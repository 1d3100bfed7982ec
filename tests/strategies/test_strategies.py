"""What is particular to single strategies: replicates, elites, confirmation, wrong settings."""

import random
from collections import Counter

import pytest

from evoact.errors import UserError
from evoact.genomes.genome import homogeneous, structure
from evoact.genomes.kinds import Base
from evoact.records import COMPLETED, FIRST_CONFIRMATION_SEED, TrainProposal, TrainResult
from evoact.strategies import create, proposer
from evoact.strategies.archive import Archive, Texts, best_structures
from evoact.strategies.proposers.enumerate import Enumerate, baselines
from evoact.strategies.selection.breeding import contained
from tests.strategies.conftest import best


def run(strategy, landscape):
    results = []
    while not strategy.finished:
        results += (told := [landscape.result(p) for p in strategy.ask(50)])
        strategy.tell(told)
    return results


def test_new_candidates_rotate_over_replicates(space, landscape):
    results = run(create("random", space, seed=0, networks=200, steps=1, replicates=3), landscape())
    first = {}
    for p in (r.proposal for r in results):
        assert 0 <= p.seed < 3
        if first.setdefault(p.fingerprint, p.index) == p.index:
            assert p.seed == p.generation % 3


def test_what_a_pack_costs_does_not_grow_with_the_generation(space, landscape):
    """Which checkpoints are needed is asked for each pack: without rungs nobody looks at the generation for that."""
    strategy = create("evolution", space, seed=0, networks=64, steps=1, replicates=2)
    asked = strategy.ask(16)
    strategy._pending.open = None
    assert not strategy.checkpoints()
    assert len(asked) == 16


@pytest.mark.slow
def test_elites_are_evaluated_on_more_replicates(space, landscape):
    strategy = create("evolution", space, seed=0, networks=320, steps=1, replicates=6)
    results = run(strategy, landscape(noise=1.0))
    counts = Counter(r.proposal.candidate for r in results)
    assert max(counts.values()) == 6
    assert best(results, 1)[0].evaluations >= 4


def test_told_counts_what_was_known(space, landscape):
    for p in (
        r.proposal for r in run(create("evolution", space, seed=0, networks=100, steps=1), landscape())
    ):
        assert p.told == 16 * p.generation


def test_an_exhausted_space_ends_the_search(space, landscape):
    tiny = space.restrict(functions=("sin",), flavour="base", learning_rates=(0.1,))
    for name in ("random", "evolution", "hybrid", "optuna"):
        results = run(create(name, tiny, seed=0, networks=50, steps=1, replicates=4), landscape())
        assert [r.proposal.seed for r in results] == [0, 1, 2, 3] or len(results) == 4


def test_baselines_are_each_function_at_each_learning_rate(space, landscape):
    given = Enumerate(space, genomes=baselines(space))
    assert len(given) == len(baselines(space)) == 4 * 3
    options = {"genomes": baselines(space)}
    strategy = create("enumerate", space, seed=0, networks=99, steps=1, phase="baseline", options=options)
    results = run(strategy, landscape())
    assert len(results) == 12
    assert {r.proposal.phase for r in results} == {"baseline"}
    assert not any(r.proposal.genome.heterogeneous for r in results)


def test_every_activation_is_enumerated_at_each_learning_rate(space, landscape):
    assert len(Enumerate(space, seeds=(0, 1))) == (4 + 6) * 3 * 2
    strategy = create("enumerate", space, seed=0, networks=999, steps=1, options={"seeds": (0, 1)})
    proposals = [r.proposal for r in run(strategy, landscape())]
    assert len(proposals) == 60
    assert all(space.contains(p.genome) and not p.genome.heterogeneous for p in proposals)
    assert len({p.structure for p in proposals}) == 10
    assert len({(p.fingerprint, p.seed) for p in proposals}) == 60
    assert [p.seed for p in proposals] == [0] * 30 + [1] * 30


def test_the_best_structures_are_there_once_at_their_best_rate(space, landscape):
    search = create("enumerate", space, seed=0, networks=999, steps=1)
    archive = Archive()
    results = run(search, landscape(noise=0.0))
    for result in results:
        archive.add(result)
    for k in (1, 3, 10, 99):
        best = best_structures(archive, k)
        assert len({structure(c.genome) for c in best}) == len(best) == min(k, 10)
        assert all(c.genome.hyperparameter("learning_rate") == 0.03 for c in best)
    scores = sorted(
        (max(r.score for r in results if r.proposal.structure == s), s)
        for s in {r.proposal.structure for r in results}
    )
    assert structure(best_structures(archive, 1)[0].genome) == scores[-1][1]


def test_an_archive_gives_each_genome_back(space):
    """Texts are packed, so many together."""
    archive, draw = Archive(), random.Random(0)
    genomes = list({space.sample(draw) for _ in range(3 * Texts.TOGETHER)})
    for i, genome in enumerate(genomes):
        archive.add(
            TrainResult(TrainProposal(i, i, genome, "", f"{i}", 0, 1), COMPLETED, "a", "maximize", 1.0)
        )
    assert len(archive) == len(genomes)
    assert [archive.genome(row) for row in reversed(range(len(archive)))] == genomes[::-1]


def test_confirmation_keeps_candidates_and_takes_fresh_seeds(space, landscape):
    search = create("evolution", space, seed=0, networks=64, steps=1)
    earlier = run(search, landscape())
    chosen = best(earlier, 3)
    seeds = tuple(range(FIRST_CONFIRMATION_SEED, FIRST_CONFIRMATION_SEED + 5))
    confirm = create(
        "enumerate",
        space,
        seed=0,
        networks=99,
        steps=1,
        phase="confirm",
        first_index=64,
        earlier=earlier,
        options={"genomes": tuple(c.genome for c in chosen), "seeds": seeds},
    )
    asked = [r.proposal for r in run(confirm, landscape())]
    assert [p.index for p in asked] == list(range(64, 79))
    assert {(p.candidate, p.seed) for p in asked} == {(c.index, s) for c in chosen for s in seeds}


def test_enumerate_takes_genomes_outside_the_space(space, landscape):
    genomes = (homogeneous(Base("relu"), space.sites, learning_rate=0.5),)
    strategy = create("enumerate", space, seed=0, networks=9, steps=1, options={"genomes": genomes})
    assert [r.proposal.genome.label for r in run(strategy, landscape())] == ["8 relu"]


def test_contained_restores_the_global_generator_after_an_error():
    state = random.getstate()
    with pytest.raises(IndexError), contained(3):
        random.choice([])
    with contained(3):
        assert random.random() == random.Random(3).random()
    assert random.getstate() == state


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("random", {"batch": 0}, "batch of at least 1"),
        ("evolution", {"tournament": 20, "parents": 5}, "tournament of 1 to 5 parents, got 20"),
        ("evolution", {"population": 4, "elites": 4}, "fewer elites than the population of 4"),
        ("evolution", {"crossover": 1.5}, "probability from 0 to 1"),
        ("evolution", {"objectives": ["val_metric", "n_paramters"]}, "did you mean 'n_parameters'"),
        ("evolution", {"objectives": ["n_parameters"]}, "objectives that begin with val_metric, each once"),
        ("evolution", {"objectives": []}, "objectives that begin with val_metric, each once, got"),
        ("evolution", {"objectives": ["val_metric"] * 2}, "objectives that begin with val_metric, each once"),
        (
            "evolution",
            {"steady_state": True, "population": 9},
            "expected at most 9 parents with steady_state, the size of the population, got 16",
        ),
        ("evolution", {"steady_state": True, "surrogate": True}, "surrogate to be true only without"),
        ("optuna", {"sampler": "nsga3"}, "unknown sampler 'nsga3'; did you mean 'nsga2'"),
        ("optuna", {"batch": 2, "elites": 2}, "fewer elites than the batch of 2"),
        ("hybrid", {"offspring": 0}, "offspring of at least 1"),
        ("hybrid", {"crossover": -1}, "probability from 0 to 1"),
        ("enumerate", {"seeds": ()}, "at least one replicate"),
    ],
)
def test_wrong_settings(space, name, options, message):
    with pytest.raises(UserError, match=message):
        proposer(name, space, 0, options)
