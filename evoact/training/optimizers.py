"""Gradient optimizers for packs: every member has its own learning rate.

`torch.optim` takes one learning rate for a tensor, so the updates are written out. They are element by
element, so a member's trajectory is the same in any pack. Parameters are [K, ...], learning rates [K].

Weight decay is added to gradients, as in PyTorch. Parameters of activations, those at the indices `activations`,
are exempt unless `decay_activations`: decay would drive the slopes of PReLU to 0, which is ReLU (He et al. 2015,
section 2.1).
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from evoact.native import optimizers as native
from evoact.native.tensors import accepts


class Optimizer(Protocol):
    """Updates the parameters it was made for, in place."""

    def coefficients(self, update: int, factor: float) -> tuple[float, ...]:
        """Return what of an update depends on its number, from 1, and on the factor of the learning rates."""
        ...

    def update(self, gradients: Sequence[Tensor], coefficients: Sequence[Any]) -> None:
        """Take a step with these coefficients: floats, or a GPU's tensors of dimension 0, so that a captured step
        can be repeated as any other. Gradients are in the order and shapes of the parameters."""
        ...

    def keep(self, members: Tensor, parameters: Sequence[Tensor]) -> None:
        """Go on with these members (indices) only; `parameters` are their tensors."""
        ...

    def moments(self) -> Mapping[str, Sequence[Tensor]]:
        """Return what it remembers of earlier gradients, by name, in the order and shapes of the parameters."""
        ...


def _per_member(values: Tensor, parameters: Sequence[Tensor]) -> list[Tensor]:
    """`values` [K] shaped to broadcast against each parameter."""
    return [values.to(p.dtype).view(-1, *([1] * (p.dim() - 1))) for p in parameters]


def _add_product(p: Tensor, a: Tensor, rates: Tensor, factor: Any) -> None:
    """p <- p + factor * a * rates."""
    if isinstance(factor, Tensor):
        p.addcmul_(a, rates * factor)
    else:
        p.addcmul_(a, rates, value=factor)


def _decays(n: int, weight_decay: float, exempt: Collection[int]) -> list[float]:
    """The weight decay of each of n parameters."""
    return [0.0 if i in exempt else weight_decay for i in range(n)]


class SGD:
    """Stochastic gradient descent with momentum (Sutskever et al. 2013, as PyTorch writes it):
    u <- mu u + g, p <- p - lr u."""

    def __init__(
        self,
        parameters: Sequence[Tensor],
        learning_rates: Tensor,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        decay_activations: bool = False,
        activations: Collection[int] = (),
    ):
        self.momentum = momentum
        self.decays = _decays(len(parameters), weight_decay, () if decay_activations else activations)
        self.parameters = list(parameters)
        self.learning_rates = learning_rates
        self.rates = _per_member(-learning_rates, parameters)
        self.velocity = [torch.zeros_like(p) for p in parameters] if momentum else []

    def coefficients(self, update: int, factor: float) -> tuple[float, ...]:
        return (factor,)

    def update(self, gradients: Sequence[Tensor], coefficients: Sequence[Any]) -> None:
        (factor,) = coefficients
        for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            if self.decays[i]:
                g = g.add(p, alpha=self.decays[i])
            if self.momentum:
                g = self.velocity[i].mul_(self.momentum).add_(g)
            _add_product(p, g, self.rates[i], factor)

    def keep(self, members: Tensor, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.learning_rates = self.learning_rates[members]
        self.rates = _per_member(-self.learning_rates, parameters)
        self.velocity = [v[members] for v in self.velocity]

    def moments(self) -> Mapping[str, Sequence[Tensor]]:
        return {"velocity": self.velocity} if self.momentum else {}


class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1)."""

    def __init__(
        self,
        parameters: Sequence[Tensor],
        learning_rates: Tensor,
        beta1: float = 0.9,
        beta2: float = 0.999,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        decay_activations: bool = False,
        activations: Collection[int] = (),
    ):
        self.beta1, self.beta2, self.eps = beta1, beta2, eps
        self.decays = _decays(len(parameters), weight_decay, () if decay_activations else activations)
        self.parameters = list(parameters)
        self.learning_rates = learning_rates
        self.rates = _per_member(learning_rates, parameters)
        self.m = [torch.zeros_like(p) for p in parameters]
        self.v = [torch.zeros_like(p) for p in parameters]

    def coefficients(self, update: int, factor: float) -> tuple[float, ...]:
        # The bias corrections folded into the step size and eps, which saves two passes over memory.
        correction = math.sqrt(1 - self.beta2**update)
        return factor * correction / (1 - self.beta1**update), self.eps * correction

    def update(self, gradients: Sequence[Tensor], coefficients: Sequence[Any]) -> None:
        size, eps = coefficients
        for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            m, v = self.m[i], self.v[i]
            if accepts(p) and p.is_contiguous():
                rates = self.learning_rates * size
                native.adam(p, g, m, v, rates, self.beta1, self.beta2, eps, self.decays[i])
                continue
            if self.decays[i]:
                g = g.add(p, alpha=self.decays[i])
            m.lerp_(g, 1 - self.beta1)
            v.mul_(self.beta2).addcmul_(g, g, value=1 - self.beta2)
            p.addcmul_(m / v.sqrt().add_(eps), self.rates[i] * -size)

    def keep(self, members: Tensor, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.learning_rates = self.learning_rates[members]
        self.rates = _per_member(self.learning_rates, parameters)
        self.m = [m[members] for m in self.m]
        self.v = [v[members] for v in self.v]

    def moments(self) -> Mapping[str, Sequence[Tensor]]:
        return {"m": self.m, "v": self.v}


class RMSprop:
    """RMSprop (Tieleman & Hinton 2012) with optional momentum, as PyTorch writes it."""

    def __init__(
        self,
        parameters: Sequence[Tensor],
        learning_rates: Tensor,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        decay_activations: bool = False,
        activations: Collection[int] = (),
    ):
        self.alpha, self.eps, self.momentum = alpha, eps, momentum
        self.decays = _decays(len(parameters), weight_decay, () if decay_activations else activations)
        self.parameters = list(parameters)
        self.learning_rates = learning_rates
        self.rates = _per_member(-learning_rates, parameters)
        self.v = [torch.zeros_like(p) for p in parameters]
        self.velocity = [torch.zeros_like(p) for p in parameters] if momentum else []

    def coefficients(self, update: int, factor: float) -> tuple[float, ...]:
        return (factor,)

    def update(self, gradients: Sequence[Tensor], coefficients: Sequence[Any]) -> None:
        (factor,) = coefficients
        for i, (p, g) in enumerate(zip(self.parameters, gradients, strict=True)):
            if not self.momentum and accepts(p) and p.is_contiguous():
                rates = self.learning_rates * factor
                native.rmsprop(p, g, self.v[i], rates, self.alpha, self.eps, self.decays[i])
                continue
            if self.decays[i]:
                g = g.add(p, alpha=self.decays[i])
            self.v[i].mul_(self.alpha).addcmul_(g, g, value=1 - self.alpha)
            update = g / self.v[i].sqrt().add_(self.eps)
            if self.momentum:
                update = self.velocity[i].mul_(self.momentum).add_(update)
            _add_product(p, update, self.rates[i], factor)

    def keep(self, members: Tensor, parameters: Sequence[Tensor]) -> None:
        self.parameters = list(parameters)
        self.learning_rates = self.learning_rates[members]
        self.rates = _per_member(-self.learning_rates, parameters)
        self.v = [v[members] for v in self.v]
        self.velocity = [u[members] for u in self.velocity]

    def moments(self) -> Mapping[str, Sequence[Tensor]]:
        return {"v": self.v, "velocity": self.velocity} if self.momentum else {"v": self.v}


# What an optimizer is given by the pack that it trains; all other arguments are settings.
FROM_PACK = ("parameters", "learning_rates", "activations")

OPTIMIZERS: Mapping[str, Callable[..., Optimizer]] = {"adam": Adam, "rmsprop": RMSprop, "sgd": SGD}
