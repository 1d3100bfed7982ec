"""Sites as text in plain PyTorch, and their trained numbers as the state of the modules that the text makes."""

from collections.abc import Iterator, Mapping

import numpy as np
from torch import Tensor, nn

from evoact.activations.functions.base_functions import PLUGGED, base_function, core_function
from evoact.activations.kinds import kind_of, site_count, unpack
from evoact.errors import UserError
from evoact.exports.text import call
from evoact.genomes.activation import names_in, pieces
from evoact.genomes.genome import Genome, SiteGenome
from evoact.genomes.kinds import Activation

FUNCTIONS: Mapping[str, str] = {
    "identity": "nn.Identity()",
    "relu": "nn.ReLU()",
    "leaky_relu": "nn.LeakyReLU(0.01)",
    "elu": "nn.ELU()",
    "selu": "nn.SELU()",
    "softplus": "nn.Softplus()",
    "sigmoid": "nn.Sigmoid()",
    "tanh": "nn.Tanh()",
    "softsign": "nn.Softsign()",
    "sin": "Sin()",
    "cos": "Cos()",
    "gaussian": "Gaussian()",
    "gelu": "nn.GELU()",
    "swish": "nn.SiLU()",
    "mish": "nn.Mish()",
    "abs": "Abs()",
    "square": "Square()",
    "thresholded_relu": "nn.Threshold(1.0, 0.0)",
    "relu6": "nn.ReLU6()",
    "hard_tanh": "nn.Hardtanh()",
    "hard_sigmoid": "nn.Hardsigmoid()",
    "hard_swish": "nn.Hardswish()",
    "snake": "Snake()",
    "zero": "Zero()",
}


def function_text(name: str) -> str:
    """Return the text of a base function's module.

    >>> function_text("relu"), function_text("2*sin(3*x)")
    ('nn.ReLU()', 'Rescaled(Sin(), a=2.0, b=3.0)')
    """
    f = base_function(name)
    factors = {"a": (f.output_scale, 1.0), "b": (f.input_scale, 1.0), "c": (f.shift, 0.0)}
    given = [f"{key}={value!r}" for key, (value, usual) in factors.items() if value != usual]
    core = f"Elementwise({f.code[1]})" if f.core in PLUGGED else FUNCTIONS[f.core]
    return f"Rescaled({', '.join([core, *given])})" if given else core


def plugged_code(genome: Genome) -> Iterator[tuple[str, str]]:
    """Yield, of each function of a plugin that a genome has, the text of its file and its name there.

    Raises:
        UserError: if nobody knows the text.
    """
    names = sorted(
        {name for site in genome.sites for activation in site.types for name in names_in(activation)}
    )
    for name in sorted({base_function(name).core for name in names} & PLUGGED.keys()):
        text, own = core_function(name).code
        if not text:
            raise UserError(
                f"expected base functions whose source is text in Python to export them, got {name}; write it as a "
                "function in a file, or take the network home by evoact.load"
            )
        yield text, own


def site_text(site: SiteGenome, dim: int = 1) -> str:
    """Return the text of a site's module; a type that is alone and shares its numbers is its own.

    >>> from evoact.genomes.notation import parse_site
    >>> site_text(parse_site("3 relu")), site_text(parse_site("1 relu + 2 scaled(sin)"), -1)
    ('nn.ReLU()', 'Mixed([(nn.ReLU(), 1), (Scaled(Sin()), 2)], dim=-1)')
    """
    types = list(_types(site))
    texts = [kind_of(t).plain(t, len(places), function_text) for t, _, places in types]
    if _alone(site):
        return texts[0]
    where = [] if dim == 1 else [f"dim={dim}"]
    each = [f"({text}, {len(neurons)})" for text, (_, neurons, _) in zip(texts, types, strict=True)]
    if most_pieces(site) > 1:
        each = [f"{text[:-1]}, {pieces(t)})" for text, (t, _, _) in zip(each, types, strict=True)]
        return call("MixedPieces", call("[", *each), f"pieces={most_pieces(site)}", *where)
    mixed = call("Mixed", call("[", *each), *where)
    return mixed if _in_order(site) else call("Scattered", mixed)


def trained_in(module: nn.Module, site: SiteGenome) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Yield each trained tensor of a module that `site_text` describes, with the places of its numbers among the
    site's flat ones, in the tensor's shape.
    """
    for own, (_, _, places) in zip(_modules(module, site), _types(site), strict=True):
        start = 0
        for parameter in own.parameters():
            stop = start + parameter.numel() // len(places)
            yield parameter, places[:, start:stop].T.reshape(parameter.shape)
            start = stop


def fixed_in(module: nn.Module, site: SiteGenome) -> Iterator[tuple[Tensor, np.ndarray]]:
    """Yield each tensor of such a module that is not trained, with its numbers."""
    if most_pieces(site) > 1 or not _in_order(site):
        order = np.concatenate([neurons for _, neurons, _ in _types(site)])
        yield module.get_buffer("order"), order
        yield module.get_buffer("inverse"), np.argsort(order)
    for own, (activation, _, _) in zip(_modules(module, site), _types(site), strict=True):
        yield from zip(own.buffers(), kind_of(activation).constants(activation), strict=True)


def _modules(module: nn.Module, site: SiteGenome) -> list[nn.Module]:
    """Return the modules of a site's types."""
    if _alone(site):
        return [module]
    several = most_pieces(site) > 1 or _in_order(site)
    return list((module if several else module.get_submodule("mixed")).get_submodule("types").children())


def most_pieces(site: SiteGenome) -> int:
    """Return how many pre-activations each neuron of the site has."""
    return max(map(pieces, site.types))


def _types(site: SiteGenome) -> Iterator[tuple[Activation, np.ndarray, np.ndarray]]:
    """Yield the types that neurons have, their neurons, and the places [sets, numbers] of their numbers."""
    return (found for found in unpack(site, np.arange(site_count(site))) if len(found[1]))


def _alone(site: SiteGenome) -> bool:
    types = list(_types(site))
    return len(types) == 1 and most_pieces(site) == 1 and len(types[0][2]) == 1


def _in_order(site: SiteGenome) -> bool:
    """Return whether the neurons of a type follow each other, in the order of the types."""
    return list(site.assignment) == sorted(site.assignment)
