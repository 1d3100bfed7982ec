"""Which tensors the kernels take, and with how many threads."""

import torch
from torch import Tensor

from evoact.native.library import library


def accepts(tensor: Tensor) -> bool:
    """Return whether there are kernels and they can take this tensor, once it is contiguous."""
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and library() is not None


def threads(tensor: Tensor, serial: int) -> int:
    """PyTorch's number of threads, or one for up to `serial` elements, for which more threads cost more than they
    bring.
    """
    return torch.get_num_threads() if tensor.numel() > serial else 1
