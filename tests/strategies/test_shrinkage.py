"""Shrunken means against known truth."""

import numpy as np
import pytest

from evoact.strategies.shrinkage import posterior


def drawn(tau: float, sigma: float, candidates: int = 400, seed: int = 0):
    draw = np.random.default_rng(seed)
    truth = draw.normal(0, tau, candidates)
    counts = draw.integers(1, 6, candidates)
    scores = [t + draw.normal(0, sigma, n) for t, n in zip(truth, counts, strict=True)]
    means = np.array([s.mean() for s in scores])
    squares = np.array([((s - s.mean()) ** 2).sum() for s in scores])
    return truth, posterior(means, counts, squares), means


@pytest.mark.parametrize(("tau", "sigma"), [(1.0, 2.0), (1.0, 0.5)])
def test_variances_are_recovered_and_the_error_falls(tau, sigma):
    truth, found, means = drawn(tau, sigma)
    assert found.noise == pytest.approx(sigma**2, rel=0.2)
    assert found.between == pytest.approx(tau**2, rel=0.4)
    assert np.mean((found.mean - truth) ** 2) < 0.9 * np.mean((means - truth) ** 2)
    assert 0.6 < np.mean(np.abs(found.mean - truth) < found.deviation) < 0.8


def test_one_lucky_evaluation_does_not_beat_five_solid_ones():
    means = np.array([0.0, 0.2, 0.5, 1.0, 0.99])
    found = posterior(means, np.array([1, 1, 2, 1, 5]), np.array([0, 0, 0.2, 0, 0.4]))
    assert np.argmax(found.mean) == 4


def test_without_repetition_the_order_of_scores_stays():
    means = np.array([3.0, 1.0, 2.0])
    found = posterior(means, np.ones(3, int), np.zeros(3))
    assert np.argsort(found.mean).tolist() == [1, 2, 0]
    assert np.ptp(found.mean) < np.ptp(means)


def test_a_few_broken_networks_do_not_hide_the_noise():
    draw = np.random.default_rng(0)
    means = np.concatenate([draw.normal(60, 2, 60), np.full(10, 10.0)])
    counts = np.array([3] * 20 + [1] * 50)
    squares = np.where(counts > 1, 2 * 2.0**2, 0.0)
    found = posterior(means, counts, squares)
    assert found.between < 4 * found.noise


@pytest.mark.parametrize("means", [[], [1.0], [2.0, 2.0]])
def test_degenerate_inputs(means):
    found = posterior(np.array(means), np.ones(len(means), int), np.zeros(len(means)))
    assert found.mean.tolist() == means
