"""Captured curves: files, names, digests, interpolation, and what is no curve."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from scipy.interpolate import CubicSpline

from evoact.activations.curves import Curve, load_curve, resolve, save_curve
from evoact.activations.kinds import tabulated
from evoact.errors import UserError
from evoact.genomes.kinds import Captured, Tabulated
from evoact.native.tensors import accepts

GRID = np.array([-2.0, -1.5, 0.0, 0.25, 1.0, 3.0])
VALUES = np.tanh(GRID)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_CURVES", str(tmp_path))
    save_curve(tmp_path / "bend", Curve(GRID, VALUES, {"source": "tanh"}))
    return tmp_path


def evaluate(activation, x):
    x = torch.as_tensor(x, dtype=torch.float64)
    return tabulated.evaluate(activation, x[None, None], x.new_empty(1, 0))[0]


def test_a_file_gives_the_curve_back(folder):
    curve = load_curve("bend")
    assert np.array_equal(curve.grid, GRID)
    assert np.array_equal(curve.values, VALUES)
    assert curve.metadata == {"source": "tanh"}
    assert load_curve(str(folder / "bend.safetensors")).digest == curve.digest
    assert list(folder.iterdir()) == [folder / "bend.safetensors"]


def test_the_current_folder_comes_first(folder, tmp_path_factory, monkeypatch):
    here = tmp_path_factory.mktemp("here")
    monkeypatch.chdir(here)
    save_curve(here / "curves" / "bend", Curve([0, 1], [5, 6]))
    assert load_curve("bend").values.tolist() == [5, 6]


def test_linear_interpolation(folder):
    x = np.linspace(-2, 3, 101)
    assert evaluate(Tabulated("bend"), x).numpy() == pytest.approx(np.interp(x, GRID, VALUES))
    assert evaluate(Tabulated("bend"), GRID).numpy() == pytest.approx(VALUES)


def test_cubic_interpolation(folder):
    x = np.linspace(-2, 3, 101)
    spline = CubicSpline(GRID, VALUES)
    assert evaluate(Tabulated("bend", "cubic"), x).numpy() == pytest.approx(spline(x))
    z = torch.tensor(x).requires_grad_()
    y = tabulated.evaluate(Tabulated("bend", "cubic"), z[None, None], z.new_empty(1, 0))
    assert torch.autograd.grad(y.sum(), z)[0].numpy() == pytest.approx(spline(x, 1))


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
def test_extrapolation(folder, interpolation):
    left, right = np.array([-50.0, -2.5]), np.array([3.5, 100.0])
    constant = Tabulated("bend", interpolation, "constant")
    assert evaluate(constant, left).tolist() == [VALUES[0]] * 2
    assert evaluate(constant, right).tolist() == [VALUES[-1]] * 2
    slopes = np.diff(VALUES) / np.diff(GRID)
    ends = slopes[[0, -1]] if interpolation == "linear" else CubicSpline(GRID, VALUES)(GRID[[0, -1]], 1)
    linear = Tabulated("bend", interpolation)
    assert evaluate(linear, left).numpy() == pytest.approx(VALUES[0] + ends[0] * (left + 2))
    assert evaluate(linear, right).numpy() == pytest.approx(VALUES[-1] + ends[1] * (right - 3))


def test_a_digest_pins_the_content(folder):
    pinned = resolve(Tabulated("bend"))
    assert pinned.curve == f"bend@{load_curve('bend').digest}"
    assert resolve(pinned) == pinned
    before = evaluate(pinned, GRID)
    save_curve(folder / "bend", Curve(GRID, 2 * VALUES))
    assert torch.equal(evaluate(Tabulated("bend"), GRID), 2 * before)
    with pytest.raises(UserError, match=r"expected the curve 'bend' with digest .* it was overwritten"):
        load_curve(pinned.curve)


@pytest.mark.parametrize(
    ("grid", "values", "sentence"),
    [
        ([0, 1, 1], [0, 0, 0], "expected a curve's grid to increase, got 1 before 1 at position 1"),
        ([0, 2, 1], [0, 0, 0], "grid to increase, got 2 before 1"),
        ([0, float("nan")], [0, 0], "finite numbers as a curve's grid, got nan at position 1"),
        ([0, 1], [float("inf"), 0], "finite numbers as a curve's values, got inf at position 0"),
        ([0, 1], [0, 0, 0], r"equal length, got shapes \[2\] and \[3\]"),
        ([[0, 1]], [[0, 0]], "two lists of equal length"),
        ([0], [0], "at least 2 points, got 1"),
    ],
)
def test_what_is_no_curve(grid, values, sentence, folder):
    with pytest.raises(UserError, match=sentence):
        Curve(grid, values)
    path = folder / "bad.safetensors"
    save_file({"grid": np.array(grid, float), "values": np.array(values, float)}, path)
    with pytest.raises(UserError, match=f"bad.safetensors: .*{sentence}"):
        load_curve("bad")


def test_what_cannot_be_read(folder):
    (folder / "torn.safetensors").write_bytes((folder / "bend.safetensors").read_bytes()[:40])
    with pytest.raises(UserError, match=r"expected a curve in '.*torn.safetensors', which cannot be read"):
        load_curve("torn")
    save_file({"grid": GRID}, folder / "half.safetensors")
    with pytest.raises(UserError, match=r"expected grid and values in '.*', got \['grid'\]"):
        load_curve("half")
    with pytest.raises(
        UserError, match=r"unknown curve 'bent'; did you mean 'bend'.* looked in 'curves' and"
    ):
        load_curve("bent")
    with pytest.raises(UserError, match=r"'no.safetensors', which does not exist"):
        load_curve("no.safetensors")


def test_cubic_needs_four_points(folder):
    save_curve(folder / "short", Curve([0, 1, 2], [0, 1, 0]))
    assert evaluate(Tabulated("short"), [0.5]).tolist() == [0.5]
    with pytest.raises(UserError, match="at least 4 points for cubic interpolation, got 3"):
        evaluate(Tabulated("short", "cubic"), [0.5])


@pytest.mark.parametrize("interpolation", ["linear", "cubic"])
@pytest.mark.parametrize("extrapolation", ["linear", "constant"])
def test_the_kernel_gives_what_pytorch_gives(interpolation, extrapolation):
    if not accepts(torch.zeros(1)):
        pytest.skip("no C compiler here")
    activation = Captured("c", -2.0, 1.0, (0.3, -1.0, 0.5, 2.0, 0.1, 0.0), interpolation, extrapolation)
    special = torch.tensor([-2.0, -1.4, 1.0, -1e6, 1e6, float("inf"), float("-inf"), float("nan"), 0.0])
    x = torch.cat(
        [special, 3 * torch.randn(1000, generator=torch.Generator().manual_seed(0))]
    ).requires_grad_()
    borders, rows = tabulated._tensors(activation, torch.float32, torch.device("cpu"))
    y = tabulated.evaluate(activation, x[None, None], x.new_empty(1, 0))[0]
    expected = tabulated.pieces_at(x, borders, rows, 0)
    assert torch.allclose(y, expected, rtol=1e-5, atol=1e-6, equal_nan=True)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (other,) = torch.autograd.grad(expected.sum(), x, create_graph=True)
    assert torch.allclose(slope[9:], other[9:], rtol=1e-5, atol=1e-5)
    if interpolation == "cubic":
        second, expected = (torch.autograd.grad(s[9:].sum(), x)[0][9:] for s in (slope, other))
        assert torch.allclose(second, expected, rtol=1e-4, atol=1e-4)
        assert second.abs().max() > 0.1
