"""The text of a site and back, for every kind."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evoact.errors import UserError
from evoact.genomes.activation import canonical_activation
from evoact.genomes.activation_json import from_json
from evoact.genomes.genome import SiteGenome
from evoact.genomes.kinds import FIELDS, KINDS, OPTIONS, TYPES, Captured, ProbabilisticMaxout, Tabulated
from evoact.genomes.notation import activation_text, parse_activation, parse_site, site_text

NAMES = st.sampled_from(["relu", "sin(3*x)", "-relu(-x)", "normalised(gelu)", "2*tanh(0.5*x)", "0.001*sin"])
CURVES = st.sampled_from(
    ["bend", "bend@0123456789ab", "a/b.safetensors", "a, b", 'say "(x"', "cubic", "linear"]
)
NUMBERS = st.floats(-5, 5)


def field(kind, name):
    expected, options = TYPES[kind][name], OPTIONS[kind].get(name)
    if options is not None and options.words:
        return st.sampled_from(options.words)
    if kind in ("tabulated", "captured") and name == "curve":
        return CURVES
    return {
        str: NAMES,
        int: st.integers(1, 99),
        float: st.floats(1e-9, 1e9),
        tuple[str, ...]: st.lists(NAMES, min_size=1, max_size=4),
        tuple[float, ...]: st.lists(NUMBERS, min_size=4, max_size=9),
    }[expected]


def of_kind(kind):
    fields = {name: field(kind, name) for name in FIELDS[kind]}
    if kind == "captured":
        fields |= {"low": st.floats(-9, -1), "high": st.floats(0, 9)}
    return st.fixed_dictionaries(fields).map(lambda values: from_json({"kind": kind} | values))


@pytest.mark.parametrize("kind", KINDS)
def test_text_and_back_is_exact(kind):
    @given(st.lists(of_kind(kind), min_size=1, max_size=3), st.integers(0, 70))
    @settings(max_examples=40, deadline=None)
    def check(types, count):
        site = SiteGenome("h", tuple(types), tuple(i for i in range(len(types)) for _ in range(count + i)))
        text = site_text(site)
        assert parse_site(text, "h") == site
        assert site_text(parse_site(text)) == text

    check()


def test_labels_are_the_text_wherever_they_say_all():
    site = parse_site("40 sin + 20 convex(relu,tanh) + 4 scaled(gelu)/neuron + 1 rational(5/4,leaky_relu)")
    assert site_text(site) == site.label
    assert site.counts() == (40, 20, 4, 1)


def test_what_labels_leave_out():
    curve = Captured("bow", -3.0, 3.0, (0.5, -0.3, 0.1))
    assert activation_text(curve) == 'captured("bow",-3.0,3.0,[0.5,-0.3,0.1],linear,linear)'
    assert parse_activation(activation_text(ProbabilisticMaxout(2, 1 / 3))).sharpness == 1 / 3
    assert parse_activation(activation_text(Tabulated("linear"))) == Tabulated("linear")
    with pytest.raises(UserError, match=r"expected a finite number as captured\.low"):
        parse_activation("captured(bow)")


def test_blanks_and_factors():
    site = parse_site("  3  1e+3 * sin( 2*x )+ 2 relu ")
    assert [canonical_activation(t).label for t in site.types] == ["1000*sin(2*x)", "relu"]
    assert site.assignment == (0, 0, 0, 1, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("40 convx(relu,tanh)", "unknown activation 'convx'; did you mean 'convex'?"),
        ("relu", "expected a number of neurons and an activation, such as '40 sin', got 'relu'"),
        ("", "expected a number of neurons"),
        ("4 relu + ", "expected a base function"),
        ("4 relu 3 sin", "expected a plus sign or a comma between 'relu 3' in 'relu 3 sin'"),
        ("4 maxout(2)/neuron", "expected maxout without sharing"),
        ("4 prelu/neurn", "did you mean 'neuron'"),
        ("4 maxout(2,3)", "expected fewer arguments of maxout, got '3'"),
        ("4 maxout(two)", "expected an integer as maxout.pieces, got 'two'"),
        ("4 maxout", "expected an integer as maxout.pieces"),
        ("4 convex()", "expected a list of texts as hull.functions"),
        ("999999999 relu", "expected up to 1,000,000 neurons"),
        (4, "expected counts and activations"),
    ],
)
def test_what_is_no_mixture(text, sentence):
    with pytest.raises(UserError, match=re.escape(sentence)):
        parse_site(text)
