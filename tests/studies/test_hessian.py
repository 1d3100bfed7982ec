"""Second-order statistics against the exact Hessian of the network that the papers' analysis is made on."""

import numpy as np
import pytest
import torch

from evoact.errors import UserError
from evoact.genomes.genome import Genome, SiteGenome, homogeneous
from evoact.genomes.kinds import Base, Hull, Maxout, Subnetwork
from evoact.networks.mlp import mlp
from evoact.studies.hessian import Hessian, spectral_density, trace
from evoact.training.loop import train_pack
from evoact.training.members import Member
from evoact.training.pack import TrainingSettings, start_pack
from tests.training.examples import task


def trained(net, genome, made, steps=30):
    (outcome,) = train_pack([Member(genome, "m", 0, steps)], net, made, TrainingSettings(32), keep="all")
    split = made.splits()["train"]
    inputs, targets = torch.as_tensor(split.inputs[:64]), torch.as_tensor(split.targets[:64])
    return Hessian(genome, outcome.learned, net, made, inputs, targets)


@pytest.fixture(scope="module")
def small_network():
    """20-30-10, 940 parameters, and its Hessian, all of it."""
    net, made = mlp((20,), 10, hidden=[30]), task(features=20, classes=10)
    hessian = trained(net, homogeneous(Base("sin"), net.sites, learning_rate=0.01), made)
    return hessian, hessian.products(torch.eye(len(hessian)))


def test_the_hessian_is_symmetric(small_network):
    hessian, exact = small_network
    assert len(hessian) == 940
    assert torch.allclose(exact, exact.mT, atol=1e-10)


def test_the_papers_network_has_the_papers_size():
    """40-100-10; symmetric as far as two directions show."""
    net, made = mlp((40,), 10, hidden=[100]), task(features=40, classes=10)
    hessian = trained(net, homogeneous(Base("sin"), net.sites, learning_rate=0.01), made, steps=3)
    assert len(hessian) == 5110
    u, v = torch.randn(2, 5110, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    products = hessian.products(torch.stack([u, v]))
    assert torch.allclose(v @ products[0], u @ products[1], rtol=1e-10)


def test_against_finite_differences():
    """Products along random directions, for types with parameters of their own."""
    net, made = mlp((6,), 3, hidden=[6]), task()
    types = (Hull("affine", ("sin", "tanh"), "neuron"), Subnetwork("sin", 3), Maxout(2))
    genome = Genome((SiteGenome("hidden0", types, (0, 0, 1, 1, 2, 2)),), (("learning_rate", 0.01),))
    hessian = trained(net, genome, made)
    g = torch.Generator().manual_seed(1)
    v = torch.randn(2, len(hessian), generator=g, dtype=torch.float64)

    def gradient(shift):
        """The same network moved along the first vector: its gradient is that of H's quadratic form."""
        moved, at = {}, 0
        for name in hessian.names:
            array = hessian.learned[name].astype(np.float64)
            moved[name] = array + shift * v[0, at : at + array.size].numpy().reshape(array.shape)
            at += array.size
        return loss_gradient(Hessian(genome, moved, net, made, hessian.inputs, hessian.targets))

    step = 1e-5
    numeric = (gradient(step) - gradient(-step)) / (2 * step)
    assert torch.allclose(hessian.products(v)[0], numeric, atol=1e-6)


def loss_gradient(hessian):
    member = Member(hessian.genome, "m", 0, 0)
    settings = TrainingSettings(32, dtype="float64")
    pack = start_pack([member], hessian.network, hessian.task, settings, 0, torch.device("cpu"))
    with torch.no_grad():
        for name in hessian.names:
            pack.parameters[name].copy_(torch.as_tensor(hessian.learned[name])[None])
    loss = pack.losses(hessian.inputs.double()[None], hessian.targets[None]).sum()
    parameters = [pack.parameters[name] for name in hessian.names]
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])


def test_trace(small_network):
    hessian, exact = small_network
    estimate, error = trace(hessian, probes=128)
    assert abs(estimate - float(exact.trace())) < 4 * error
    assert error < 0.1 * float(exact.trace())


def test_spectral_density(small_network):
    hessian, exact = small_network
    values = torch.linalg.eigvalsh(exact).numpy()
    density = spectral_density(hessian, steps=60, probes=6)
    assert density.weights.sum() == pytest.approx(1)
    assert density.values.max() == pytest.approx(values.max(), rel=1e-6)
    assert density.values.min() == pytest.approx(values.min(), rel=1e-3)
    for relative in (1e-2, 3e-2, 1e-1):
        small = np.abs(values) < relative * np.abs(values).max()
        assert density.near_zero(relative) == pytest.approx(small.mean(), abs=0.05)
    mean = float((density.values * density.weights).sum())
    # Lanczos integrates the first moment exactly: the same vectors give the trace.
    assert mean == pytest.approx(trace(hessian, probes=6)[0] / len(hessian), rel=1e-9)
    grid = np.linspace(-3 * values.max(), 3 * values.max(), 4001)
    smooth = density.on(grid, 0.05 * values.max())
    assert np.trapezoid(smooth, grid) == pytest.approx(1, abs=1e-6)


def test_more_steps_than_parameters():
    net, made = mlp((6,), 3, hidden=[1]), task()
    hessian = trained(net, homogeneous(Base("tanh"), net.sites, learning_rate=0.01), made)
    density = spectral_density(hessian, steps=100, probes=2)
    exact = torch.linalg.eigvalsh(hessian.products(torch.eye(len(hessian)))).numpy()
    assert density.values.max() == pytest.approx(exact.max(), rel=1e-8)
    assert density.weights.sum() == pytest.approx(1)


def test_bad_input():
    net, made = mlp((6,), 3, hidden=[2]), task()
    hessian = trained(net, homogeneous(Base("tanh"), net.sites, learning_rate=0.01), made)
    with pytest.raises(UserError, match="at least 2 probes"):
        trace(hessian, probes=1)
    part = {name: array for name, array in hessian.learned.items() if name != "bias1"}
    with pytest.raises(UserError, match="got none for bias1"):
        Hessian(hessian.genome, part, net, made, hessian.inputs, hessian.targets)
