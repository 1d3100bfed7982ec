"""The promises of `vector_math.h` over whole ranges: units in the last place against double precision."""

import ctypes
import shutil
import subprocess

import numpy as np
import pytest
from scipy.special import ndtr

from evoact.native.library import FLAGS, SOURCES, VARIANTS, library

pytestmark = pytest.mark.skipif(library() is None, reason="no C compiler, or EVOACT_NATIVE=0")

TINY = float(np.finfo(np.float32).tiny)
SOURCE = """
#include "vector_math.h"
#define LOOP(name, value) \\
    void name(int n, const float *p, float *y) { for (int i = 0; i < n; i++) { float x = p[i]; y[i] = value; } }
LOOP(exp_, vexp(x)) LOOP(expm1_, vexpm1(x)) LOOP(small_expm1_, small_expm1(x)) LOOP(tanh_, vtanh(x))
LOOP(logistic_, vlogistic(x)) LOOP(log1p_, vlog1p_unit(x)) LOOP(softplus_, vsoftplus(x))
LOOP(sin_, vsin_shifted(x, 0)) LOOP(cos_, vsin_shifted(x, 1)) LOOP(cdf_, vnormal_cdf(x, vexp(-0.5f * x * x)))
"""


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


# Reference and range.
FUNCTIONS = {
    "exp": (np.exp, -87.33654, 88.72283),
    "expm1": (np.expm1, -110.0, 0.0),
    "small_expm1": (np.expm1, -88.0, 88.0),
    "tanh": (np.tanh, -100.0, 100.0),
    "logistic": (lambda x: 1 / (1 + np.exp(-x)), -87.3, 110.0),
    "log1p": (np.log1p, 0.0, 1.0),
    "softplus": (softplus, -86.6, 1000.0),
}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """The functions as loops, with the flags of the kernels."""
    folder = tmp_path_factory.mktemp("vector_math")
    (folder / "loops.c").write_text(SOURCE)
    for variant in VARIANTS:
        command = [shutil.which("cc"), *FLAGS, *variant, f"-I{SOURCES}", "-o", "loops.so", "loops.c", "-lm"]
        if subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0:
            break
    loaded = ctypes.CDLL(str(folder / "loops.so"))

    def call(name, x):
        x = np.ascontiguousarray(x, dtype=np.float32)
        y = np.empty_like(x)
        pointers = (a.ctypes.data_as(ctypes.c_void_p) for a in (x, y))
        getattr(loaded, f"{name}_")(len(x), *pointers)
        return y

    return call


def samples(low, high, n=400_000):
    """Even over the range, and in size from its end to the smallest numbers."""
    even = np.linspace(low, high, n)
    small = np.geomspace(1e-30, max(abs(low), abs(high)), n)
    x = np.concatenate([even, small, -small, [low, high, 0.0]]).astype(np.float32)
    return x[(x >= np.float32(low)) & (x <= np.float32(high))]


def ulps(found, expected):
    """Errors in units of the last place of the expected value in single precision, at least that of the smallest
    normal number."""
    unit = 2.0 ** (np.floor(np.log2(np.maximum(np.abs(expected), TINY))) - 23)
    return np.abs(found.astype(np.float64) - expected) / unit


@pytest.mark.parametrize("name", FUNCTIONS)
def test_units_in_the_last_place(compiled, name):
    reference, low, high = FUNCTIONS[name]
    x = samples(low, high)
    error = ulps(compiled(name, x), reference(x.astype(np.float64)))
    assert error.max() <= (4 if name == "softplus" else 3), (
        name,
        float(error.max()),
        float(x[error.argmax()]),
    )


@pytest.mark.parametrize(("name", "reference"), [("sin", np.sin), ("cos", np.cos)])
def test_sine_and_cosine(compiled, name, reference):
    x = samples(-20_000, 20_000)
    error = ulps(compiled(name, x), reference(x.astype(np.float64)))
    assert error.max() <= 3, (float(error.max()), float(x[error.argmax()]))


def test_the_normal_distribution_function(compiled):
    x = samples(-5, 5)
    found, expected = compiled("cdf", x), ndtr(x.astype(np.float64))
    assert np.abs(found / expected - 1).max() < 1e-6


def test_beyond_the_ranges(compiled):
    x = np.array([-np.inf, -1e4, -87.34, 88.73, 1e4, np.inf, np.nan])
    assert np.array_equal(compiled("exp", x), [0, 0, 0, *[np.inf] * 3, np.nan], equal_nan=True)
    assert compiled("exp", np.array([-87.33654]))[0] >= TINY
    assert np.array_equal(compiled("logistic", x)[[0, 1, 4, 5]], [0, 0, 1, 1])
    assert np.array_equal(compiled("tanh", x)[[0, 5]], [-1, 1])
    for name in ("expm1", "tanh", "logistic", "softplus", "sin", "cos", "cdf"):
        assert np.isnan(compiled(name, np.array([np.nan])))[0], name
