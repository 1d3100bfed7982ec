"""The source of objects: what they need and no more, or why there is none."""

import functools
import importlib
import linecache
import math
import sys
from collections import OrderedDict

import pytest
import torch.nn.functional as F
from torch import nn

import evoact
from evoact.exports.gathered import NoSource, gathered

WIDTH, table = 6, {"relu": [1, (2.5, None)]}
here = object()
x = 3  # a variable of a network has this name, too


class Scaled(nn.Module):
    def forward(self, x):
        return math.sqrt(2) * F.relu(x)


class Deep(Scaled):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.layer = nn.Linear(width, len(table))


def decorated(function):
    return function


@decorated
def build():
    x = Deep()
    return nn.Sequential(OrderedDict(deep=x, more=other() if WIDTH > 9 else nn.Identity()))


def other():
    return build()


def uses_a_thing():
    return here


def uses_evoact():
    return evoact.nn.MixedActivation("3 relu")


def test_what_is_needed_in_its_order():
    found = gathered(build)
    text = found.text(found.files)
    assert text.startswith("from collections import OrderedDict\n")
    names = [
        "class Scaled",
        "table =",
        "WIDTH = 6",
        "class Deep(Scaled)",
        "def other",
        "@decorated\ndef build",
    ]
    assert all(name in text for name in names)
    assert text.index("class Scaled") < text.index("class Deep") < text.index("@decorated")
    for name in ("x = 3", "here", "pytest"):
        assert name not in text.replace("x = Deep", "")
    made = {}
    exec(text, made)
    assert repr(made["build"]()) == repr(build())


def test_definitions_of_several_files(tmp_path, monkeypatch):
    (tmp_path / "my_layers.py").write_text(
        "from torch import nn\n\nclass Layer(nn.Linear):\n    def f(self):\n        pass\n"
    )
    (tmp_path / "my_build.py").write_text(
        "from my_layers import Layer as L\n\ndef make():\n    return L(2, 3)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    make = importlib.import_module("my_build").make
    try:
        found = gathered(make)
        text = found.text(found.files)
        assert text.split("\n\n\n")[2:] == ["L = Layer", "def make():\n    return L(2, 3)"]
        (tmp_path / "my_build.py").write_text("def make():\n    return 4\n")
        linecache.clearcache()
        with pytest.raises(
            NoSource, match="expected the source of make, which has changed since it was loaded"
        ):
            gathered(make)
    finally:
        for name in ("my_layers", "my_build"):
            del sys.modules[name]


def test_what_has_no_source():
    width = 3

    def closed():
        return nn.Linear(width, 2)

    typed = {}
    exec("def typed():\n    return 3", typed)
    for thing, words in (
        (lambda: 3, "got a lambda, whose source is not known"),
        (functools.partial(build), "got a partial, whose source is not known"),
        (closed, "expected closed to be defined outside of functions"),
        (typed["typed"], "expected the source of typed, which is in no file"),
        (uses_a_thing, "expected here to be a definition, an import or a constant, got <object"),
        (uses_evoact, "expected a network that needs nothing of evoact, got one that uses evoact"),
    ):
        with pytest.raises(NoSource, match=words):
            gathered(thing)
