"""Width-matched controls: the reference with as many parameters as a larger arm has.

An arm that trains more numbers than the reference may be better for that alone. Each arm with over 5 % more gets the
reference beside it, with wider layers instead of other activations.
"""

import inspect
import random
from collections.abc import Mapping
from itertools import islice
from typing import Any

from evoact.config.experiment import Experiment
from evoact.errors import UserError
from evoact.genomes.layer_choices import LayerChoices
from evoact.networks import NETWORKS
from evoact.networks.network import parameter_count as network_parameters
from evoact.training.members import parameter_count

MARGIN = 0.05
ORDINARY, SAMPLES = 200, 64  # genomes of a space that are looked at
HALVINGS = 30


def most_parameters(e: Experiment) -> int:
    """Return the number of trained numbers of the largest of many networks of an arm's space, its ordinary and sampled
    ones.
    """
    settings = e.space.settings[0]
    every = LayerChoices(e.space.families, e.space.types_per_layer).every()
    genomes = [e.space.homogeneous(activation, settings) for activation in islice(every, ORDINARY)]
    genomes += [e.space.sample(random.Random(i)) for i in range(SAMPLES)]
    return max(parameter_count(genome, e.network) for genome in genomes)


def larger_arms(arms: Mapping[str, Experiment], reference: str) -> dict[str, int]:
    """Return the arms with over 5 % more parameters than the reference, and how many."""
    most = {name: most_parameters(e) for name, e in arms.items()}
    return {name: n for name, n in most.items() if n > (1 + MARGIN) * most[reference]}


def matched(reference: Experiment, parameters: int) -> dict[str, Any]:
    """Return the reference's network section with its layers widened until it has about so many parameters."""
    named = reference.config.network
    low, high = 1.0, 2.0
    while _count(reference, widened(named.name, named.arguments, high)) < parameters:
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if _count(reference, widened(named.name, named.arguments, middle)) < parameters:
            low = middle
        else:
            high = middle
    return {"name": named.name, **widened(named.name, named.arguments, high)}


def widened(name: str, arguments: Mapping[str, Any], factor: float) -> dict[str, Any]:
    """Return a network's arguments with every layer wider: `hidden` if it lists widths, else the factor `width`.

    >>> widened("mlp", {"hidden": [100, 50]}, 1.25)
    {'hidden': [125, 62]}
    >>> widened("lenet5", {}, 1.25)
    {'width': 1.25}

    Raises:
        UserError: for a network whose layers cannot be widened.
    """
    builder = NETWORKS.get(name)  # none of a plugin's
    defaults = {n: p.default for n, p in inspect.signature(builder).parameters.items()} if builder else {}
    if "hidden" in defaults:
        hidden = arguments.get("hidden", defaults["hidden"])
        return {**arguments, "hidden": [round(width * factor) for width in hidden]}
    if "width" not in defaults:
        raise UserError(
            f"expected a network with hidden or width, to match the parameters of larger arms, got {name!r}; "
            "name another arm's control with control_of, or give every arm about as many parameters"
        )
    return {**arguments, "width": round(arguments.get("width", defaults["width"]) * factor, 4)}


def _count(reference: Experiment, arguments: Mapping[str, Any]) -> int:
    build = NETWORKS[reference.config.network.name]
    return network_parameters(build(reference.task.input_shape, reference.task.n_outputs, **arguments))
