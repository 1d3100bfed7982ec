"""Anybody's network with sites computes what it did, and each call is told apart."""

import copy
import pickle
import re

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._pytree import tree_leaves

import evoact
from evoact.errors import UserError
from evoact.nn import Site, activation_sites, heterogenize, homogenize
from tests.nn.networks import NETWORKS, ViT, images, rows

# Of each network: name, found, dim and width of its sites; and of what is no site, part of the reason.
SITES = {
    "resnet": [(f"relu.sites.{i}", "nn.ReLU(inplace=True)", -3, 8) for i in range(5)],
    "inception": [
        ("relu_site0", "relu(inplace=True)", -3, 6),
        *((f"relu_site{i}", "relu()", -3, 4) for i in (1, 2, 3)),
    ],
    "vit": [
        ("blocks.0.mlp.1", "nn.GELU(approximate='none')", -1, 16),
        ("blocks.1.mlp.1", "nn.GELU(approximate='tanh')", -1, 16),
    ],
    "gated": [("act_fn", "nn.SiLU()", -1, 10)],
    "gated_new": [("act_fn", "NewGELU()", -1, 10)],
    "gru": [("leaky_relu_site0", "leaky_relu(negative_slope=0.2)", -1, 7)],
    "separable": [("1", "nn.ReLU6(inplace=True)", -3, 6), ("4", "nn.Hardswish()", -3, 6)],
    "unet": [("relu_site0", "relu()", -3, 4), ("elu_site0", "elu(alpha=1.0)", -3, 8)],
    "encoder": [("relu_site0", "relu()", -1, 12)],
    "depth": [*((f"relu_site{i}", "relu()", -1, 4) for i in range(3)), ("silu_site0", "silu()", -1, 4)],
}
REASONS = {
    "inception": ["normalises over a dimension"],
    "vit": ["normalises over a dimension"] * 2,
    "gru": ["is a gate or a probability", "is a gate or a probability", "is a gate beside the sigmoid of GRU"]
    * 4,
    "unet": ["has a trained slope", "is a gate or a probability"],
    "encoder": ["contains a softmax"],
}
EVERY = pytest.mark.parametrize("name", NETWORKS)


def network(name, dtype=torch.float32):
    build, example = NETWORKS[name]
    torch.manual_seed(0)
    model, x = build().to(dtype).eval(), example().to(dtype)
    with torch.random.fork_rng():
        mixed, calls = heterogenize(model, x)
    return model, mixed, x, calls


def loss(y):
    return sum((leaf**2).sum() for leaf in tree_leaves(y))


@EVERY
def test_each_call_is_found(name):
    _, mixed, _, calls = network(name)
    assert [(c.name, c.found, c.dim, c.width) for c in calls.sites] == SITES[name]
    for call, reason in zip((c for c in calls if c.reason), REASONS.get(name, []), strict=True):
        assert call.reason.startswith(reason)
    assert sorted(activation_sites(mixed)) == sorted(c.name for c in calls.sites)
    assert all(re.fullmatch(r"(\w+\.py:\d+)?", c.line) for c in calls)
    assert len(str(calls).splitlines()) == len(calls) + 1


@EVERY
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_computes_what_it_did(name, dtype):
    model, mixed, x, _ = network(name, dtype)
    others = [copy.deepcopy(mixed), pickle.loads(pickle.dumps(mixed)), homogenize(mixed)]
    for net in [model, mixed, *others]:
        net.train()
    results = []
    for net in [model, mixed, *others]:
        torch.manual_seed(1)
        y = net(x.clone())
        loss(y).backward()
        results.append([*tree_leaves(y), *(p.grad for p in net.parameters()), *net.buffers()])
    for other in results[1:]:
        assert all(torch.equal(a, b) for a, b in zip(results[0], other, strict=True))
    assert list(model.state_dict()) == list(mixed.state_dict()) == list(others[2].state_dict())
    assert repr(others[2]) == repr(model)
    with torch.inference_mode():
        y, z = model.eval()(x.clone()), mixed.eval()(x.clone())
    for a, b in zip(tree_leaves(y), tree_leaves(z), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)  # PyTorch fuses an encoder layer without sites


@EVERY
def test_mixtures_take_part(name):
    """Each site with a mixture of what it was is what it was; with another one it is not, and trains."""
    model, mixed, x, calls = network(name, torch.float64)
    for call in calls.sites:
        if call.function:
            activation_sites(mixed)[call.name].mix(f"1 {call.function} + {call.width - 1} {call.function}")
    same = zip(tree_leaves(model(x.clone())), tree_leaves(mixed(x.clone())), strict=True)
    assert all(torch.allclose(a, b, 1e-12, 1e-12) for a, b in same)
    for call in calls.sites:
        activation_sites(mixed)[call.name].mix(f"1 convex(sin,relu) + {call.width - 1} tanh").double()
        before = mixed(x.clone())
        activation_sites(mixed)[call.name].mix(f"1 convex(sin,relu) + {call.width - 1} gaussian").double()
        after = mixed(x.clone())
        assert not all(map(torch.equal, tree_leaves(before), tree_leaves(after)))
    loss(mixed(x.clone())).backward()
    trained = [p for n, p in mixed.named_parameters() if n.endswith("coefficients")]
    assert len(trained) == len(calls.sites)
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trained)
    assert "convex(sin,relu)" in repr(mixed)


def test_what_is_told_apart():
    assert [c.function for c in network("vit")[3].sites] == ["gelu", ""]
    (silu,) = network("gated")[3].sites
    assert (silu.function, silu.gates) == ("swish", True)
    assert [c.function for c in network("unet")[3].sites] == ["relu", "elu"]


def test_on_request():
    build, example = NETWORKS["gru"]
    _, calls = heterogenize(build(), example(), sites=["sigmoid", "tanh"])
    assert len(calls.sites) == 13
    with pytest.raises(UserError, match="unknown function that is a site on request 'sigmod'; did you mean"):
        heterogenize(build(), example(), sites=["sigmod"])


def test_dynamic_control_flow():
    """Calls are told apart by where they stand, not by their number."""
    model, mixed, x, _ = network("depth", torch.float64)
    for depth in (1, 2, 3):
        assert torch.equal(model(x, depth), mixed(x, depth))
    sites = activation_sites(mixed)
    sites["silu_site0"].mix("4 sin")
    assert torch.equal(mixed(x, 1), model(x, 1))
    first = F.relu(model.layers[1](F.relu(model.layers[0](x))))
    torch.testing.assert_close(mixed(x, 2), torch.sin(first), rtol=1e-12, atol=1e-12)
    with pytest.raises(UserError, match="expected 4 neurons of one pre-activation each, got 3"):
        sites["silu_site0"].mix("3 sin")


def test_parts_and_several_arguments():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = ViT()

        def forward(self, x, scale, shift=0):
            return F.relu(self.inner(x * scale)["logits"] + shift), scale

    model = Two()
    for example in ((images(), 2.0), {"x": images(), "scale": 2.0, "shift": 1}):
        mixed, calls = evoact.heterogenize(model, example)
        assert [c.name for c in calls.sites] == ["inner.blocks.0.mlp.1", "inner.blocks.1.mlp.1", "relu_site0"]
    assert torch.equal(mixed.inner(images())["logits"], model.inner(images())["logits"])
    assert type(evoact.homogenize(mixed).inner.blocks[0].mlp[1]) is nn.GELU


def test_a_module_computed_twice_has_its_sites_once():
    class Half(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.act = nn.Linear(4, 4), nn.ReLU()

        def forward(self, x):
            return F.silu(self.act(self.fc(x)))

    class Net(nn.Module):
        def __init__(self, other=4):
            super().__init__()
            self.part, self.gelu, self.other = Half(), nn.GELU(), nn.Linear(4, other)

        def forward(self, x):
            x = self.part(self.part(x))
            for layer in (nn.Identity(), self.other):
                x = self.gelu(layer(x))
            return self.apart(x)

        def apart(self, x):
            return F.elu(x)

    mixed, calls = heterogenize(Net().double(), x := rows(2, 4).double())
    assert [c.name for c in calls] == [
        "part.act",
        "part.silu_site0",
        "gelu.sites.0",
        "gelu.sites.1",
        "elu_site0",
    ]
    before = mixed(x)
    for name, site in activation_sites(mixed).items():
        after = site.mix("4 cos") and mixed(x)
        assert not torch.equal(before, after), name
        before = after
    assert [c.width for c in heterogenize(Net(3), rows(2, 4))[1]] == [4, 4, 4, 3, 3]


def test_in_place_is_kept_where_it_is_seen():
    class Net(nn.Module):
        def forward(self, x):
            a = x * 2
            a.relu_()  # only seen in a
            b = x + 1
            c = F.relu(b, inplace=True)
            d = F.elu(x * 3, inplace=True)
            e = x - 1
            F.silu(e[:, :1], inplace=True)  # seen in e
            return a + b + c + d + e

    mixed, calls = heterogenize(Net(), rows(3, 4))
    sites = activation_sites(mixed)
    assert [sites[c.name].in_place for c in calls] == [True, True, False, True]
    for name, text in zip(sites, ("1 relu + 3 relu", "2 relu + 2 relu", "4 elu", "1 swish"), strict=True):
        sites[name].mix(text)
    x = rows(3, 4).double().requires_grad_()
    torch.testing.assert_close(mixed(x), Net()(x), rtol=1e-12, atol=1e-12)
    mixed(x).sum().backward()


def test_the_network_given_is_not_touched():
    build, example = NETWORKS["resnet"]
    model = build().train()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    text, x = repr(model), example()
    mixed, _ = heterogenize(model, x)
    assert repr(model) == text
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(torch.equal(v, before[k]) for k, v in mixed.state_dict().items())
    assert torch.equal(x, example())
    assert not any(isinstance(m, Site) for m in model.modules())


def test_function_transforms_and_weights():
    model, mixed, x, calls = network("gru", torch.float64)
    activation_sites(mixed)[calls.sites[0].name].mix("4 sin + 3 relu")
    state = dict(mixed.named_parameters())

    def one(state, x):
        return torch.func.functional_call(mixed, state, (x[None],)).square().sum()

    gradients = torch.func.vmap(torch.func.grad(one), (None, 0))(state, x)
    loss(mixed(x)).backward()
    for name, p in mixed.named_parameters():
        torch.testing.assert_close(gradients[name].sum(0), p.grad, rtol=1e-9, atol=1e-9)
    mixed.load_state_dict(model.state_dict())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")  # within the compiler
@pytest.mark.parametrize("name", ["resnet", "inception", "vit"])
def test_compiled(name):
    """A site that took a module's place is compiled; where calls are told apart, the forward is left as it is."""
    _, mixed, x, calls = network(name)
    for call in calls.sites:
        activation_sites(mixed)[call.name].mix(f"1 sin + {call.width - 1} tanh")
    compiled = torch.compile(mixed, backend="eager", fullgraph=name == "vit")
    for a, b in zip(tree_leaves(compiled(x.clone())), tree_leaves(mixed(x.clone())), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)
    torch._dynamo.reset()


@pytest.mark.parametrize(
    ("model", "example", "sentence"),
    [
        (lambda: nn.Linear(2, 2), rows(1, 2), "expected a network that calls an activation"),
        (lambda: nn.DataParallel(nn.ReLU()), rows(1, 2), "got DataParallel around it; give its .module"),
        (lambda: nn.Sequential(nn.LazyLinear(3), nn.ReLU()), rows(1, 2), "expected initialised layers, got LazyLinear"),
        (lambda: nn.Sequential(nn.Linear(3, 3), nn.ReLU()), rows(1, 2), "takes, got shapes [[1, 2]]: "),
        (lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU()), torch.ones(1, 2, device="meta"), "an example on cpu"),
        (lambda: "relu", rows(1, 2), "expected a torch.nn.Module, got 'relu'"),
        (lambda: nn.ReLU, rows(1, 2), "expected a torch.nn.Module, got the class ReLU; make one"),
        (lambda: nn.ReLU(), rows(0, 2), "an example that holds something, got a tensor of shape [0, 2]"),
        (lambda: nn.ReLU(), (rows(1, 2).numpy(),), "expected tensors as example, got ndarray"),
        (lambda: network("gated")[1], rows(2, 3, 6), "expected a network without sites"),
        (lambda: torch.ao.nn.quantized.ReLU6(), rows(1, 2), "expected layers in floating point, got ReLU6"),
    ],
    ids=["none", "parallel", "lazy", "shape", "device", "no module", "class", "empty", "array", "twice", "quantised"],
)  # fmt: skip
def test_mistakes_are_one_sentence(model, example, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)) as caught:
        heterogenize(model(), example)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="expected a network from heterogenize"):
        homogenize(nn.Linear(2, 2))


SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 24}
WORDS = {"input_ids": torch.arange(14).view(2, 7)}
IMAGES = {"pixel_values": torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))}
# Of each class: arguments, an example, what is found at its first site, dim and width, and how many sites there are.
MODELS = {
    "Bert": ({"vocab_size": 50, **SMALL}, WORDS, ("GELUActivation()", "gelu", -1, 24), 3),
    "GPT2": ({"vocab_size": 50, "n_embd": 16, "n_layer": 2, "n_head": 2}, WORDS,
             ("NewGELUActivation()", "", -1, 64), 2),
    "Llama": ({"vocab_size": 50, "num_key_value_heads": 2, **SMALL}, WORDS, ("SiLUActivation()", "swish", -1, 24), 2),
    "ViT": ({"image_size": 32, "patch_size": 8, **SMALL}, IMAGES, ("GELUActivation()", "gelu", -1, 24), 3),
    "ConvNext": ({"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}, IMAGES,
                 ("GELUActivation()", "gelu", -1, 32), 2),
    "MobileNetV2": ({"depth_multiplier": 0.25, "image_size": 32}, IMAGES, ("nn.ReLU6()", "relu6", -3, 8), 35),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODELS)
def test_public_networks(name):
    """With random weights, if `transformers` is installed (`pip install evoact[models]`)."""
    transformers = pytest.importorskip("transformers")
    arguments, example, first, number = MODELS[name]
    model = getattr(transformers, f"{name}Model")(getattr(transformers, f"{name}Config")(**arguments)).eval()
    mixed, calls = heterogenize(model, example)
    found = calls.sites[0]
    assert (found.found, found.function, found.dim, found.width) == first
    assert len(calls.sites) == number
    assert all(call.reason.startswith("contains a softmax") for call in calls if call.reason)
    assert list(mixed.state_dict()) == list(model.state_dict())
    with torch.no_grad():
        assert torch.equal(mixed(**example)[0], model(**example)[0])
    for site in activation_sites(mixed).values():
        site.mix(f"1 sin + {site.width - 1} convex(relu,tanh)")
    mixed(**example)[0].sum().backward()
    assert activation_sites(mixed)[found.name].mixture.coefficients.grad.isfinite().all()
    assert repr(homogenize(mixed)) == repr(model)
