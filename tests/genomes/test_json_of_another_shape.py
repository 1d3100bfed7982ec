"""JSON that is no genome is refused with one sentence, whatever its shape."""

import json

import pytest

from evoact.errors import UserError
from evoact.genomes.activation import Base
from evoact.genomes.activation import from_json as activation_from_json
from evoact.genomes.genome import Site, dumps, from_json, homogeneous, loads

WHOLE = json.loads(dumps(homogeneous(Base("relu"), [Site("h", 3)], learning_rate=0.1)))
RELU = {"kind": "base", "name": "relu"}


def site(**changes):
    return {"sites": [{"site": "h", "types": [RELU | changes]}], "hyperparameters": {}}


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ([], "expected a list as 'sites' of a genome, got []"),
        ({"sites": {}}, "expected a list as 'sites' of a genome"),
        ({"sites": [3]}, "expected text as 'site' of a genome, got 3"),
        ({"sites": [{"site": "h", "types": "relu"}]}, "expected a list as 'types' of a genome"),
        (
            {"sites": [{"site": "h", "types": ["relu"]}]},
            "expected an activation, keys and values with its kind",
        ),
        (site(), "expected an integer as 'count' of a genome"),
        (site(count="3"), "expected an integer as 'count' of a genome"),
        (site(count=10**12), "expected up to 1,000,000 neurons at site 'h', got 1000000000000"),
        (site(count=-1), "expected up to 1,000,000 neurons at site 'h', got -1"),
        (site(neurons=3), "expected a list as 'neurons' of a genome"),
        (site(neurons=[0, 0]), "expected each neuron of site 'h' once, got neuron 0 in two types"),
        (site(neurons=[[0]]), "expected each neuron of site 'h' once, got [0]"),
        (site(neurons=[1]), "expected every neuron of site 'h' to have a type, got none for neuron 0"),
        (WHOLE | {"hyperparameters": [1]}, "expected keys and values as 'hyperparameters' of a genome"),
        (WHOLE | {"hyperparameters": {"a": "x"}}, "expected a finite number as a genome's 'a', got 'x'"),
        (WHOLE | {"hyperparameters": {"a": 10**400}}, "an integer of 401 digits"),
    ],
)
def test_a_genome_of_another_shape(data, sentence):
    with pytest.raises(UserError) as caught:
        from_json(data)
    assert sentence in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "3", "[" * 10**5, '{"sites": ' + "9" * 5000 + "}", "null"])
def test_a_text_that_is_no_genome(text):
    with pytest.raises(UserError, match="genome"):
        loads(text)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("relu", "expected an activation, keys and values with its kind, got 'relu'"),
        ({"kind": ["base"]}, "expected text as activation kind, got ['base']"),
        ({"kind": "base"}, "expected text as base.name, got {'kind': 'base'} without it"),
        ({"kind": "base", "name": 3}, "expected text as base.name, got 3"),
        (
            {"kind": "hull", "hull": "convex", "functions": 3},
            "expected a list of texts as hull.functions, got 3",
        ),
        ({"kind": "hull", "hull": [], "functions": []}, "expected text as hull.hull, got []"),
        ({"kind": "maxout", "pieces": 10**9}, "expected maxout.pieces to be at most 10000, got 1000000000"),
        ({"kind": "maxout", "pieces": True}, "expected an integer as maxout.pieces, got True"),
        (
            {"kind": "captured", "curve": "a", "low": -1, "high": 1, "values": [0, "1"]},
            "expected a list of finite numbers as captured.values, got [0, '1']",
        ),
    ],
)
def test_an_activation_of_another_shape(data, sentence):
    with pytest.raises(UserError) as caught:
        activation_from_json(data)
    assert sentence in str(caught.value)
