"""Which neurons are exchangeable: what is claimed is checked by exchanging them, all else is `none`."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._pytree import tree_leaves

from evoact.networks import NETWORKS as BUILT_IN
from evoact.nn import activation_sites, heterogenize
from evoact.nn.symmetry import floating
from tests.nn.networks import NETWORKS, images, rows
from tests.nn.test_heterogeneous import MODELS

ON_REQUEST = ("sigmoid", "tanh")
FUNCTIONS = ("relu", "tanh", "sin", "abs", "gaussian", "gelu", "elu", "softplus")


def outputs(mixed, example):
    with torch.no_grad():
        made = mixed(**example) if isinstance(example, dict) else mixed(example.clone())
    return [t for t in tree_leaves(made) if isinstance(t, torch.Tensor)]


def check(mixed, calls, example, tolerance=1e-9):
    """Permute the neurons of each claim by an order of its own, with random weights."""
    mixed.eval()
    own, generator = floating(mixed), torch.Generator().manual_seed(1)
    with torch.no_grad():
        for t in own.values():
            t.uniform_(0.5, 1.5, generator=generator) if t.dim() < 2 else t.normal_(
                std=0.3, generator=generator
            )
    sites, of = activation_sites(mixed), {}
    for name, site in sites.items():
        of[name] = torch.arange(site.width) % len(FUNCTIONS)
        site.mix(text(of[name]), of[name].tolist())
    before = outputs(mixed, example)
    for group in calls.exchangeable:
        width = sites[group.sites[0]].width
        order = torch.randperm(width, generator=generator)
        for name in group.sites:
            of[name] = of[name][order]
            sites[name].mix(text(of[name]), of[name].tolist())
        functions_alone = outputs(mixed, example)
        with torch.no_grad():
            for (name, dim), places in group.places.items():
                moved = own[name].index_select(dim, places[order].flatten())
                own[name].index_copy_(dim, places.flatten(), moved)
        after = outputs(mixed, example)
        change = max(float((a - b).abs().max()) for a, b in zip(before, functions_alone, strict=True))
        off = max(float((a - b).abs().max()) for a, b in zip(before, after, strict=True))
        assert off <= tolerance * max(1, *(float(t.abs().max()) for t in before)), group.sites
        assert torch.equal(order, torch.arange(width)) or change > 100 * off, group.sites


def text(of):
    counts = torch.bincount(of, minlength=len(FUNCTIONS)).tolist()
    return " + ".join(f"{n} {f}" for n, f in zip(counts, FUNCTIONS, strict=True) if n)


def partition(pairs):
    """Sites by what they are tied to, whatever its name."""
    groups = {}
    for site, symmetry in pairs:
        groups.setdefault(site if symmetry == "free" else symmetry, set()).add(site)
    return sorted(map(sorted, groups.values()))


FOUND = {
    "resnet": ["stream", "free", "stream", "free", "stream"],
    "inception": ["free"] * 4,
    "vit": ["free", "free"],
    "gated": ["free"],
    "gated_new": ["free"],
    "gru": ["stream"] * 12 + ["free"],
    "separable": ["stream", "stream"],  # a convolution of each channel alone lies between
    "encoder": ["free"],
    "unet": ["free", "free", "none"],  # what the last gives is the output
    "depth": ["free", "free", "none", "none"],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_found_holds(name):
    build, example = NETWORKS[name]
    torch.manual_seed(0)
    model, x = build().double(), example().double()
    state = {key: value.clone() for key, value in model.state_dict().items()}
    mixed, calls = heterogenize(model, x, ON_REQUEST)
    assert [call.symmetry.partition(":")[0] for call in calls.sites] == FOUND[name]
    assert all(torch.equal(value, state[key]) for key, value in mixed.state_dict().items())
    assert all(site.mixture is None for site in activation_sites(mixed).values())
    assert mixed.training == model.training
    check(mixed, calls, x)


@pytest.mark.parametrize(
    ("name", "shape", "arguments"),
    [
        ("resnet", (3, 8, 8), {"blocks": [2, 1, 2], "width": 4}),
        ("transformer", (3, 8, 8), {"dim": 8, "depth": 2, "heads": 2, "dropout": 0.1}),
        ("transformer", (5, 4), {"dim": 8, "depth": 1, "heads": 2, "gated": True}),
        ("gru", (5, 2), {"hidden": 4, "layers": 2}),
    ],
)
def test_found_is_what_networks_by_name_declare(name, shape, arguments):
    network = BUILT_IN[name](shape, 3, **arguments)
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    mixed, calls = heterogenize(network.recipe(0), x, ON_REQUEST)
    declared = partition((site.name, site.symmetry) for site in network.sites)
    assert partition((call.name, call.symmetry) for call in calls.sites) == declared
    check(mixed.double(), calls, x.double())


class Net(nn.Module):
    """A hidden layer whose activations go on in one of several ways."""

    def __init__(self, way):
        super().__init__()
        self.way = way
        self.first, self.last, self.conv = nn.Linear(6, 6), nn.Linear(6, 2), nn.Conv1d(6, 6, 1, groups=2)
        self.scale, self.table = nn.Parameter(torch.ones(6)), nn.Parameter(torch.randn(6, 2))
        self.norm = nn.LayerNorm(6)
        self.register_buffer("fixed", torch.linspace(0, 1, 6))

    def forward(self, x):
        return self.last(self.way(self, F.relu(self.first(x)), x))


EXCHANGEABLE = {
    "scaled": lambda net, h, x: h * net.scale,
    "normed": lambda net, h, x: net.norm(h),
    "with a table": lambda net, h, x: h + net.fixed,
    "turned": lambda net, h, x: h.t().unsqueeze(0).flatten(0, 1).T,
    "added": lambda net, h, x: h + net.first(x),
    "written": lambda net, h, x: F.linear(h, torch.einsum("oi,o->oi", net.first.weight, net.scale)),
    "in two products": lambda net, h, x: h + (h @ net.table) @ net.table.t(),
    "averaged": lambda net, h, x: h[:, None].expand(-1, 3, -1).mean(1),
    "normalised": lambda net, h, x: h / h.norm(dim=-1, keepdim=True),
    "halves joined again": lambda net, h, x: torch.cat(h.chunk(2, -1), -1),
    "stacked": lambda net, h, x: torch.stack([h, net.first(x)], 1).sum(1),
}
FIXED = {
    "in groups": lambda net, h, x: net.conv(h[..., None])[..., 0],
    "added to inputs": lambda net, h, x: h + x,
    "turned around": lambda net, h, x: h + h.flip(-1),
    "halves swapped": lambda net, h, x: h * torch.cat(h.chunk(2, -1)[::-1], -1),
    "sorted": lambda net, h, x: h.cumsum(-1),
    "pooled": lambda net, h, x: F.avg_pool1d(h[:, None], 3, 1, 1)[:, 0],
    "first apart": lambda net, h, x: h * torch.tensor([0, 1, 1, 1, 1, 1]),
    "not used": lambda net, h, x: x,
    "noisy": lambda net, h, x: h + torch.randn_like(h),
    "by training": lambda net, h, x: h * (torch.arange(6) if net.training else 1),
}


@pytest.mark.parametrize(
    ("way", "symmetry"), [*((w, "free") for w in EXCHANGEABLE), *((w, "none") for w in FIXED)]
)
def test_ways_of_activations(way, symmetry):
    torch.manual_seed(0)
    x = rows(3, 6).double()
    mixed, calls = heterogenize(Net((EXCHANGEABLE | FIXED)[way]).double(), x)
    if way == "written":  # a layer that is used twice, the second time on what it gave
        symmetry = "none"
    assert [call.symmetry for call in calls.sites] == [symmetry]
    check(mixed, calls, x)


def test_what_does_not_let_itself_be_examined():
    model, x = NETWORKS["vit"][0](), images()
    _, calls = heterogenize(model, x, symmetry=False)
    assert {call.symmetry for call in calls} == {"none"}
    single = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 1)).eval()
    _, calls = heterogenize(single, rows(1, 2))  # batch norm does not take one example in training
    assert [call.symmetry for call in calls] == ["free"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("name", "streams"),
    [("Bert", 0), ("GPT2", 0), ("Llama", 0), ("ViT", 0), ("ConvNext", 0), ("MobileNetV2", 34)],
)
def test_public_networks(name, streams):
    """With random weights, if `transformers` is installed: all hidden units are exchangeable, those of MobileNetV2 by
    the pair around each convolution of single channels."""
    transformers = pytest.importorskip("transformers")
    arguments, example, _, _ = MODELS[name]
    model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**arguments)).eval()
    mixed, calls = heterogenize(model, example)
    found = [call.symmetry.partition(":")[0] for call in calls.sites]
    assert found.count("stream") == streams
    assert found.count("none") == (name in ("Bert", "ViT", "MobileNetV2"))  # what the last gives is an output
    double = {k: t.double() if t.is_floating_point() else t for k, t in example.items()}
    check(mixed.double(), calls, double)
