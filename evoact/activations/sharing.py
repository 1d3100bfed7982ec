"""Who shares a set of trained parameters: what the families have in common."""

from collections.abc import Callable
from typing import Protocol

from torch import Tensor

# Uniform numbers in (0, 1) of a template's shape, while training.
Noise = Callable[[Tensor], Tensor]


class Shared(Protocol):
    """An activation that says who shares its parameters."""

    @property
    def per(self) -> str: ...


def sets_of(activation: Shared, neurons: int) -> int:
    """How many parameter sets a type with that many neurons has.

    >>> from evoact.genomes.genome import PReLU
    >>> sets_of(PReLU("layer"), 60), sets_of(PReLU("neuron"), 60)
    (1, 60)
    """
    return neurons if activation.per == "neuron" else 1
