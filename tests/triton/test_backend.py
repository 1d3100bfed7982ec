"""The Triton kernels where there is no GPU: they compile for one, and compute the right thing in the interpreter."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.activations.routing.plan import plan_site
from evoact.triton import backend
from tests.activations.examples import SITES

needs_triton = pytest.mark.skipif(find_spec("triton") is None, reason="needs Triton")
INTEGERS = dict.fromkeys(("stride", "m", "blocks", "n"), "i32")
INDICES = dict.fromkeys(("begin", "function", "coefficient"), "*i32")


@needs_triton
def test_every_base_function_has_a_code():
    assert set(backend.function_codes()) == set(BASE_FUNCTIONS)


@needs_triton
@pytest.mark.parametrize("kernel", ["_forward", "_backward", "_sum_rows"])
@pytest.mark.parametrize("number", ["*fp32", "*fp64"])
def test_kernels_compile_for_nvidia(kernel, number, tmp_path, monkeypatch):
    """Down to machine code of the generation 9.0, with the assembler that Triton brings along."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    function = getattr(backend.kernels(), kernel)
    types = INTEGERS | INDICES | {"scales": "*fp64", "WIDTH": "constexpr"}
    source = ASTSource(
        fn=function,
        signature={name: types.get(name, number) for name in function.arg_names},
        constexprs={"WIDTH": 128},
    )
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"enable_fp_fusion": True})
    assert len(made.asm["cubin"]) > 1000


@pytest.mark.slow
@needs_triton
@pytest.mark.skipif(torch.cuda.is_available(), reason="test_mixture.py runs on the GPU")
def test_kernels_in_the_interpreter():
    ran = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "no:cacheprovider",
            str(Path(__file__).with_name("test_mixture.py")),
        ],
        env=os.environ | {"TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_plans_on_a_cpu_hold_nothing_for_a_gpu():
    assert plan_site(SITES).mixture.cuda_program is None


@pytest.mark.parametrize("why", ["switched off", "not installed"])
def test_without_triton(why, monkeypatch):
    if why == "switched off":
        monkeypatch.setenv("EVOACT_TRITON", "0")
    else:
        monkeypatch.setitem(sys.modules, "evoact.triton.mixture", None)
        monkeypatch.delattr("evoact.triton.mixture", raising=False)
    backend.loaded.cache_clear()
    try:
        assert not backend.wanted(torch.device("cuda"))
    finally:
        backend.loaded.cache_clear()
