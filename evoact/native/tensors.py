"""Which tensors the kernels take, and with how many threads."""

import torch
from torch import Tensor, nn

from evoact.native.library import library


def accepts(tensor: Tensor) -> bool:
    """Return whether there are kernels and they can take this tensor, once it is contiguous."""
    if not is_plain(tensor):
        return False
    return tensor.dtype == torch.float32 and tensor.device.type == "cpu" and library() is not None


def is_plain(tensor: Tensor) -> bool:
    """Return whether the tensor is memory, and stands for nothing else, such as a shape or a batch of a transform.

    >>> is_plain(torch.ones(2)), torch.func.vmap(lambda x: x * is_plain(x))(torch.ones(2)).tolist()
    (True, [0.0, 0.0])
    """
    return (
        not torch.compiler.is_compiling()
        and type(tensor) in (Tensor, nn.Parameter)
        and not torch._C._functorch.is_functorch_wrapped_tensor(tensor)
    )


def threads(tensor: Tensor, serial: int) -> int:
    """Return PyTorch's number of threads, or one for up to `serial` elements, for which more threads cost more than
    they bring.
    """
    return torch.get_num_threads() if tensor.numel() > serial else 1
