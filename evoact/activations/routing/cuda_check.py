"""A check that the Triton kernels compute on a device what PyTorch computes there."""

import functools

import numpy as np
import torch

from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.native.mixture import ALONE
from evoact.triton.backend import function_codes, kernels, wanted
from evoact.triton.terms import TERM

TOLERANCE = {torch.float32: 1e-5, torch.float64: 1e-12}  # absolute and relative


@functools.cache
def kernels_agree(device: torch.device, dtype: torch.dtype) -> bool:
    """Return whether there are kernels and they do what PyTorch does, tried once a process with every base function,
    alone and weighted. A kernel that does not compile there, or errs, costs speed and nothing else.

    >>> kernels_agree(torch.device("cpu"), torch.float16)
    False
    """
    if dtype not in TOLERANCE or not wanted(device):
        return False
    try:
        return _agree(device, dtype)
    except Exception:  # whatever compilers and drivers raise
        return False


def _agree(device: torch.device, dtype: torch.dtype) -> bool:
    columns = 2 * kernels().WIDEST + 7  # three blocks, one in part
    x = torch.linspace(-12, 12, columns, dtype=dtype, device=device)
    codes = function_codes()
    terms = np.zeros(2 * len(codes), TERM)  # each function alone, then weighted
    terms["function"] = np.repeat(list(codes.values()), 2)
    terms["coefficient"] = np.stack([np.full(len(codes), ALONE), np.arange(len(codes))], axis=1).ravel()
    terms["input_scale"], terms["output_scale"], terms["shift"] = 1.3, -0.7, 0.2
    program = kernels().Program.of(np.arange(len(terms) + 1, dtype=np.int32), terms, device)
    c = torch.linspace(0.5, 2, len(codes), dtype=dtype, device=device)
    rows = x.expand(len(terms), 1, -1).contiguous()
    y, g = kernels().forward(rows, c, program), torch.cos(rows[:, 0])
    grad_x, grad_c = kernels().backward(g, rows, c, program)
    for i, name in enumerate(codes):
        f = BASE_FUNCTIONS[name]
        core = f.value(1.3 * x)
        value, slope = 0.2 - 0.7 * core, -0.7 * 1.3 * f.derivative(1.3 * x, core)
        pairs = (
            (y[2 * i], value),
            (y[2 * i + 1], c[i] * value),
            (grad_x[2 * i, 0], g[0] * slope),
            (grad_x[2 * i + 1, 0], c[i] * g[0] * slope),
            (grad_c[i] / len(x), (g[0] * value).mean()),
        )
        tolerance = TOLERANCE[dtype]
        if not all(torch.allclose(a, b, rtol=tolerance, atol=tolerance) for a, b in pairs):
            return False
    return True
