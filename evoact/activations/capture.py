"""Learned activations as curves: evaluated on a grid, to be saved and used as `tabulated` by name."""

from collections.abc import Mapping

import numpy as np
import torch

from evoact.activations.curves import Curve
from evoact.activations.kinds import curve, kind_of
from evoact.errors import UserError
from evoact.genomes.activation import per_neuron, pieces
from evoact.genomes.activation_json import to_json
from evoact.genomes.kinds import Activation


def capture(
    activation: Activation,
    parameters: np.ndarray,
    low: float = -10.0,
    high: float = 10.0,
    points: int = 100,
    metadata: Mapping[str, str] | None = None,
) -> Curve:
    """Return the function that a type with these flat parameters has become, at equally spaced points.

    The default points are those of Choudhary et al. 2022, section Methods. The curve's metadata says what it was.

    Raises:
        UserError: for an activation without parameters, which is known already, and for what is no one scalar function.

    >>> from evoact.genomes.kinds import Scaled
    >>> capture(Scaled("identity"), np.array([2.0, 3.0]), -1, 1, 3).values.tolist()
    [-6.0, 0.0, 6.0]
    """
    x = torch.linspace(low, high, points, dtype=torch.float64)
    numbers = kind_of(activation).numbers(activation)
    if not numbers or per_neuron(activation) or pieces(activation) > 1:
        raise UserError(
            f"expected an activation with one learned curve for all its neurons to capture, got {activation.label}"
        )
    if len(parameters) != numbers:
        raise UserError(
            f"expected {numbers} parameters of {activation.label} to capture, got {len(parameters)}"
        )
    row = torch.as_tensor(parameters, dtype=torch.float64)[None]
    y = curve(activation, row, x, exact=True)[0]
    origin = {"activation": str(to_json(activation)), "label": activation.label}
    return Curve(x.numpy(), y.numpy(), origin | dict(metadata or {}))
