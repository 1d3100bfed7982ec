"""Steps on a GPU: the same as piece by piece, nothing that waits for it; with a fake of CUDA's streams and graphs where
there is none."""

import sys
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from evoact.genomes.kinds import Base, Hull, Maxout, Rational, Subnetwork
from evoact.training import loop
from evoact.training.forward_pass import Chance
from evoact.training.gpu import graphs
from evoact.training.gpu.graphs import WARM_UP, Steps, _OnGPU, repeats
from evoact.training.loop import train_pack
from evoact.training.pack import (
    TrainingSettings,
    coefficients_of,
    start_pack,
    train_step,
    updated,
)
from tests.networks.examples import SMALL, random_member, small
from tests.training.examples import image_task, task
from tests.training.test_forward_pass import diverse, task_for

CPU = torch.device("cpu")
needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
# What reads a tensor's numbers, or brings numbers of Python's to where tensors are: on a GPU each would wait for it.
WAITS = {
    "_local_scalar_dense",
    "equal",
    "is_nonzero",
    "item",
    "lift_fresh",
    "masked_select",
    "nonzero",
    "unique_dim",
    "_unique2",
}


class Waits(TorchDispatchMode):
    """Counts the operations that would wait for a GPU."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if name in WAITS or (name == "index" and any(_is_mask(i) for i in args[1])):
            self.found[name] += 1
        return func(*args, **(kwargs or {}))


def _is_mask(index):
    return index is not None and index.dtype in (torch.bool, torch.uint8)


@pytest.fixture
def by_pytorch(monkeypatch):
    """As on a GPU without Triton: none of the kernels for processors."""
    for name, module in list(sys.modules.items()):
        if name.startswith("evoact.") and hasattr(module, "accepts"):
            monkeypatch.setattr(module, "accepts", lambda tensor: False)


@pytest.fixture
def fake_cuda(monkeypatch, by_pytorch):
    """CUDA's streams and graphs, in order and at once; a replay does the captured work again, a capture does none."""
    made = SimpleNamespace(captures=0, replays=0)

    class Stream:
        def wait_stream(self, other):
            pass

    @contextmanager
    def stream(on):
        yield

    def capture(work):
        made.captures += 1
        result = torch.full((made.members,), torch.nan)

        def replay():
            made.replays += 1
            result.copy_(work())

        return replay, result

    monkeypatch.setattr(graphs, "cuda", SimpleNamespace(Stream=Stream, stream=stream, current_stream=Stream))
    monkeypatch.setattr(graphs, "capture", capture)
    monkeypatch.setattr(graphs, "_read_by", lambda on, tensor: None)
    return made


def started(members, settings=None, name="mlp"):
    return start_pack(members, small(name), task_for(name), settings or TrainingSettings(15), 0, CPU)


@pytest.mark.parametrize("optimizer", ["adam", "rmsprop", "sgd"])
def test_repeated_steps_are_those_piece_by_piece(optimizer, fake_cuda):
    """Of other batches, with the coefficients of their own step, from one epoch to the next."""
    settings = TrainingSettings(15, optimizer, schedule="inverse_time", schedule_arguments={"decay": 0.1})
    members = diverse(small("mlp"), 3)
    one, other = started(members, settings), started(members, settings)
    fake_cuda.members = 3
    steps = _OnGPU(one, CPU)
    found = [steps() for _ in range(12)]
    assert (fake_cuda.captures, fake_cuda.replays) == (1, 12 - WARM_UP)
    assert steps.captured
    for losses in found:
        assert torch.allclose(losses, train_step(other), rtol=1e-5)
    assert len({tuple(losses.tolist()) for losses in found}) == 12  # copies, not the graph's own
    assert one.step == other.step == 12
    for ours, theirs in zip(one.trained, other.trained, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_members_that_leave_have_the_rest_captured_anew(fake_cuda, monkeypatch):
    members = [replace(m, steps=n) for m, n in zip(diverse(small("mlp"), 3), (8, 20, 20), strict=True)]
    usual = train_pack(members, small("mlp"), task_for("mlp"), TrainingSettings(15), keep="all")

    class AsIfOnGPU(Steps):
        def __init__(self, pack):
            fake_cuda.members = len(pack.members)
            super().__init__(pack)
            self.call = _OnGPU(pack, CPU)

    monkeypatch.setattr(loop, "Steps", AsIfOnGPU)
    found = train_pack(members, small("mlp"), task_for("mlp"), TrainingSettings(15), keep="all")
    assert fake_cuda.captures == 2
    for ours, theirs in zip(found, usual, strict=True):
        assert ours.state == theirs.state == "completed"
        assert ours.steps_run == theirs.steps_run
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=1e-4)


def test_what_cannot_be_captured_goes_on_piece_by_piece(fake_cuda, monkeypatch):
    def refused(work):
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing")

    monkeypatch.setattr(graphs, "capture", refused)
    members = diverse(small("mlp"), 2)
    one, other = started(members), started(members)
    steps = _OnGPU(one, CPU)
    for _ in range(8):
        assert torch.allclose(steps(), train_step(other), rtol=1e-5)
    assert not steps.captured


def test_random_numbers_are_not_captured(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    with pytest.raises(RuntimeError, match="the same operations in every step, got random numbers"):
        _ = Chance(0, ["m"], 0, torch.device("cuda")).seeds


def test_peoples_own_code_is_not_captured(monkeypatch):
    members = diverse(small("mlp"), 1)
    assert repeats(started(members))
    own = replace(task_for("mlp"), objective=lambda outputs, targets: outputs.square().mean(dim=2))
    pack = start_pack(members, small("mlp"), own, TrainingSettings(15), 0, CPU)
    assert not repeats(pack)
    monkeypatch.setenv("EVOACT_GRAPHS", "0")
    assert not repeats(started(members))


KINDS = (
    Base("tanh"),
    Base("0.5*sin(2*x)"),
    Hull("affine", ("identity", "relu")),
    Hull("convex", ("sin", "relu"), "neuron"),
    Subnetwork("sin", 3),
    Maxout(2),
    Rational(),
)


@pytest.mark.parametrize("precision", ["float32", "bf16"])
@pytest.mark.parametrize("name", SMALL)
def test_a_step_waits_for_nothing(name, precision, by_pytorch):
    """Forward, backward and update read no number and send none."""
    net = small(name)
    types = KINDS if name == "mlp" else KINDS[:4]
    members = [random_member(net, i, types) for i in range(3)]
    made = start_pack(members, net, task_for(name), TrainingSettings(15, precision=precision), 0, CPU)
    inputs, targets = made.batches([m.seed for m in made.members], 0)
    coefficients = torch.tensor(coefficients_of(made, 0), dtype=torch.float64).unbind()
    updated(made, inputs, targets, coefficients)  # the first sets up what later ones share
    with Waits() as waits:
        updated(made, inputs, targets, coefficients)
    assert not waits.found


def test_that_a_wait_is_found():
    with Waits() as waits:
        bool(torch.ones(1) > 0)
        torch.tensor([1.0])
        torch.ones(2)[torch.ones(2) > 0]
    assert set(waits.found) == {"_local_scalar_dense", "lift_fresh", "index"}


@pytest.mark.parametrize("weights", [None, (0.5, 1.0, 2.0)])
def test_losses_wait_for_nothing(weights):
    made = replace(task(features=4, classes=3), class_weights=weights)
    outputs, targets = torch.randn(2, 5, 3), torch.randint(0, 3, (1, 5))
    made.losses(outputs, targets, ["a", "b"])
    with Waits() as waits:
        made.losses(outputs, targets, ["a", "b"])
    assert not waits.found


@pytest.mark.parametrize("seeds", [[0, 0, 0], [0, 1, 2], [0, 1, 1]])
def test_batches_of_an_epoch_are_on_the_device(seeds):
    """But for its order, which is sent ahead, and for augmentation, which draws on the processor."""
    made = start_pack(
        diverse(small("lenet5"), 3),
        small("lenet5"),
        image_task(*SMALL["lenet5"][:2]),
        TrainingSettings(5),
        0,
        CPU,
    )
    made.batches(seeds, 0)
    with Waits() as waits:
        made.batches(seeds, 1)
    assert not waits.found


# --- with a GPU ---------------------------------------------------------------------------------


@needs_gpu
@pytest.mark.parametrize("name", ["mlp", "lenet5", "resnet56"])
def test_nothing_waits_on_a_gpu(name):
    device = torch.device("cuda")
    pack = start_pack(diverse(small(name), 3), small(name), task_for(name), TrainingSettings(15), 0, device)
    steps = Steps(pack)
    for _ in range(WARM_UP + 2):
        steps()
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(20):
            steps()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert steps.call.captured


@needs_gpu
@pytest.mark.parametrize("name", ["mlp", "lenet5", "resnet56"])
def test_graphs_change_no_bit(name, monkeypatch):
    members = [replace(m, steps=n) for m, n in zip(diverse(small(name), 3), (8, 20, 20), strict=True)]
    ends = []
    for switch in ("1", "0"):
        monkeypatch.setenv("EVOACT_GRAPHS", switch)
        ends.append(
            train_pack(members, small(name), task_for(name), TrainingSettings(15), device="cuda", keep="all")
        )
    for ours, theirs in zip(*ends, strict=True):
        assert ours.train_loss == theirs.train_loss
        assert all((ours.learned[key] == theirs.learned[key]).all() for key in theirs.learned)
