"""The optimizer kernels of `optimizers.c` on tensors: single precision, CPU, contiguous."""

from torch import Tensor

from evoact.native.library import call
from evoact.native.tensors import threads

SERIAL = 32_768  # elements


def adam(
    p: Tensor,
    g: Tensor,
    m: Tensor,
    v: Tensor,
    rates: Tensor,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float,
) -> None:
    """Update p, m and v [K, ...] in place; rates [K] and eps hold the bias corrections."""
    g, rates = g.contiguous(), rates.float()
    sizes = p.shape[0], p[0].numel()
    settings = beta1, beta2, eps, weight_decay
    call("evoact_adam", p, g, m, v, rates, *sizes, *settings, threads(p, SERIAL))


def rmsprop(
    p: Tensor, g: Tensor, v: Tensor, rates: Tensor, alpha: float, eps: float, weight_decay: float
) -> None:
    """Update p and v [K, ...] in place, each member at its rate [K]."""
    g, rates = g.contiguous(), rates.float()
    sizes = p.shape[0], p[0].numel()
    call("evoact_rmsprop", p, g, v, rates, *sizes, alpha, eps, weight_decay, threads(p, SERIAL))
