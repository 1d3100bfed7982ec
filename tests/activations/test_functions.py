"""What stands beside the table of base functions agrees with it; each failure says what is missing, and where."""

import re
from pathlib import Path

import pytest
import torch

import evoact
from evoact.activations import spline
from evoact.activations.functions.base_functions import BASE_FUNCTIONS, KINKS
from evoact.activations.spline import Grid
from evoact.native.library import library
from evoact.native.mixture import function_codes

TRITON = Path(evoact.__file__).parent / "triton" / "functions.py"
FINE = Grid(-10.0, 10.0, 513)  # as in meta-training


@pytest.mark.skipif(library() is None, reason="needs a C compiler")
def test_every_function_has_a_kernel():
    assert set(function_codes()) == set(BASE_FUNCTIONS), "FUNCTIONS in evoact/native/activations.c"


@pytest.mark.parametrize("switch", ["value", "slope"])
def test_every_function_has_a_branch_on_cuda(switch):
    """By the text alone, which needs no Triton: `code == 3:  # elu`, and 0 is what a switch begins with."""
    text = TRITON.read_text()
    names = re.findall(r'"(\w+)",', text.split("NAMES = (")[1].split("\n)")[0])
    assert set(names) == set(BASE_FUNCTIONS), "NAMES in evoact/triton/functions.py"
    body = text.split(f"def {switch}(")[1].split("\n@triton.jit")[0]
    branches = {int(code): name for code, name in re.findall(r"code == (\d+):  # (\w+)", body)}
    assert branches == dict(list(enumerate(names))[1:]), f"{switch} in evoact/triton/functions.py"


@pytest.mark.parametrize("name", BASE_FUNCTIONS)
def test_kinks_are_where_the_table_says(name):
    f, h = BASE_FUNCTIONS[name], 1e-4
    x = torch.arange(-16, 17, dtype=torch.float64) / 2
    assert set(f.kinks) <= set(x.tolist())
    bends = (
        f.value(x + h) - 2 * f.value(x) + f.value(x - h)
    ).abs() / h  # a corner's change of slope, else about h
    assert set(x[bends > 1e-2].tolist()) == set(f.kinks)


def test_quadrature_knows_all_kinks():
    assert {abs(kink) for f in BASE_FUNCTIONS.values() for kink in f.kinks} == {0, *KINKS}


@pytest.mark.parametrize("name", [name for name, f in BASE_FUNCTIONS.items() if f.smooth])
def test_a_spline_stands_for_smooth_functions(name):
    f, x = BASE_FUNCTIONS[name], torch.linspace(-9, 9, 4001, dtype=torch.float64)
    c = spline.coefficients(f.value(FINE.points(x))[None])
    assert torch.allclose(spline.evaluate(x[None], c, FINE)[0], f.value(x), atol=1e-5)
    assert not f.kinks
