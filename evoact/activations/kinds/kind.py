"""The questions that a kind of activation answers: one record, `Kind`, filled in by each module of this folder."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from evoact.activations.units import NativeUnit

# Uniform numbers in (0, 1) of a template's shape, while training.
Noise = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Mixture:
    """An activation as sum_i c_i f_i(b x), or as f(b x) plus a spline: what the kernels evaluate, row by row.

    Functions of parameters [sets, p] are functions of a module, so that all types with the same one call it once.

    Args:
        terms: the base functions f_i
        coefficients: c [sets, terms]; None if the only term has the coefficient 1
        input_scale: b [sets, 1]; None for 1
        spline: its coefficients on `activations.spline.GRID`, [sets, nodes + 2], instead of `coefficients`
        selectable: whether a neuron can do with one of the terms alone (`activations.strongest`)
    """

    terms: tuple[str, ...]
    coefficients: Callable[[Tensor], Tensor] | None = None
    input_scale: Callable[[Tensor], Tensor] | None = None
    spline: Callable[[Tensor], Tensor] | None = None
    selectable: bool = False


@dataclass(frozen=True)
class Learned:
    """An activation f(x) + s(x) whose s is a learned function of one number, costly at every neuron.

    Args:
        base: the base function f
        values: s [sets, n] at x [sets, n] for parameters [sets, p]
        splined: whether s is evaluated on a grid and interpolated
        units: the hidden units of s
        moved: by how much s moves, [sets, T], where these parameters' units are moved by noise [T, units]
    """

    base: str
    values: Callable[[Tensor, Tensor], Tensor]
    splined: bool
    units: int
    moved: Callable[[Tensor, Tensor], Tensor]


# The text of a base function's module in plain PyTorch, by its name.
Text = Callable[[str], str]


def module(name: str, *arguments: object, sets: int = 1) -> str:
    """Return the text that makes a module with numbers for one set, or for each of several neurons.

    >>> module("Scaled", "nn.Tanh()"), module("PReLU", sets=20)
    ('Scaled(nn.Tanh())', 'PReLU(neurons=20)')
    """
    own = (f"neurons={sets}",) if sets > 1 else ()
    return f"{name}({', '.join(map(str, (*arguments, *own)))})"


def no_numbers(activation: Any) -> int:
    return 0


def nothing_drawn(activation: Any, sets: int, generator: torch.Generator) -> Tensor:
    return torch.empty(sets, 0, dtype=torch.float64)


def as_it_is(activation: Any) -> Any:
    return activation


def no_constants(activation: Any) -> tuple[np.ndarray, ...]:
    return ()


def none(activation: Any) -> None:
    return None


@dataclass(frozen=True)
class Kind:
    """All that the rest of the package knows of a kind of activation; `Any` is the kind's dataclass.

    evaluate(activation, x, parameters, noise)
        y [sets, E] from x [sets, P, E], where P = `genomes.activation.pieces(activation)`, and parameters
        [sets, p]. A set is evaluated independently of the others, bit by bit, and may be a neuron, a type,
        or a type of another network. `noise` maps a template [sets, E] to uniform numbers in (0, 1) of its shape
        while training; it is None in evaluation.
    unit(activation)
        the same as a `units.NativeUnit`, for neurons as they lie in layers; None if it is none
    numbers(activation)
        p, how many numbers of a set are trained
    initial(activation, sets, generator)
        their start [sets, p] in float64
    mixture(activation)
        the same as a `Mixture`, which is much faster; None if it is none
    learned(activation)
        the same as a `Learned`, which meta-training can evaluate on a grid; None if it is none
    plain(activation, sets, text)
        the text of the module of `evoact.exports.plain.activations` that computes the same; its parameters are the
        trained numbers in their order, its buffers `constants`
    random
        whether `evaluate` asks `noise`
    pinned(activation)
        with whatever it names outside the genome named by its content, too; raises UserError if that is not there
    constants(activation)
        the fixed numbers that are too many for a text
    """

    evaluate: Callable[[Any, Tensor, Tensor, Noise | None], Tensor]
    plain: Callable[[Any, int, Text], str]
    numbers: Callable[[Any], int] = no_numbers
    initial: Callable[[Any, int, torch.Generator], Tensor] = nothing_drawn
    mixture: Callable[[Any], Mixture | None] = none
    learned: Callable[[Any], Learned | None] = none
    pinned: Callable[[Any], Any] = as_it_is
    unit: Callable[[Any], NativeUnit | None] = none
    constants: Callable[[Any], Sequence[np.ndarray]] = no_constants
    random: bool = False
