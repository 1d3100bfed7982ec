"""The device that packs train on: whether there is a GPU, what is amiss with it, and whether it still answers."""

import os
import re
import shutil
import warnings

import torch

from evoact.errors import SearchFailed, UserError

# Compute capability: older GPUs have no matrix units, and neither PyTorch nor Triton serves them.
OLDEST = (7, 0)
UNLIKE = 1.2  # memories of GPUs that differ by more are said


class GpuLost(SearchFailed):
    """A GPU does not answer any more: nothing can be trained on it in this process."""


def gpu_here() -> bool:
    """Return whether this machine has a GPU that PyTorch can use."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # `without_gpu` says it
        return torch.cuda.is_available()


def without_gpu() -> str:
    """Return why this machine has no GPU that PyTorch can use, for the middle of a sentence."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "0").strip()
    if visible in ("", "-1"):
        return "a machine whose GPUs are hidden, since CUDA_VISIBLE_DEVICES is empty (unset it)"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        torch.cuda.is_available()
    for warning in said:
        if found := re.search(r"driver .* is too old \(found version (\d+)\)", str(warning.message)):
            major, minor = divmod(int(found[1]) // 10, 100)
            return (
                f"a driver that knows CUDA {major}.{minor}, too old for a PyTorch of CUDA {torch.version.cuda} "
                "(update the driver, or install a PyTorch of an older CUDA)"
            )
        if "CUDA" in str(warning.message):
            return (
                "a GPU that PyTorch cannot use (" + str(warning.message).split(" (Triggered")[0].strip() + ")"
            )
    if not shutil.which("nvidia-smi"):
        return "a machine without one"
    if not torch.cuda._is_compiled():
        return "a PyTorch without CUDA (install one with it)"
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return (
            f"a machine that has none of those in CUDA_VISIBLE_DEVICES {visible!r} (nvidia-smi lists its own)"
        )
    return "a machine without one"


def device_for(gpu: bool) -> torch.device:
    """Return the device on which packs are trained here; `gpu` says whether a GPU may be used if there is one.

    Raises:
        UserError: if there is one that is too old.
        GpuLost: if it does not answer.
    """
    if not (gpu and gpu_here()):
        return torch.device("cpu")
    check_usable()
    return torch.device("cuda")


def check_usable() -> None:
    """Check that the GPU that is here can be used.

    Raises:
        UserError: if it is too old.
        GpuLost: if it does not answer; another one may.
    """
    instead = "add --set execution.gpus_per_pack=0 to train on the processors"
    try:
        capability = torch.cuda.get_device_capability()
    except RuntimeError as error:  # others have it for themselves, or it is broken
        said = _first_line(error)
        raise GpuLost(f"expected a GPU that answers, got one that does not ({said}); {instead}") from None
    oldest = max(OLDEST, _oldest_built_for())
    if capability < oldest:
        which = (
            "" if oldest == OLDEST else f", the oldest that this PyTorch {torch.__version__} was built for"
        )
        raise UserError(
            f"expected a GPU of compute capability {oldest[0]}.{oldest[1]} or more{which}, got "
            f"{torch.cuda.get_device_name()} of {capability[0]}.{capability[1]}; {instead}"
        )


def _oldest_built_for() -> tuple[int, int]:
    """The least compute capability among PyTorch's own kernels, such as `sm_75`."""
    found = [re.fullmatch(r"(?:sm|compute)_(\d+)(\d)[a-z]?", name) for name in torch.cuda.get_arch_list()]
    return min(((int(m[1]), int(m[2])) for m in found if m), default=OLDEST)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or ["no reason given"])[0]


def device_name(device: torch.device) -> str:
    """Return what a pack ran on, and which GPU it was granted in vain because PyTorch has no CUDA."""
    if device.type == "cuda":
        return f"cuda ({torch.cuda.get_device_name(device)})"
    granted = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return f"cpu (granted GPU {granted}, but no CUDA)" if granted else "cpu"


def memories() -> list[float]:
    """Return the memory of each GPU of this machine, in GB."""
    if not gpu_here():
        return []
    return [torch.cuda.get_device_properties(i).total_memory / 1e9 for i in range(torch.cuda.device_count())]


def unlike_memories() -> str:
    """Return a sentence if the GPUs of this machine differ in memory, else nothing."""
    found = sorted(memories())
    if not found or found[-1] < UNLIKE * found[0]:
        return ""
    return (
        f"this machine's GPUs have {', '.join(f'{m:.0f}' for m in found)} GB: packs are sized for the smallest; "
        "choose GPUs of one size by CUDA_VISIBLE_DEVICES, or set packs.size"
    )


def free_gpu_memory() -> float:
    """Return the free memory of the GPU that has least, in MB."""
    return min(torch.cuda.mem_get_info(i)[0] for i in range(torch.cuda.device_count())) / 1e6


def check_answers(exception: Exception) -> None:
    """Check, after this exception, that the GPU still computes: after some errors no later call does.

    Raises:
        GpuLost: if it does not.
    """
    # In use it is asked whatever the words: cuDNN, Triton and others have their own.
    in_use = torch.cuda.is_initialized() or "CUDA" in str(exception)
    if not in_use or is_out_of_memory(exception):
        return
    try:
        torch.cuda.synchronize()
    except RuntimeError as error:
        said = _first_line(error)
        raise GpuLost(f"expected a GPU that answers, got one that does not any more ({said})") from None


def is_out_of_memory(exception: Exception) -> bool:
    """Return whether there was too little memory, on whatever device.

    >>> is_out_of_memory(RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"))
    True
    """
    return isinstance(exception, (torch.OutOfMemoryError, MemoryError)) or (
        isinstance(exception, RuntimeError)
        and any(
            said in str(exception)
            for said in ("can't allocate memory", "CUDA error: out of memory", "_STATUS_ALLOC_FAILED")
        )
    )
