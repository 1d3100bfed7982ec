"""Properties that hold for every network of the table."""

import math
import random
from dataclasses import replace

import pytest
import torch

from evoact.errors import UserError
from evoact.genomes.choices import choices
from evoact.genomes.genome import SiteGenome
from evoact.genomes.space import SearchSpace
from evoact.networks import NETWORKS, SHAPES
from evoact.networks.initial import INITIAL, SCHEMES
from evoact.networks.network import parameter_count
from evoact.networks.size import activation_count
from tests.networks.examples import SMALL, inputs, random_member, run, small, tensors

EVERY = pytest.mark.parametrize("name", SMALL)
# The published number of trainable parameters; Manessi & Rozza 2018, section IV, round them.
COUNTS = [
    ("lenet5", (1, 28, 28), 10, 431_080),
    ("lenet5", (3, 32, 32), 10, 657_080),
    ("kerasnet", (1, 28, 28), 10, 889_834),
    ("kerasnet", (3, 32, 32), 10, 1_250_858),
    ("resnet56", (3, 32, 32), 10, 857_706),
    ("alexnet", (3, 227, 227), 1000, 60_965_224),
    ("hamiltonian", (4,), 4, 4 * 100 + 100 + 100),
    ("mlp", (8, 8), 10, 64 * 100 + 100 + 100 * 100 + 100 + 100 * 10 + 10),
]
# The layer behind a flattened convolution: its columns are that site's channels times positions.
FLATTENED = {
    "lenet5": ("fc3.weight", "conv2"),
    "kerasnet": ("fc5.weight", "conv4"),
    "alexnet": ("fc6.weight", "conv5"),
}


@pytest.mark.parametrize(("name", "shape", "outputs", "count"), COUNTS)
def test_parameter_counts(name, shape, outputs, count):
    assert parameter_count(NETWORKS[name](shape, outputs)) == count


@pytest.mark.parametrize(
    ("name", "shape", "outputs", "count"),
    [
        ("mlp", (40,), 10, 200),
        ("hamiltonian", (4,), 4, 100),
        ("lenet5", (1, 28, 28), 10, 20 * 24**2 + 50 * 8**2 + 500),
        ("kerasnet", (3, 32, 32), 10, 32 * (32**2 + 30**2) + 64 * (15**2 + 13**2) + 512),
        ("resnet56", (3, 32, 32), 10, 19 * 16 * 32**2 + 18 * 32 * 16**2 + 18 * 64 * 8**2),
        # Krizhevsky et al. 2012, section 3.5, but for the first layer, where 55 x 55 x 96 is not their 253,440
        ("alexnet", (3, 227, 227), 1000, 290_400 + 186_624 + 2 * 64_896 + 43_264 + 2 * 4096),
    ],
)
def test_activation_counts(name, shape, outputs, count):
    net = NETWORKS[name](shape, outputs)
    assert activation_count(net, shape) == count
    pieces = {s.name: 2 for s in net.sites if not s.symmetry.startswith("stream")}
    assert activation_count(net.with_pieces(pieces), shape) == count


@pytest.mark.parametrize("name", NETWORKS)
def test_listed_shapes_can_be_built(name):
    for shape, outputs in SHAPES[name]:
        assert parameter_count(NETWORKS[name](shape, outputs)) > 0


@EVERY
def test_outputs_have_the_stated_shape_and_members_do_not_mix(name):
    net = small(name)
    members = [random_member(net, i) for i in range(3)]
    parameters, statistics = tensors(net, members)
    x = inputs(name, 3)
    together = run(net, members, parameters, statistics, x)
    assert together.shape == (3, 5, SMALL[name][1])
    for k, m in enumerate(members):
        p, s = ({n: v[k : k + 1] for n, v in d.items()} for d in (parameters, statistics))
        assert torch.allclose(together[k], run(net, [m], p, s, x[k : k + 1])[0], atol=1e-12)
    shared = run(net, members, parameters, statistics, x[:1])
    assert torch.allclose(shared[0], together[0], atol=1e-12)


@EVERY
def test_sites_can_be_searched(name):
    net = small(name)
    space = SearchSpace("s", net.sites, (choices("base", name=("relu", "sin")),), (1, 2), (0.1,))
    assert space.contains(space.sample(random.Random(0)))


@EVERY
def test_parameters_name_the_sites_that_they_feed_and_are_fed_by(name):
    net = small(name)
    pieces = {s.name: 3 for s in net.sites if not s.symmetry.startswith("stream")}
    neurons = {s.name: s.neurons for s in net.sites}
    for version, rows in ((net, {}), (net.with_pieces(pieces), pieces)):
        fed = set()
        for p in version.parameters:
            if p.site:
                fed.add(p.site)
                assert p.shape[0] == neurons[p.site] * rows.get(p.site, 1), p
            if p.source:
                assert p.shape[1] == neurons[p.source], p
        assert fed == set(neurons)
    assert net.with_pieces({}) == net == net.with_pieces(dict.fromkeys(neurons, 1))


def permuted(name, net, group, order, parameters):
    """One member's parameters with the neurons of these sites in another order."""
    moved = {}
    for p in net.parameters:
        value = parameters[p.name]
        if p.site in group:
            value = value[:, order]
        if p.source in group:
            value = value[:, :, order]
        if (p.name, next(iter(group))) == FLATTENED.get(name):
            value = value.view(1, len(value[0]), len(order), -1)[:, :, order].flatten(2)
        moved[p.name] = value
    return moved


def permuted_statistics(net, group, order, statistics):
    """The same for running statistics."""
    site = {p.name.removesuffix(".scale"): p.site for p in net.parameters if p.name.endswith(".scale")}
    return {n: v[:, order] if site[n.rpartition(".")[0]] in group else v for n, v in statistics.items()}


@EVERY
def test_permuting_neurons_within_their_symmetry_leaves_the_outputs_equal(name):
    net = small(name)
    m = random_member(net)
    parameters, statistics = tensors(net, [m])
    x = inputs(name, 1, 3)
    before = run(net, [m], parameters, statistics, x)
    groups = {}
    for site in net.sites:
        if site.symmetry != "none":
            groups.setdefault(site.name if site.symmetry == "free" else site.symmetry, []).append(site)
    for group in groups.values():
        names = {site.name for site in group}
        order = list(range(group[0].neurons))
        random.Random(len(names)).shuffle(order)
        p = permuted(name, net, names, order, parameters)
        s = permuted_statistics(net, names, order, statistics)
        sites = tuple(
            SiteGenome(g.site, g.types, tuple(g.assignment[i] for i in order)) if g.site in names else g
            for g in m.genome.sites
        )
        after = run(net, [replace(m, genome=replace(m.genome, sites=sites))], p, s, x)
        assert torch.allclose(before, after, atol=1e-12), names


class Maxout:
    """A `ForwardPass` whose every activation is tanh of the largest piece."""

    training, precision = False, "float32"

    def __init__(self, net, pieces, norms=None):
        self.neurons = {s.name: s.neurons for s in net.sites}
        self.pieces, self.norms, self.seen, self.normed = pieces, norms, set(), set()

    def activate(self, site, z):
        rows = z.shape[1]
        n = self.neurons[site]
        assert rows == n * self.pieces.get(site, 1)
        self.seen.add(site)
        return torch.tanh(z.unflatten(1, (n, -1)).amax(dim=2))

    def chosen(self, site, images, size, stride):
        return None

    def dropout(self, h, rate):
        return h

    def activated_norm(self, site, h, scale, shift, epsilon, added):
        return None

    def batch_norm(self, name, h, scale, shift, epsilon):
        self.normed.add(name)
        return h * scale.unsqueeze(2) + shift.unsqueeze(2)


@EVERY
def test_equal_pieces_are_one(name):
    net = small(name)
    m = random_member(net)
    pieces = {s.name: 2 for s in net.sites if not s.symmetry.startswith("stream")}
    parameters, _ = tensors(net, [m])
    twice = {
        p.name: parameters[p.name].repeat_interleave(2, dim=1) if p.site in pieces else parameters[p.name]
        for p in net.parameters
    }
    wide = net.with_pieces(pieces)
    assert {p.name: p.shape for p in wide.parameters} == {n: tuple(v.shape[1:]) for n, v in twice.items()}
    x = inputs(name, 1)
    once = net.forward(parameters, Maxout(net, {}, parameters), x)
    layers = Maxout(net, pieces, twice)
    assert torch.allclose(wide.forward(twice, layers, x), once, atol=1e-12)
    assert layers.seen == {s.name for s in net.sites}


@EVERY
def test_impossible_pieces_are_refused(name):
    net = small(name)
    site = net.sites[-1].name
    with pytest.raises(UserError, match="did you mean"):
        net.with_pieces({site + "x": 2})
    with pytest.raises(UserError, match="at least one piece"):
        net.with_pieces({site: 0})
    if name == "resnet56":
        with pytest.raises(UserError, match="sum of layers"):
            net.with_pieces({site: 2})


@EVERY
def test_batch_norms_are_named_with_their_channels(name):
    net = small(name)
    shapes = {p.name: p.shape for p in net.parameters}
    for name_, norm in net.batch_norms.items():
        assert shapes[f"{name_}.scale"] == shapes[f"{name_}.shift"] == (norm.channels,)
    parameters, _ = tensors(net, [random_member(net)])
    asked = Maxout(net, {}, parameters)
    net.forward(parameters, asked, inputs(name, 1))
    assert asked.normed == set(net.batch_norms)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"norm_momentum": 0.0}, r"network\.norm_momentum above 0 and at most 1"),
        ({"norm_momentum": 1.5}, r"got 1\.5"),
        ({"norm_epsilon": 0.0}, r"network\.norm_epsilon above 0"),
    ],
)
def test_settings_of_batch_norms_have_bounds(arguments, message):
    with pytest.raises(UserError, match=message):
        NETWORKS["resnet56"]((3, 8, 8), 10, **arguments)


# --- arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [[], [0], [-1], [1.5], ["a"]])
def test_mlp_widths_must_be_positive(hidden):
    with pytest.raises(UserError, match=r"network\.hidden"):
        NETWORKS["mlp"]((40,), 10, hidden=hidden)


def test_the_output_of_an_mlp_can_be_a_site_of_its_own():
    net = NETWORKS["mlp"]((40,), 10, hidden=[6], output_activation=True)
    assert [(s.name, s.neurons, s.symmetry) for s in net.sites] == [
        ("hidden0", 6, "free"),
        ("output", 10, "none"),
    ]
    members = [random_member(net)]
    parameters, statistics = tensors(net, members)
    x = torch.randn(1, 4, 40, dtype=torch.float64)
    plain = replace(net, output_activation=False)
    z = run(plain, [random_member(plain)], parameters, statistics, x)
    chosen = members[0].genome.sites[1].assignment
    functions = (torch.tanh, torch.sin, lambda v: torch.exp(-v.square()))
    expected = torch.stack([functions[t](z[..., i]) for i, t in enumerate(chosen)], dim=-1)
    assert torch.allclose(run(net, members, parameters, statistics, x), expected, atol=1e-12)


@pytest.mark.parametrize("name", ["lenet5", "kerasnet", "resnet56", "alexnet"])
def test_convolutional_networks_refuse_what_is_no_image(name):
    for shape in ((40,), (28, 28), (1, 3, 28), (3, 64, 9)):
        if name == "resnet56" and shape == (3, 64, 9):
            continue
        with pytest.raises(UserError, match=r"network '.*got the input shape") as caught:
            NETWORKS[name](shape, 10)
        assert name in str(caught.value)


@pytest.mark.parametrize("name", ["lenet5", "kerasnet", "resnet56", "alexnet"])
def test_the_least_image_works(name):
    least = {"lenet5": 16, "kerasnet": 10, "resnet56": 4, "alexnet": 67}[name]
    net = NETWORKS[name]((1, least, least), 2, width=0.02)
    m = random_member(net)
    parameters, statistics = tensors(net, [m])
    x = torch.randn(1, 2, 1, least, least, dtype=torch.float64)
    assert run(net, [m], parameters, statistics, x).isfinite().all()
    with pytest.raises(UserError, match=f"at least {least} x {least}"):
        NETWORKS[name]((1, least, least - 1), 2)


@pytest.mark.parametrize("width", [0, -1.0, math.inf, math.nan])
def test_widths_must_be_positive(width):
    with pytest.raises(UserError, match=r"network\.width"):
        NETWORKS["lenet5"]((1, 28, 28), 10, width=width)


def test_resnet_needs_a_block():
    with pytest.raises(UserError, match=r"network\.blocks"):
        NETWORKS["resnet56"]((3, 32, 32), 10, blocks=0)


# --- initial values -----------------------------------------------------------------------------


def test_initial_values_have_their_distribution():
    shape, fan_in = (64, 32, 5, 5), 32 * 25
    drawn = {n: f(shape, fan_in, torch.Generator().manual_seed(0)) for n, f in INITIAL.items()}
    assert all(v.shape == shape and v.dtype is torch.float64 for v in drawn.values())
    limits = {"uniform": fan_in**-0.5, "glorot": (6 / (fan_in + 64 * 25)) ** 0.5}
    for name, limit in limits.items():
        assert 0.999 * limit < drawn[name].abs().max() <= limit
        assert drawn[name].std() == pytest.approx(limit / 3**0.5, rel=0.01)
    for name, deviation in {"he": (2 / fan_in) ** 0.5, "normal_0.01": 0.01, "normal_0.005": 0.005}.items():
        assert drawn[name].std() == pytest.approx(deviation, rel=0.02)
        assert abs(drawn[name].mean()) < deviation / 50
    for name, value in {"zeros": 0.0, "ones": 1.0, "constant_0.1": 0.1}.items():
        assert (drawn[name] == value).all()
    assert drawn.keys() == {*limits, "he", "normal_0.01", "normal_0.005", "zeros", "ones", "constant_0.1"}


@pytest.mark.parametrize("name", ["lenet5", "kerasnet", "resnet56"])
def test_initial_schemes(name):
    for scheme, biases in SCHEMES.items():
        net = NETWORKS[name]((3, 32, 32), 10, initial=scheme)
        for p in net.parameters:
            kind = p.name.rpartition(".")[2]
            expected = {"weight": scheme, "bias": biases, "scale": "ones", "shift": "zeros"}[kind]
            assert p.initial == expected
    with pytest.raises(UserError, match="did you mean 'glorot'"):
        NETWORKS[name]((3, 32, 32), 10, initial="glorott")
