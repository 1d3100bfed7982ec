"""The Langevin picture: derivatives of its landscape, the noise, and what it claims."""

import numpy as np
import pytest

from evoact.cli.main import main
from evoact.studies.noisy_descent import (
    ALONG,
    EVEN,
    LOCAL,
    START,
    aligned,
    as_strong,
    compare,
    descend,
    isotropic,
    landscape,
    share_in_wide,
)


def test_derivatives_against_finite_differences():
    where, x = landscape(), np.random.default_rng(0).normal(size=(9, 2)) * 1.5
    for axis in (0, 1):
        step = 1e-5 * np.eye(2)[axis]
        slope = (where.loss(x + step) - where.loss(x - step)) / 2e-5
        assert where.gradient(x)[:, axis] == pytest.approx(slope, abs=1e-8)
        bend = (where.gradient(x + step) - where.gradient(x - step)) / 2e-5
        assert where.hessian(x)[:, :, axis] == pytest.approx(bend, abs=1e-6)


def test_noise_has_the_covariance_that_it_should():
    where = landscape()
    x = np.array([[1.7, 0.1], [0.9, -1.2]])
    root = aligned(where, 0.02)(x)
    for i, well in enumerate(where.nearest(x)):
        expected = 0.02 * where.loss(x)[i] * where.hessian(where.centres)[well]
        assert root[i] @ root[i].T == pytest.approx(expected)
    assert isotropic(0.3)(x)[0] == pytest.approx(np.sqrt(0.3) * np.eye(2))


def test_without_noise_it_descends_to_the_minimum():
    where = landscape()
    path, strength = descend(where, isotropic(0.0), START[None] + 0.05, 2000, 0.01, seed=0)
    assert strength == 0
    assert np.abs(where.gradient(path[-1])).max() < 1e-6
    assert (np.diff(where.loss(path[:, 0])) <= 1e-12).all()


def test_noise_as_strong_has_the_trace_and_no_direction():
    where = landscape()
    x = np.array([[1.7, 0.1], [0.9, -1.2]])
    noise = aligned(where, 0.02)
    found, expected = as_strong(noise)(x), noise(x)
    assert np.square(found).sum(axis=(1, 2)) == pytest.approx(np.square(expected).sum(axis=(1, 2)))
    assert found == pytest.approx(found[:, :1, :1] * np.eye(2))


def test_wells_are_elongated_so_that_noise_along_them_has_a_direction():
    where = landscape()
    values = np.linalg.eigvalsh(where.hessian(where.centres))
    assert (values[:, 1] > 3 * values[:, 0]).all()
    assert (values[::2].min(axis=0) > 4 * values[1::2].max(axis=0)).all()


def test_noise_that_is_stronger_where_minima_are_narrow_leaves_them_whatever_its_direction():
    where = landscape()
    found = compare(where, 0.03, 10, 60, steps=1500)
    ends = {name: share_in_wide(where, paths[-1]) for name, paths in found.items()}
    assert share_in_wide(where, found[ALONG][0]) == 0
    assert ends[ALONG] > 0.9
    assert ends[LOCAL] > 0.9
    assert ends[EVEN] < 0.5


@pytest.mark.slow
def test_the_command(tmp_path, capsys):
    file = tmp_path / "descent.svg"
    with pytest.raises(SystemExit) as ended:
        main(["study", "noisy_descent", "-o", str(file), "--particles", "8"])
    assert not ended.value.code
    assert "end at a wide minimum" in capsys.readouterr().out
    assert file.read_text().startswith("<svg xmlns=")
    for wrong in ("--rate=0", "--batch=0", "--particles=3"):
        with pytest.raises(SystemExit) as ended:
            main(["study", "noisy_descent", wrong])
        assert ended.value.code == 2
        assert wrong.partition("=")[0] in capsys.readouterr().err
