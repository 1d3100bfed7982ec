"""A base function by name or expression; nothing in it is trained."""

from torch import Tensor

from evoact.activations.functions.base_functions import apply, base_function
from evoact.activations.kinds.kind import Kind, Mixture, Noise
from evoact.genomes.kinds import Base


def evaluate(activation: Base, x: Tensor, parameters: Tensor, noise: Noise | None = None) -> Tensor:
    """Return f(x); shapes as `kind.Kind` has them."""
    return apply(base_function(activation.name), x[:, 0])


KIND = Kind(
    evaluate,
    plain=lambda activation, sets, text: text(activation.name),
    mixture=lambda activation: Mixture((activation.name,)),
)
