"""Training in reduced precision: near that in single precision, the same bits whatever the neighbours, devices without
it."""

from dataclasses import replace

import pytest
import torch

from evoact.errors import UserError
from evoact.networks.precision import (
    arithmetic,
    check_precision,
    has_bf16,
    multiplied,
    precisions_of,
    product,
)
from evoact.training import pack as packs
from evoact.training.loop import train_pack
from evoact.training.pack import TrainingSettings, start_pack, train_step
from tests.networks.examples import small
from tests.training.test_forward_pass import diverse, task_for

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
needs_bf16 = pytest.mark.skipif(not has_bf16(CPU), reason="this processor has no bf16")
HALVES = [pytest.param("bf16", marks=needs_bf16), "float16"]


@pytest.fixture(autouse=True)
def _float16_by_emulation(monkeypatch):
    """Processors compute in float16, too, if slowly: what a GPU is asked to do can be seen here."""
    monkeypatch.setattr(
        packs, "check_precision", lambda name, on: None if name == "float16" else check_precision(name, on)
    )


def test_factors_are_rounded_and_sums_are_not():
    weights, h = torch.full((1, 1, 512), 1.001), torch.ones(1, 512, 2)
    biases = torch.full((1, 1, 1), 0.001)
    assert product(weights, h, biases).allclose(torch.tensor(512.513), atol=1e-3)
    assert product(weights, h, biases, "bf16").equal(torch.full((1, 1, 2), 512.001))
    assert product(weights, h, biases, "tf32").equal(product(weights, h, biases))


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("name", ["mlp", "lenet5", "resnet56"])
def test_a_step_is_near_that_in_single_precision(name, precision):
    net = small(name)
    found = {}
    for asked in ("float32", precision):
        pack = start_pack(
            diverse(net, 2), net, task_for(name), TrainingSettings(15, "sgd", precision=asked), 0, CPU
        )
        losses = train_step(pack)
        assert all(p.dtype == torch.float32 for p in (*pack.trained, losses))
        found[asked] = losses
    assert not torch.equal(found["float32"], found[precision])
    assert torch.allclose(found["float32"], found[precision], rtol=0.03)


@pytest.mark.parametrize("precision", HALVES)
@pytest.mark.parametrize("name", ["mlp", "lenet5", "kerasnet"])
def test_a_member_is_bit_equal_whatever_its_neighbours(name, precision):
    net, made, settings = small(name), task_for(name), TrainingSettings(15, precision=precision)
    members = diverse(net, 3)
    together = train_pack(members, net, made, settings, keep="all")
    for member, outcome in zip(members, together, strict=True):
        (alone,) = train_pack([member], net, made, settings, keep="all")
        assert alone.train_loss == outcome.train_loss
        for key, value in alone.learned.items():
            assert (value == outcome.learned[key]).all(), key


@pytest.mark.parametrize("size", [1.0, 1e-9, 1e-30, 1e20])
def test_gradients_in_float16_neither_vanish_nor_overflow(size):
    """Whatever their size, and with a neighbour of another."""
    weights = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    h = torch.randn(2, 6, 5, generator=torch.Generator().manual_seed(1)).requires_grad_()
    g = (
        torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(2))
        * torch.tensor([size, 1.0])[:, None, None]
    )
    exact = torch.autograd.grad(product(weights, h, None), (weights, h), g)
    found = torch.autograd.grad(product(weights, h, None, "float16"), (weights, h), g)
    for ours, theirs in zip(found, exact, strict=True):
        for k in range(2):
            assert torch.allclose(ours[k], theirs[k], rtol=0, atol=4e-3 * float(theirs[k].abs().max()))


def test_gradients_of_nothing_and_of_infinities_in_float16():
    weights, h = torch.ones(2, 1, 3, requires_grad=True), torch.ones(2, 3, 1)
    g = torch.tensor([0.0, torch.inf]).view(2, 1, 1)
    (found,) = torch.autograd.grad(product(weights, h, None, "float16"), weights, g)
    assert (found[0] == 0).all()
    assert not found[1].isfinite().any()


def test_a_factor_that_members_share_has_the_sum_of_their_gradients():
    x = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0)).requires_grad_()
    weights = torch.tensor([1.0, 1e-9]).view(2, 1, 1).expand(2, 5, 3)

    def work(weights, x):
        return weights @ x

    y = multiplied(work, "float16", weights, x)
    (found,) = torch.autograd.grad(y.sum(), x)
    assert torch.allclose(found, torch.full_like(found, 5.0))


def test_second_derivatives_in_float16():
    """Hamiltonian networks train on a derivative."""
    x = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    weights = torch.randn(
        1, 2, 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64
    ).requires_grad_()
    found = []
    for precision in ("float32", "float16"):
        y = product(weights, x, None, precision).tanh().sum()
        (slope,) = torch.autograd.grad(y, x, create_graph=True)
        found.append(torch.autograd.grad(slope.square().sum(), weights)[0])
    assert torch.allclose(*found, rtol=0.02, atol=0.02)


def test_what_overflows_has_diverged_with_a_hint():
    net, made = small("mlp"), task_for("mlp")
    members = [replace(m, steps=2) for m in diverse(net, 2)]
    split = made.splits()["train"]
    large = replace(split, inputs=split.inputs * 1e6)
    huge = replace(made, load=lambda: dict(made.splits()) | {"train": large})
    outcomes = train_pack(members, net, huge, TrainingSettings(15, precision="float16"))
    assert {o.state for o in outcomes} == {"diverged"}
    assert all("65,504 overflow: choose bf16 or float32" in o.error for o in outcomes)
    usual = train_pack(members, net, made, TrainingSettings(15, precision="float16"))
    assert {o.state for o in usual} == {"completed"}


def test_a_processor_without_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    check_precision("float32", CPU)
    with pytest.raises(UserError, match=r"training\.precision float32, which this processor has, got 'bf16'"):
        check_precision("bf16", CPU)


@needs_bf16
@pytest.mark.parametrize("precision", ["float16", "tf32"])
def test_what_processors_lack(precision):
    with pytest.raises(UserError, match=f"float32 or bf16, which this processor has, got '{precision}'"):
        check_precision(precision, CPU)


@pytest.mark.parametrize(
    ("capability", "has"),
    [
        ((6, 1), ("float32",)),
        ((7, 5), ("float32", "float16")),
        ((9, 0), ("float32", "bf16", "float16", "tf32")),
    ],
)
def test_what_gpus_have(capability, has, monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device=None: "Some GPU")
    assert precisions_of(CUDA) == has
    if "bf16" not in has:
        with pytest.raises(
            UserError, match=rf"which Some GPU of compute capability {capability[0]}\.\d has, got"
        ):
            check_precision("bf16", CUDA)


def test_what_is_to_be_chosen_trains_nothing():
    with pytest.raises(ValueError, match="to be chosen before training, got 'auto'"):
        check_precision("auto", CPU)


@pytest.mark.parametrize(("precision", "said"), [("float32", "ieee"), ("bf16", "ieee"), ("tf32", "tf32")])
def test_the_arithmetic_of_a_gpu(precision, said):
    """Switches that are there without a GPU, too; PyTorch's default is tf32 in convolutions."""
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn.conv

    def state():
        return (
            products.fp32_precision,
            convolutions.fp32_precision,
            products.allow_bf16_reduced_precision_reduction,
        )

    before = state()
    with arithmetic(precision, CUDA):
        assert state() == (said, said, False)
    with arithmetic(precision, CPU):
        assert state() == before
    assert state() == before
