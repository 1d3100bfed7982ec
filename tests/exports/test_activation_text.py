from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.exports.activation_text import FUNCTIONS, site_text
from evoact.genomes.notation import parse_site


def test_every_base_function_has_a_module():
    assert FUNCTIONS.keys() == BASE_FUNCTIONS.keys()


def test_sites_in_any_order_and_of_several_pre_activations():
    site = parse_site("1 relu + 2 maxout(3)")
    assert site_text(site) == "MixedPieces([(nn.ReLU(), 1, 1), (Maxout(), 2, 3)], pieces=3)"
    assert site_text(parse_site("2 prelu/neuron")) == "Mixed([(PReLU(neurons=2), 2)])"
