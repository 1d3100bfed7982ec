"""The optimizer kernels of `optimizers.c` on tensors: single precision, CPU, contiguous."""

import torch
from torch import Tensor

from evoact.native.library import library

SERIAL = 32_768  # elements below which threads cost more than they bring


def accepts(parameter: Tensor) -> bool:
    """Whether the kernels can take this tensor."""
    return (
        parameter.dtype == torch.float32
        and parameter.device.type == "cpu"
        and parameter.is_contiguous()
        and library() is not None
    )


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
    kernels = library()
    assert kernels is not None
    g, rates = g.contiguous(), rates.float()
    kernels.evoact_adam(
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
        torch.get_num_threads() if p.numel() > SERIAL else 1,
    )
