"""What is said of GPUs that cannot be used, as PyTorch answers for them."""

import subprocess
import sys
import warnings

import pytest
import torch

from evoact.errors import UserError
from evoact.training.gpu import devices
from evoact.training.gpu.devices import GpuLost, check_answers, device_for, unlike_memories, without_gpu
from evoact.training.isolation import train_isolated
from tests.training.examples import member, network

OLD_DRIVER = (
    "CUDA initialization: The NVIDIA driver on your system is too old (found version 11040). Please update your GPU "
    "driver by downloading and installing a new version from the URL: http://www.nvidia.com/Download/index.aspx "
    "(Triggered internally at ../c10/cuda/CUDAFunctions.cpp:108.)"
)


@pytest.fixture
def gpu(monkeypatch):
    """A machine with a GPU, as far as PyTorch's answers go."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    answers = {
        "is_available": lambda: True,
        "get_device_capability": lambda device=None: (9, 0),
        "get_device_name": lambda device=None: "NVIDIA H200",
        "empty_cache": lambda: None,
        "synchronize": lambda device=None: None,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(torch.cuda, name, answer)
    return monkeypatch


def unavailable(said):
    def is_available():
        warnings.warn(said, stacklevel=1)
        return False

    return is_available


@pytest.mark.parametrize("value", ["", "-1", " "])
def test_gpus_that_are_hidden(value, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert "since CUDA_VISIBLE_DEVICES is empty (unset it)" in without_gpu()


def test_a_driver_that_is_too_old(gpu):
    gpu.setattr(torch.cuda, "is_available", unavailable(OLD_DRIVER))
    gpu.setattr(torch.version, "cuda", "12.6")
    assert without_gpu().startswith(
        "a driver that knows CUDA 11.4, too old for a PyTorch of CUDA 12.6 (update"
    )
    assert device_for(True).type == "cpu"  # and no warning, which would be an error here


def test_another_reason_is_passed_on(gpu):
    gpu.setattr(
        torch.cuda, "is_available", unavailable("CUDA initialization: CUDA unknown error (Triggered at x)")
    )
    assert without_gpu() == "a GPU that PyTorch cannot use (CUDA initialization: CUDA unknown error)"


def test_a_pytorch_without_cuda(gpu):
    gpu.setattr(torch.cuda, "is_available", lambda: False)
    gpu.setattr(torch.cuda, "_is_compiled", lambda: False)
    gpu.setattr(devices.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert without_gpu() == "a PyTorch without CUDA (install one with it)"
    gpu.setattr(devices.shutil, "which", lambda name: None)
    assert without_gpu() == "a machine without one"


def test_visible_gpus_that_are_not_there(gpu):
    gpu.setattr(torch.cuda, "is_available", lambda: False)
    gpu.setattr(torch.cuda, "_is_compiled", lambda: True)
    gpu.setattr(devices.shutil, "which", lambda name: "/usr/bin/nvidia-smi")
    assert without_gpu() == "a machine without one"
    gpu.setenv("CUDA_VISIBLE_DEVICES", "7")
    assert without_gpu() == (
        "a machine that has none of those in CUDA_VISIBLE_DEVICES '7' (nvidia-smi lists its own)"
    )


def test_a_gpu_that_is_too_old(gpu):
    assert device_for(True) == torch.device("cuda")
    assert device_for(False) == torch.device("cpu")
    gpu.setattr(torch.cuda, "get_device_capability", lambda device=None: (6, 1))
    with pytest.raises(
        UserError, match=r"compute capability 7\.0 or more, got NVIDIA H200 of 6\.1; add --set"
    ):
        device_for(True)


@pytest.mark.parametrize(("newer", "taken"), [((7, 0), False), ((7, 5), True), ((12, 0), True)])
def test_a_gpu_older_than_pytorch_was_built_for(gpu, newer, taken):
    gpu.setattr(torch.cuda, "get_arch_list", lambda: ["sm_75", "sm_90", "sm_90a", "sm_120", "compute_120"])
    gpu.setattr(torch.cuda, "get_device_capability", lambda device=None: newer)
    if taken:
        assert device_for(True).type == "cuda"
        return
    with pytest.raises(
        UserError,
        match=r"of compute capability 7\.5 or more, the oldest that this PyTorch .* was built for, got",
    ):
        device_for(True)


def test_a_gpu_that_does_not_answer_from_the_start(gpu):
    def busy(device=None):
        raise RuntimeError("CUDA error: CUDA-capable device(s) is/are busy or unavailable\nmore of it")

    gpu.setattr(torch.cuda, "get_device_capability", busy)
    with pytest.raises(
        GpuLost,
        match=r"one that does not \(CUDA error: .* unavailable\); add --set execution\.gpus_per_pack=0",
    ):
        device_for(True)
    assert device_for(False).type == "cpu"


@pytest.mark.parametrize(
    ("gigabytes", "said"), [([80, 80], ""), ([80, 24], "have 24, 80 GB: packs are sized for")]
)
def test_gpus_of_unlike_memory(gpu, gigabytes, said):
    class Properties:
        def __init__(self, i):
            self.total_memory = gigabytes[i] * 1e9

    gpu.setattr(torch.cuda, "device_count", lambda: len(gigabytes))
    gpu.setattr(torch.cuda, "get_device_properties", Properties)
    gpu.setattr(torch.cuda, "mem_get_info", lambda i: (int(gigabytes[i] * 5e8), 0))
    assert said in unlike_memories()
    assert devices.free_gpu_memory() == 500 * min(gigabytes)


def lost(device=None):
    raise RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be reported later")


def test_a_gpu_that_vanishes_ends_the_search_not_every_candidate(gpu):
    members = [member(i, network()) for i in range(4)]
    asked = []

    def train(part):
        asked.append(len(part))
        lost()

    gpu.setattr(torch.cuda, "synchronize", lost)
    with pytest.raises(GpuLost, match=r"does not any more \(CUDA error: unspecified launch failure\)"):
        train_isolated(members, train)
    assert asked == [4]
    gpu.setattr(torch.cuda, "synchronize", lambda device=None: None)  # it answers: one member's fault
    outcomes = train_isolated(members, train)
    assert {o.state for o in outcomes} == {"failed"}


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        RuntimeError("CUDA error: out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    ],
)
def test_a_pack_too_large_for_a_gpu_is_halved(gpu, error):
    gpu.setattr(torch.cuda, "synchronize", lost)  # not asked
    sizes = []

    def train(part):
        sizes.append(len(part))
        raise error

    outcomes = train_isolated([member(i, network()) for i in range(2)], train)
    assert sizes == [2, 1, 1]
    assert {o.state for o in outcomes} == {"out_of_memory"}


def test_errors_of_a_processor_ask_no_gpu(gpu):
    gpu.setattr(torch.cuda, "synchronize", lost)
    check_answers(ValueError("expected 3 rows"))


def test_a_gpu_in_use_is_asked_whatever_the_error_says(gpu):
    gpu.setattr(torch.cuda, "synchronize", lost)
    gpu.setattr(torch.cuda, "is_initialized", lambda: True)
    with pytest.raises(GpuLost):
        check_answers(RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"))


def test_hidden_gpus_in_a_process_of_its_own():
    code = "from evoact.training.gpu.devices import gpu_here, without_gpu; print(gpu_here(), without_gpu())"
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
    )
    assert ran.stdout.startswith("False a machine whose GPUs are hidden"), ran.stderr
