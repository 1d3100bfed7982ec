"""The optimizer kernels of `optimizers.c` on tensors: single precision, CPU, contiguous."""

from torch import Tensor

from evoact.native.library import kernels
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
    kernels().evoact_adam(
        p.data_ptr(),
        g.data_ptr(),
        m.data_ptr(),
        v.data_ptr(),
        rates.data_ptr(),
        p.shape[0],
        p[0].numel(),
        beta1,
        beta2,
        eps,
        weight_decay,
        threads(p, SERIAL),
    )


def rmsprop(
    p: Tensor, g: Tensor, v: Tensor, rates: Tensor, alpha: float, eps: float, weight_decay: float
) -> None:
    """Update p and v [K, ...] in place, each member at its rate [K]."""
    g, rates = g.contiguous(), rates.float()
    kernels().evoact_rmsprop(
        p.data_ptr(),
        g.data_ptr(),
        v.data_ptr(),
        rates.data_ptr(),
        p.shape[0],
        p[0].numel(),
        alpha,
        eps,
        weight_decay,
        threads(p, SERIAL),
    )
