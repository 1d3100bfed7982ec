"""The participation ratio against its definition by eigenvalues, and at its limits."""

import numpy as np
import pytest

from evoact.analysis.participation_ratio import participation_ratio
from evoact.errors import UserError


@pytest.mark.parametrize("shape", [(5, 400), (40, 12)])
def test_as_defined_by_eigenvalues(shape):
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape) * rng.uniform(0.1, 2, (shape[0], 1)) + 3
    eigenvalues = np.linalg.eigvalsh(np.cov(x, bias=True))
    assert participation_ratio(x) == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())


def test_limits():
    rng = np.random.default_rng(0)
    one = np.outer(rng.normal(size=6), rng.normal(size=100))
    assert participation_ratio(one) == pytest.approx(1)
    orthonormal = np.linalg.qr(rng.normal(size=(100, 7)) - 0)[0]
    orthonormal = np.linalg.qr(orthonormal - orthonormal.mean(axis=0))[0]
    assert participation_ratio(orthonormal.T) == pytest.approx(7)
    assert np.isnan(participation_ratio(np.ones((3, 10))))


@pytest.mark.parametrize("x", [np.zeros(5), np.zeros((5, 1)), np.array([[1.0, np.nan]])])
def test_bad_input(x):
    with pytest.raises(UserError, match=r"\[neurons, inputs\]"):
        participation_ratio(x)
