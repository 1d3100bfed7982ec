"""Somebody's code: known by its text, and executed only where it has to be."""

import pytest

from evoact.errors import UserError
from evoact.networks.own.named import own
from tests.networks.own.test_module_network import FILE, SHAPE


def code(tmp_path):
    return (
        f"open({str(tmp_path / 'executed')!r}, 'w').close()\n"
        "from torch import nn\n"
        "def make(width):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(48, width), nn.GELU(), nn.Linear(width, 3))\n"
    )


def test_code_whose_sites_are_known_is_executed_when_it_is_needed(tmp_path):
    known = {"found": {"2": 5}, "symmetries": {"2": "free"}}
    net = own(SHAPE, 3, "elsewhere.py", "make", {"width": 5}, text=code(tmp_path), **known)
    assert [(s.name, s.neurons, s.symmetry) for s in net.sites] == [("2", 5, "free")]
    assert net.with_pieces({}) is net
    assert not (tmp_path / "executed").exists()
    assert len(net.parameters) == 4
    assert (tmp_path / "executed").exists()


def test_other_sites_than_before_are_refused(tmp_path):
    net = own(SHAPE, 3, "elsewhere.py", "make", {"width": 5}, text=code(tmp_path), found={"2": 6})
    with pytest.raises(UserError, match=r"to have the sites 2 \(6\), as when this run began, got 2 \(5\)"):
        assert net.parameters


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"file": "/nowhere/model.py"}, "expected a Python file, got '/nowhere/model.py': No such file"),
        (
            {"text": "import no_such_package_here"},
            "to be importable, got ModuleNotFoundError.*may import installed",
        ),
        ({"text": "def make(:"}, r"to be importable, got SyntaxError: .* \(line 1\)"),
        ({"text": "raise SystemExit"}, "to be importable, got SystemExit"),
        ({"arguments": [1]}, r"expected network.arguments as a mapping, got \[1\]"),
        ({"text": "", "found": {"a": "b"}}, "expected network.found as the neurons of each site"),
        (
            {"text": "", "found": {"a": 1}, "symmetries": {"a": "some"}},
            "expected network.symmetries as free or",
        ),
        ({"sites": ["relu"]}, "unknown function that is a site on request 'relu'"),
    ],
)
def test_mistakes_are_named(arguments, words):
    with pytest.raises(UserError, match=words):
        own(SHAPE, 3, **{"file": FILE, "build": "sequential", **arguments})


def test_gates_are_sites_on_request(tmp_path):
    text = (
        "from torch import nn, sigmoid\n"
        "class Gated(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        self.a, self.b = nn.Linear(48, 4), nn.Linear(4, 3)\n"
        "    def forward(self, x):\n"
        "        h = self.a(x.flatten(1))\n"
        "        return self.b(h.tanh() * sigmoid(h))\n"
    )
    net = own(SHAPE, 3, "gated.py", "Gated", text=text, sites=("sigmoid", "tanh"))
    assert [s.name for s in net.sites] == ["tanh_site0", "sigmoid_site0"]
