"""The surrogate against known truth, and what its posterior samples choose."""

import dataclasses
import math
import random

import numpy as np
import pytest
from sklearn.gaussian_process import GaussianProcessRegressor  # before SciPy's BLAS is asked for its threads
from threadpoolctl import threadpool_info, threadpool_limits

from evoact.genomes.choices import choices
from evoact.genomes.genome import Site, canonical, fingerprint, homogeneous, structure
from evoact.genomes.kinds import Base
from evoact.genomes.space import SearchSpace
from evoact.records import COMPLETED, TrainProposal, TrainResult
from evoact.strategies import create
from evoact.strategies.archive import Archive
from evoact.strategies.strategy import Draft
from evoact.strategies.surrogate.composition import composition
from evoact.strategies.surrogate.gaussian_process import JITTER, PRIOR, SPREAD, Covariance, Evidence, expected
from evoact.strategies.surrogate.surrogate import FEWEST, MOST, recommended, surrogate
from evoact.strategies.surrogate.thompson import survivors, winners


def told(strategy, landscape, archive=None):
    archive = Archive() if archive is None else archive
    while not strategy.finished:
        results = [landscape.result(p) for p in strategy.ask(100)]
        strategy.tell(results)
        for result in results:
            archive.add(result)
    return archive


@pytest.fixture
def wide(space) -> SearchSpace:
    return SearchSpace("w", (Site("h", 16),), space.families[:1], (1, 4), (0.01, 0.03, 0.1))


def test_denoises_better_than_shrunken_means(wide, landscape):
    noisy = landscape(noise=0.6)
    archive = told(create("random", wide, seed=0, networks=250, steps=1), noisy)
    model = surrogate(archive)
    truth = np.array([noisy.truth(archive.genome(row)) for row in model.rows])
    shrunken = archive.posterior(model.rows).mean
    assert np.corrcoef(model.worth(), truth)[0, 1] > np.corrcoef(shrunken, truth)[0, 1] + 0.1
    assert np.mean((model.worth() - truth) ** 2) < 0.6 * np.mean((shrunken - truth) ** 2)


def test_carries_over_to_genomes_and_functions_not_seen(wide, landscape):
    """Functions that are alike count as alike: what was learnt about sin holds for 1.1 sin(x)."""
    noisy = landscape(noise=0.1, optimum=(0.0, 1.0, 0.0, 0.0))
    model = surrogate(told(create("random", wide, seed=0, networks=120, steps=1), noisy))
    asked = [
        homogeneous(Base(name), wide.sites, learning_rate=0.03)
        for name in ("1.1*sin(x)", "-abs(x)", "2*relu(x)")
    ]
    mean = model.beliefs(np.arange(0), asked).mean
    assert np.argmax(mean) == 0
    assert mean[0] > model.worth().mean()


def test_errors_are_told_apart_by_ratio(wide):
    """Of 48 networks whose errors span four decades, the four best by a factor of 1.5 each; noise of a tenth."""
    draw = np.random.default_rng(0)
    functions = [Base(f) for f in ("relu", "sin", "tanh", "abs", "cos", "gaussian", "elu", "swish")]
    genomes = [
        homogeneous(f, wide.sites, learning_rate=rate)
        for f in functions
        for rate in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3)
    ]
    truth = np.concatenate([1e-3 * 1.5 ** np.arange(4), 10 ** draw.uniform(-2, 1, len(genomes) - 4)])
    order = draw.permutation(len(genomes))
    archive, plain = Archive(), Archive()
    for i, (place, worth) in enumerate(zip(order, truth, strict=True)):
        genome = genomes[place]
        p = TrainProposal(i, i, genome, structure(genome), fingerprint(genome), 0, 1)
        error = float(worth * np.exp(0.1 * draw.standard_normal()))
        archive.add(TrainResult(p, COMPLETED, "mse", "minimize", val_metric=error, train_loss=error))
        plain.add(TrainResult(p, COMPLETED, "gain", "maximize", val_metric=-error, train_loss=error))
    model = surrogate(archive)
    found = [c.index for c in model.best(4)]
    assert found[0] == 0
    assert set(found) == {0, 1, 2, 3}
    assert 1e-4 < -model.best(1)[0].score < 1e-2  # in the metric's own unit, drawn to the mean of all
    assert {c.index for c in surrogate(plain).best(4)} != set(found)  # what it mends
    archive.add(
        TrainResult(
            dataclasses.replace(p, index=99, candidate=99, fingerprint="x"),
            COMPLETED,
            "mse",
            "minimize",
            val_metric=0.0,
        )
    )
    assert not surrogate(archive).errors  # an error of 0 has no logarithm


def test_the_posterior_is_calibrated(wide, landscape):
    noisy = landscape(noise=0.3)
    archive = told(create("random", wide, seed=1, networks=150, steps=1), noisy)
    model = surrogate(archive)
    new = [canonical(g, wide.sites) for g in wide.every()][::40]
    beliefs = model.beliefs(np.arange(0), new)
    off = (beliefs.mean - [noisy.truth(g) for g in new]) / np.sqrt(np.diag(beliefs.covariance))
    assert np.mean(np.abs(off) < 2) > 0.8
    draws = beliefs.draws(2000, np.random.default_rng(0))
    assert draws.mean(axis=0) == pytest.approx(beliefs.mean, abs=0.1)
    assert np.cov(draws.T) == pytest.approx(beliefs.covariance, abs=0.05)


def test_what_is_expected_of_hyperparameters():
    """Nothing without earlier searches; the less sure, the less these agree; of correlations never anything."""
    mean, spread = expected((), 2)
    assert np.isinf(spread[:8]).all()
    assert (spread[8:] == PRIOR).all()
    like = (0.5, 0.5, 0.3, 0.05, 0.6, 0.3, 0.05, 0.6)
    unlike = tuple(20 * value for value in like)
    mean, spread = expected([like, like], 2)
    assert np.exp(mean[:8]) == pytest.approx(like)
    assert (spread[:8] < SPREAD).all()
    assert (expected([like, unlike], 2)[1][:8] > 2 * spread[:8]).all()
    # Of one signal, or of searches without training losses, the second is as before.
    short = expected([[value * 2 for value in like[:5]]], 2)
    assert np.exp(short[0][5:8]) == pytest.approx(like[5:])
    assert expected([like], 1)[0].shape == (5,)


def _correlations(wide, landscape, surrogates, few, draws=5):
    """How well posterior means of a few results agree with the truth of other networks, for several draws."""
    found = []
    for seed in range(draws):
        noisy = landscape(noise=0.4)
        archive = Archive(surrogates)
        told(create("random", wide, seed=seed, networks=few, steps=1), noisy, archive)
        new = [canonical(g, wide.sites) for g in wide.every()][seed::25]
        mean = surrogate(archive).beliefs(np.arange(0), new).mean
        found.append(np.corrcoef(mean, [noisy.truth(g) for g in new])[0, 1])
    return np.array(found)


@pytest.mark.slow
def test_earlier_searches_say_how_smooth_worth_is(wide, landscape):
    """What searches for other optima have learnt helps after twelve networks; what noise says hardly hurts later."""
    elsewhere = [landscape(noise=0.4, optimum=o) for o in ((0.0, 0.0, 0.5, 0.5), (1.0, 0.0, 0.0, 0.0))]
    archives = [told(create("random", wide, seed=9, networks=100, steps=1), e) for e in elsewhere]
    learnt = [surrogate(archive).hyperparameters() for archive in archives]
    assert all(len(values) == 5 for values in learnt)
    cold, warm = (_correlations(wide, landscape, s, 12) for s in ((), learnt))
    assert warm.mean() > cold.mean() + 0.05
    nothing = [(0.1, 0.1, 1e-3, 0.5, 0.5)] * 3
    cold, misled = (_correlations(wide, landscape, s, 96) for s in ((), nothing))
    assert misled.mean() > 0.95 * cold.mean()


def test_does_not_depend_on_the_order_of_results(wide, landscape):
    archive = told(create("random", wide, seed=0, networks=60, steps=1), landscape())
    again = told(create("random", wide, seed=0, networks=60, steps=1), landscape())
    assert surrogate(archive).best(5) == surrogate(again).best(5)


def test_too_little_or_nothing_to_learn_from(wide, landscape):
    archive = told(create("random", wide, seed=0, networks=FEWEST - 1, steps=1), landscape())
    assert surrogate(archive) is None
    assert recommended(archive, 2) == archive.best(2)
    flat = Archive()
    for p in create("random", wide, seed=0, networks=30, steps=1).ask(30):
        flat.add(TrainResult(p, COMPLETED, "accuracy", "maximize", 0.5))
    assert surrogate(flat) is None


def test_many_candidates_are_thinned_and_the_best_kept(wide, landscape):
    archive = told(create("random", wide, seed=0, networks=900, steps=1), landscape())
    model = surrogate(archive)
    assert len(model.rows) == MOST < len(archive)
    assert archive.rows[archive.best(1)[0].fingerprint] in model.rows


def test_broken_networks_do_not_blind_it(wide, landscape):
    """A score a thousand spreads below the others counts as a bad one, not as the scale of all."""
    noisy, archive = landscape(noise=0.1), Archive()
    for p in create("random", wide, seed=0, networks=100, steps=1).ask(100):
        result = noisy.result(p)
        broken = TrainResult(p, COMPLETED, "accuracy", "maximize", -1e4)
        archive.add(broken if p.index % 10 == 0 else result)
    model = surrogate(archive)
    good = [i for i, row in enumerate(model.rows) if archive.scores(np.array([row]))[0][0] > -100]
    truth = [noisy.truth(archive.genome(int(model.rows[i]))) for i in good]
    assert np.corrcoef(model.worth()[good], truth)[0, 1] > 0.8


def test_winners_are_good_and_each_is_there_once(wide, landscape):
    noisy = landscape(noise=0.4)
    archive = told(create("random", wide, seed=0, networks=600, steps=1), noisy)
    model, random = surrogate(archive), np.random.default_rng(0)
    offspring = [Draft(g) for g in wide.every()][::10]
    offspring = [draft for draft in offspring if draft.fingerprint not in archive.rows]
    won = winners(model, offspring, 20, 5, random)
    assert len(won) == len({draft.fingerprint for draft in won}) == 20
    again = [draft for draft in won if draft.fingerprint in archive.rows]
    assert 0 < len(again) <= 5
    assert all(draft.parents for draft in again)
    truth = lambda drafts: np.mean([noisy.truth(d.genome) for d in drafts])  # noqa: E731
    assert truth(won) > truth(offspring) + 0.5 * np.std([noisy.truth(d.genome) for d in offspring])
    assert winners(model, [], 3, 0, random) == []
    assert len(winners(model, offspring[:2], 9, 3, random)) == 2 + 3
    parents = survivors(model, 10, random)
    assert len({c.index for c in parents}) == 10
    assert np.mean([noisy.truth(c.genome) for c in parents]) > truth(offspring)


def test_composition_counts_shares_and_rates():
    sites = (Site("h", 4),)
    base = choices("base", name=("relu", "abs"))
    space = SearchSpace("s", sites, (base,), (1, 2), (0.1, 1.0))
    by_label = {(g.label, g.hyperparameter("learning_rate")): composition(g) for g in space.every()}
    half = by_label["2 abs + 2 relu", 0.1][0]
    assert half == pytest.approx((by_label["4 abs", 0.1][0] + by_label["4 relu", 0.1][0]) / 2)
    assert by_label["4 abs", 1.0][1] - by_label["4 abs", 0.1][1] == pytest.approx(math.log10(10))


def test_its_linear_algebra_has_one_thread(wide, landscape, monkeypatch):
    """What is proposed may not depend on how many processors there are."""

    def threads():
        return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}

    seen = []
    archive = told(create("random", wide, seed=0, networks=20, steps=1), landscape(noise=0.1))
    inner = Covariance.__call__

    def call(self, *args, **kwargs):
        seen.append(threads())
        return inner(self, *args, **kwargs)

    monkeypatch.setattr(Covariance, "__call__", call)
    with threadpool_limits(2, user_api="blas"):
        before = threads()
        surrogate(archive).worth()
        assert threads() == before
    assert seen
    assert set().union(*seen) == {1}


def with_losses(wide, landscape, loss):
    """An archive whose rows have training losses, and the results; `loss` says them from truth, noise and index."""
    noisy, archive = landscape(noise=0.6), Archive()
    for p in create("random", wide, seed=0, networks=150, steps=1).ask(150):
        result = noisy.result(p)
        truth = noisy.truth(p.genome)
        archive.add(dataclasses.replace(result, train_loss=loss(truth, result.val_metric - truth, p.index)))
    truth = np.array([noisy.truth(archive.genome(row)) for row in range(len(archive))])
    return archive, truth


def certainty(archive, truth):
    """The correlation of worth with the truth."""
    return np.corrcoef(surrogate(archive).worth(), truth)[0, 1]


NONE = lambda truth, noise, i: None  # noqa: E731


def test_a_training_loss_that_tells_something_is_believed(wide, landscape):
    draw = random.Random(0)
    alone = certainty(*with_losses(wide, landscape, NONE))
    loss = lambda truth, noise, i: 2 - truth + 0.3 * draw.gauss(0, 1)  # noqa: E731
    assert 1 - certainty(*with_losses(wide, landscape, loss)) < 0.7 * (1 - alone)


@pytest.mark.parametrize(
    "loss",
    [
        lambda truth, noise, i: math.sin(1e4 * i),  # of nothing
        lambda truth, noise, i: 0.3,
        lambda truth, noise, i: math.nan if i % 20 else math.inf,
        lambda truth, noise, i: None if i % 30 else 1.0,
    ],
)
def test_a_training_loss_that_tells_nothing_has_no_weight(loss, wide, landscape):
    alone, truth = with_losses(wide, landscape, NONE)
    beside, _ = with_losses(wide, landscape, loss)
    assert certainty(beside, truth) > certainty(alone, truth) - 0.02
    best, other = (surrogate(a).worth() for a in (alone, beside))
    assert np.corrcoef(best, other)[0, 1] > 0.97


def test_a_training_loss_that_misleads_is_turned_round(wide, landscape):
    """Where the networks that fit best are the worst, as where they overfit, a small loss speaks against them."""
    draw = random.Random(0)
    alone = certainty(*with_losses(wide, landscape, NONE))
    loss = lambda truth, noise, i: 2 + truth + 0.3 * draw.gauss(0, 1)  # noqa: E731
    assert 1 - certainty(*with_losses(wide, landscape, loss)) < 0.7 * (1 - alone)


def _points(signals, draw):
    """Candidates and a kernel: each has both signals, but the last, whose second one is not known."""
    n = 12
    places, rates = draw.normal(size=(n, 3)), draw.normal(size=n)
    which = np.tile([0, signals - 1], n // 2)
    x = np.column_stack([places, rates, np.arange(n) // 2, which, np.repeat(draw.random(n // 2), 2)])
    x[1::2, :4] = x[::2, :4]
    x = x[: n - 1] if signals > 1 else x[::2]
    count = 2 + 3 * signals + (3 if signals > 1 else 0)
    return x, Covariance(np.exp(0.3 * draw.normal(size=count)))


@pytest.mark.parametrize("signals", [1, 2])
def test_the_covariance_is_one(signals):
    x, kernel = _points(signals, np.random.default_rng(0))
    covariance = kernel(x)
    assert np.linalg.eigvalsh(covariance).min() > -1e-9
    assert kernel.diag(x) == pytest.approx(np.diag(covariance))


@pytest.mark.parametrize("signals", [1, 2])
def test_the_evidence_is_that_of_the_covariance_and_its_slope_right(signals):
    draw = np.random.default_rng(0)
    x, kernel = _points(signals, draw)
    y = draw.normal(size=len(x))
    process = GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=None).fit(x, y)
    evidence = Evidence(x, y)
    value, slope = evidence(kernel.theta)
    assert value == pytest.approx(-process.log_marginal_likelihood_value_)
    for i, step in enumerate(1e-6 * np.eye(len(slope))):
        up, down = (evidence(kernel.theta + sign * step)[0] for sign in (1, -1))
        assert slope[i] == pytest.approx((up - down) / 2e-6, abs=1e-5)
