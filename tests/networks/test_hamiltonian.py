"""The Hamiltonian network: the field of a known energy, and derivatives of its derivatives."""

import pytest
import torch

from evoact.errors import UserError
from evoact.genomes.kinds import Base, Hull
from evoact.networks import NETWORKS
from evoact.training.loop import train_pack
from evoact.training.members import initial_member
from evoact.training.pack import TrainingSettings, start_pack
from tests.networks.examples import inputs, random_member, run, small, tensors
from tests.training.examples import task


def quadratic(width, matrix):
    """Parameters of H(x) = |A x|^2 / 2 with square activations: rows of A, halves for output weights."""
    return {
        "weight0": matrix.unsqueeze(0),
        "bias0": torch.zeros(1, width, 1, dtype=torch.float64),
        "weight1": torch.full((1, 1, width), 0.5, dtype=torch.float64),
    }


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("pairs", [1, 2, 3])
def test_the_field_of_a_quadratic_energy(pairs, grad):
    """H = x^T S x / 2 with S = A^T A has the field J S x."""
    net = NETWORKS["hamiltonian"]((2 * pairs,), 2 * pairs, hidden=[9])
    generator = torch.Generator().manual_seed(pairs)
    matrix = torch.randn(9, 2 * pairs, dtype=torch.float64, generator=generator)
    x = torch.randn(1, 8, 2 * pairs, dtype=torch.float64, generator=generator)
    m = random_member(net, types=(Base("square"),))
    parameters = quadratic(9, matrix)
    with torch.set_grad_enabled(grad):
        field = run(net, [m], parameters, {}, x)
    gradient = x[0] @ (matrix.T @ matrix)
    dq, dp = gradient.chunk(2, dim=1)
    assert torch.allclose(field[0], torch.cat([dp, -dq], dim=1), atol=1e-12)
    assert field.requires_grad == grad


def test_shared_inputs_give_each_member_its_own_field():
    net = small("hamiltonian")
    members = [random_member(net, i) for i in range(3)]
    parameters, statistics = tensors(net, members)
    x = inputs("hamiltonian", 1)
    shared = run(net, members, parameters, statistics, x)
    own = run(net, members, parameters, statistics, x.expand(3, -1, -1))
    assert torch.allclose(shared, own, atol=1e-14)
    assert not torch.allclose(shared[0], shared[1])


def test_no_energy_is_gained_along_the_field():
    net = small("hamiltonian")
    members = [random_member(net)]
    parameters, statistics = tensors(net, members)
    x = inputs("hamiltonian", 1).requires_grad_()
    field = run(net, members, parameters, statistics, x)
    energy = run(net.energy, members, parameters, statistics, x)
    (gradient,) = torch.autograd.grad(energy.sum(), x)
    assert (field * gradient).sum(dim=2).abs().max() < 1e-14
    assert field.abs().max() > 0.01


@pytest.mark.parametrize(
    "types",
    [
        (Base("tanh"), Base("sin"), Base("softplus")),
        (Hull("affine", ("tanh", "sin", "identity")), Hull("convex", ("gaussian", "swish"), "neuron")),
    ],
)
def test_gradients_of_the_field(types):
    """In all parameters, those of the activations too, and in the inputs."""
    net = small("hamiltonian")
    members = [random_member(net, i, types) for i in range(2)]
    drawn = [initial_member(m, net, 0) for m in members]
    names = list(drawn[0])
    stacked = [torch.nn.utils.rnn.pad_sequence([d[n] for d in drawn], batch_first=True) for n in names]
    leaves = [v.requires_grad_() for v in (*stacked, inputs("hamiltonian", 2, 2))]

    def field(*values):
        return run(net, members, dict(zip(names, values[:-1], strict=True)), {}, values[-1])

    assert torch.autograd.gradcheck(field, leaves, fast_mode=True)
    assert torch.autograd.gradgradcheck(field, leaves, fast_mode=True)


def test_relu_trains_although_no_bias_has_a_gradient():
    net, made = small("hamiltonian"), task(features=4, classes=4, regression=True)
    m = random_member(net, types=(Base("relu"),))
    settings = TrainingSettings(32)
    (outcome,) = train_pack([m], net, made, settings, keep="all")
    start = start_pack([m], net, made, settings, 0, torch.device("cpu")).parameters
    assert outcome.state == "completed"
    assert (outcome.learned["bias0"] == start["bias0"][0].detach().numpy()).all()
    assert (outcome.learned["weight0"] != start["weight0"][0].detach().numpy()).any()


@pytest.mark.parametrize(("shape", "outputs"), [((3,), 3), ((4,), 2), ((2, 2), 4), ((40,), 10)])
def test_only_states_and_their_derivatives(shape, outputs):
    with pytest.raises(UserError, match="states"):
        NETWORKS["hamiltonian"](shape, outputs)
