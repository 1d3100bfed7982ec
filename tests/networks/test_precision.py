"""Training in bf16: near that in single precision, the same bits whatever the neighbours, devices without it."""

import pytest
import torch

from evoact.errors import UserError
from evoact.networks.precision import check_precision, has_bf16, product
from evoact.training.loop import train_pack
from evoact.training.pack import TrainingSettings, start_pack, train_step
from tests.networks.examples import small
from tests.training.test_forward_pass import diverse, task_for

CPU = torch.device("cpu")
needs_bf16 = pytest.mark.skipif(not has_bf16(CPU), reason="this processor has no bf16")


def test_factors_are_rounded_and_sums_are_not():
    weights, h = torch.full((1, 1, 512), 1.001), torch.ones(1, 512, 2)
    biases = torch.full((1, 1, 1), 0.001)
    assert product(weights, h, biases).allclose(torch.tensor(512.513), atol=1e-3)
    assert product(weights, h, biases, "bf16").equal(torch.full((1, 1, 2), 512.001))


@needs_bf16
@pytest.mark.parametrize("name", ["mlp", "lenet5", "resnet56"])
def test_a_step_is_near_that_in_single_precision(name):
    net = small(name)
    found = {}
    for precision in ("float32", "bf16"):
        pack = start_pack(
            diverse(net, 2), net, task_for(name), TrainingSettings(15, "sgd", precision=precision), 0, CPU
        )
        losses = train_step(pack)
        assert all(p.dtype == torch.float32 for p in (*pack.trained, losses))
        found[precision] = losses
    assert not torch.equal(found["float32"], found["bf16"])
    assert torch.allclose(found["float32"], found["bf16"], rtol=0.03)


@needs_bf16
@pytest.mark.parametrize("name", ["mlp", "lenet5", "kerasnet"])
def test_a_member_is_bit_equal_whatever_its_neighbours(name):
    net, made, settings = small(name), task_for(name), TrainingSettings(15, precision="bf16")
    members = diverse(net, 3)
    together = train_pack(members, net, made, settings, keep="all")
    for member, outcome in zip(members, together, strict=True):
        (alone,) = train_pack([member], net, made, settings, keep="all")
        assert alone.train_loss == outcome.train_loss
        for key, value in alone.learned.items():
            assert (value == outcome.learned[key]).all(), key


def test_a_processor_without_it(monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    check_precision("float32", CPU)
    with pytest.raises(UserError, match="since this processor has no arithmetic in bf16"):
        check_precision("bf16", CPU)
