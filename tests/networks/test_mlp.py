"""Variational networks: the gradients of Li & Li 2018, written out by hand in NumPy, against the packed trainer.

Layers are counted as in the paper: W(O) leads to the output, W(N) to the last hidden layer; net are the
pre-activations, F the activations, f_i the eigenfunctions and alpha_i their coefficients. Loss: the mean
cross-entropy of softmax(net(O)), softmax being the paper's sigma.
"""

import numpy as np
import pytest
import torch

from evoact.genomes.genome import Genome, SiteGenome
from evoact.genomes.kinds import Hull
from evoact.networks.mlp import mlp
from evoact.training.members import Member
from evoact.training.pack import TrainingSettings, start_pack
from tests.training.examples import task

# Eigenfunctions and their derivatives, in the order of their canonical names.
EIGEN = {
    "cos": (np.cos, lambda x: -np.sin(x)),
    "cos(2*x)": (lambda x: np.cos(2 * x), lambda x: -2 * np.sin(2 * x)),
    "sin": (np.sin, np.cos),
    "sin(3*x)": (lambda x: np.sin(3 * x), lambda x: 3 * np.cos(3 * x)),
    "tanh": (np.tanh, lambda x: 1 - np.tanh(x) ** 2),
}
FEATURES, CLASSES, BATCH = 6, 3, 11


def evaluate(hidden, per, seed, output=False):
    """The trainer's gradient for alpha at every site, and what the formulas need: alphas, weights, net, data."""
    net = mlp((FEATURES,), CLASSES, hidden=hidden, output_activation=output)
    hull = Hull("linear", tuple(EIGEN), per)
    genome = Genome(
        tuple(SiteGenome(s.name, (hull,), (0,) * s.neurons) for s in net.sites), (("learning_rate", 0.1),)
    )
    member = Member(genome, f"m{seed}", 0, 1)
    settings = TrainingSettings(BATCH, "sgd", dtype="float64")
    pack = start_pack([member], net, task(classes=CLASSES), settings, seed, torch.device("cpu"))
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, p in pack.parameters.items():
            p.copy_(
                torch.randn(p.shape, generator=g, dtype=torch.float64) * (0.5 if "weight" in name else 0.3)
            )
    x = torch.randn(1, BATCH, FEATURES, generator=g, dtype=torch.float64)
    t = torch.randint(CLASSES, (1, BATCH), generator=g)
    alphas = [pack.parameters[f"{s.name}.activation"] for s in net.sites]
    ours = [a[0].numpy() for a in torch.autograd.grad(pack.losses(x, t).sum(), alphas)]
    layers = len(hidden) + 1
    weights = [pack.parameters[f"weight{i}"][0].detach().numpy() for i in range(layers)]
    biases = [pack.parameters[f"bias{i}"][0].detach().numpy() for i in range(layers)]
    shape = (-1, len(EIGEN))
    return (
        [a.reshape(shape) for a in ours],
        [a[0].detach().numpy().reshape(shape) for a in alphas],
        weights,
        biases,
        x[0].numpy().T,
        t[0].numpy(),
    )


def eigen(net):
    """f_i(net_j): [i, j, example]."""
    return np.stack([f(net) for f, _ in EIGEN.values()])


def activation(alpha, net):
    """F_j(net_j) and its derivative: alpha is [1 or neurons, i]."""
    slopes = np.stack([d(net) for _, d in EIGEN.values()])
    wide = np.broadcast_to(alpha, (len(net), len(EIGEN)))
    return np.einsum("ji,ijb->jb", wide, eigen(net)), np.einsum("ji,ijb->jb", wide, slopes)


def forward(alphas, weights, biases, x):
    """net and dF/dnet of every hidden layer, and net(O)."""
    nets, slopes, h = [], [], x
    for alpha, w, b in zip(alphas, weights, biases, strict=False):
        nets.append(w @ h + b)
        h, slope = activation(alpha, nets[-1])
        slopes.append(slope)
    return nets, slopes, weights[-1] @ h + biases[-1] if len(weights) > len(alphas) else h


def softmax_gradient(net_o, t):
    """The gradient of E for net(O): [l, example]."""
    e = np.exp(net_o - net_o.max(axis=0))
    return (e / e.sum(axis=0) - np.eye(CLASSES)[t].T) / BATCH


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("hidden", [(5, 4), (7, 3)])
def test_two_layers_by_layer(hidden, seed):
    ours, alphas, weights, biases, x, t = evaluate(hidden, "layer", seed)
    (net_1, net_n), (_, slope_n), net_o = forward(alphas, weights, biases, x)
    d = softmax_gradient(net_o, t)
    w_n, w_o = weights[1], weights[2]
    equation_5 = np.einsum("lb,lj,ijb->i", d, w_o, eigen(net_n))
    equation_9 = np.einsum("lb,lj,jb,jp,ipb->i", d, w_o, slope_n, w_n, eigen(net_1))
    assert np.allclose(ours[1][0], equation_5, atol=1e-10, rtol=0)
    assert np.allclose(ours[0][0], equation_9, atol=1e-10, rtol=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("hidden", [(5, 4), (7, 3)])
def test_two_layers_by_neuron(hidden, seed):
    ours, alphas, weights, biases, x, t = evaluate(hidden, "neuron", seed)
    (net_1, net_n), (_, slope_n), net_o = forward(alphas, weights, biases, x)
    d = softmax_gradient(net_o, t)
    w_n, w_o = weights[1], weights[2]
    equation_14 = np.einsum("lb,lj,ijb->ji", d, w_o, eigen(net_n))
    equation_18 = np.einsum("lb,lk,kb,kj,ijb->ji", d, w_o, slope_n, w_n, eigen(net_1))
    assert np.allclose(ours[1], equation_14, atol=1e-10, rtol=0)
    assert np.allclose(ours[0], equation_18, atol=1e-10, rtol=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("hidden", [(5, 4, 6), (3, 8, 2), (6, 5)])
def test_any_layer_by_layer(hidden, seed):
    """Equation (12): F W W~ ... W~ grad, with W~ = W(beta) scaled by dF(beta - 1)/dnet."""
    ours, alphas, weights, biases, x, t = evaluate(hidden, "layer", seed)
    nets, slopes, net_o = forward(alphas, weights, biases, x)
    for layer in range(len(hidden)):
        product = softmax_gradient(net_o, t)
        for w, slope in zip(weights[: layer + 1 : -1], slopes[:layer:-1], strict=True):
            product = slope * (w.T @ product)
        equation_12 = np.einsum("ijb,jb->i", eigen(nets[layer]), weights[layer + 1].T @ product)
        assert np.allclose(ours[layer][0], equation_12, atol=1e-10, rtol=0)


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("hidden", [(5, 4, 6), (3, 8, 2), (6, 5)])
def test_any_layer_by_neuron(hidden, seed):
    """Equation (20): F (.) (W dF (.) ( ... (.) (W(O) grad)))."""
    ours, alphas, weights, biases, x, t = evaluate(hidden, "neuron", seed)
    nets, slopes, net_o = forward(alphas, weights, biases, x)
    inner = weights[-1].T @ softmax_gradient(net_o, t)
    for layer in reversed(range(len(hidden))):
        equation_20 = np.einsum("ijb,jb->ji", eigen(nets[layer]), inner)
        assert np.allclose(ours[layer], equation_20, atol=1e-10, rtol=0)
        inner = weights[layer].T @ (slopes[layer] * inner)


@pytest.mark.parametrize("per", ["layer", "neuron"])
def test_the_output_layer_varies_too_with_softmax_as_scaling(per):
    ours, alphas, weights, biases, x, t = evaluate((5, 4), per, 0, output=True)
    assert len(ours) == 3
    nets, _, scaled = forward(alphas, weights, biases, x)
    expected = np.einsum("lb,ilb->li", softmax_gradient(scaled, t), eigen(nets[2]))
    if per == "layer":
        expected = expected.sum(axis=0, keepdims=True)
    assert np.allclose(ours[2], expected, atol=1e-10, rtol=0)
