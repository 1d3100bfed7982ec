"""Learned activations as curves: evaluated on a grid, to be saved and used as `tabulated` by name."""

from collections.abc import Mapping

import numpy as np
import torch

from evoact.activations.curves import Curve
from evoact.activations.families import FAMILIES
from evoact.errors import UserError
from evoact.genomes.activation import to_json
from evoact.genomes.genome import Activation, Base, pieces


def capture(
    activation: Activation,
    parameters: np.ndarray,
    low: float = -10.0,
    high: float = 10.0,
    points: int = 100,
    metadata: Mapping[str, str] | None = None,
) -> Curve:
    """The function that a type with these flat parameters has become, at equally spaced points.

    The default points are those of Choudhary et al. 2022, section Methods. The curve's metadata says what it was.

    Raises:
        UserError: for a base function, which has a name already, and for what is no one scalar function.

    >>> from evoact.genomes.genome import Scaled
    >>> capture(Scaled("identity"), np.array([2.0, 3.0]), -1, 1, 3).values.tolist()
    [-6.0, 0.0, 6.0]
    """
    per_neuron = getattr(activation, "per", "layer") == "neuron"
    if isinstance(activation, Base) or per_neuron or pieces(activation) > 1:
        raise UserError(
            f"expected an activation with one learned curve for all its neurons to capture, got {activation.label}"
        )
    x = torch.linspace(low, high, points, dtype=torch.float64)
    family = FAMILIES[activation.kind]
    if len(parameters) != family.parameter_count(activation, 1):
        raise UserError(
            f"expected {family.parameter_count(activation, 1)} parameters of {activation.label} to capture, "
            f"got {len(parameters)}"
        )
    row = torch.as_tensor(parameters, dtype=torch.float64)[None]
    y = family.evaluate(activation, x[None, None], row, None)[0]
    origin = {"activation": str(to_json(activation)), "label": activation.label}
    return Curve(x.numpy(), y.numpy(), origin | dict(metadata or {}))
