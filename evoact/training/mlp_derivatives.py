"""Derivatives of an MLP whose activations are splines, written out: backpropagation, and its derivative along
a direction (the R-operator, Pearlmutter 1994), a second pair of passes of the same shape.

With so small a network autograd's own work costs more than the arithmetic; by hand a step takes a fraction.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from evoact.activations.spline import Grid, tangent_gradient, value_and_slope
from evoact.networks.mlp import MLP
from evoact.training.derivatives import TrainingLoss, unflatten

# Weight [K, rows, inputs], bias [K, rows, 1] or None, and the name of the coefficients or None.
Layer = tuple[Tensor, Tensor | None, str | None]


@dataclass(frozen=True)
class MLPDerivatives:
    """`derivatives.Derivatives` where every site is one spline for each type and nothing else."""

    loss: TrainingLoss
    network: MLP
    grid: Grid

    def gradient(
        self, weights: Tensor, prepared: Mapping[str, Tensor], step: int, beyond: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        layers = self._layers(weights)
        inputs, targets = self.loss.batch(step)
        h = _rows(inputs, len(weights))
        passed: list[tuple[Tensor, Tensor | None]] = []  # each layer's input and its outputs' slopes
        for weight, bias, name in layers:
            z, slope = _affine(weight, bias, h), None
            if name is None:
                passed.append((h, None))
                h = z
                continue
            c = prepared[name]
            y, slope, counts = value_and_slope(z.view(len(c), -1), c, self.grid)
            beyond.append(counts)
            passed.append((h, slope.view(z.shape)))
            h = y.view(z.shape)
        losses, g, _ = self._output(h, targets, None)
        parts: list[Tensor] = []
        for i in reversed(range(len(layers))):
            (weight, bias, _), (h, slope) = layers[i], passed[i]
            g = g if slope is None else g * slope
            parts[:0] = _flat(g @ h.mT, g, bias)
            if i:
                g = weight.mT @ g
        return losses, torch.cat(parts, dim=1)

    def product(
        self,
        weights: Tensor,
        prepared: Mapping[str, Tensor],
        step: int,
        direction: Tensor | None,
        share: float,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        layers = self._layers(weights)
        along = self._layers(torch.zeros_like(weights) if direction is None else direction)
        inputs, targets = self.loss.batch(step)
        h = _rows(inputs, len(weights))
        th: Tensor | None = None  # t...: derivatives along the direction; inputs have none
        passed: list[tuple[Tensor, Tensor | None, Tensor, Tensor, Tensor | None]] = []
        for (weight, bias, name), (t_weight, t_bias, _) in zip(layers, along, strict=True):
            z, tz = _affine(weight, bias, h), _affine(t_weight, t_bias, h)
            tz = tz if th is None else tz.baddbmm_(weight, th)
            y, ty, slope = z, tz, None
            if name is not None:
                c = prepared[name]
                flat, slope, _ = value_and_slope(z.view(len(c), -1), c, self.grid)
                y, slope = flat.view(z.shape), slope.view(z.shape)
                ty = slope * tz
            passed.append((h, th, z, tz, slope))
            h, th = y, ty
        assert th is not None
        _, g, tg = self._output(h, targets, th)
        assert tg is not None
        tg = torch.add(tg, g, alpha=share)  # from here on: along the direction, plus share of the gradient
        parts: list[Tensor] = []
        by_name: dict[str, Tensor] = {}
        for i in reversed(range(len(layers))):
            (weight, bias, name), (t_weight, _, _), (h, th, z, tz, slope) = layers[i], along[i], passed[i]
            if name is not None and slope is not None:
                c = prepared[name]
                flat = (t.reshape(len(c), -1) for t in (g, tg, z, tz))
                back, by_name[name] = tangent_gradient(*flat, c, self.grid)
                tg = back.view(z.shape)
                g = g * slope if i else g  # below the first layer nothing reads it
            t_own = tg @ h.mT
            parts[:0] = _flat(t_own if th is None else t_own.baddbmm_(g, th.mT), tg, bias)
            if i:
                tg = torch.bmm(weight.mT, tg).baddbmm_(t_weight.mT, g)
                g = weight.mT @ g
        return torch.cat(parts, dim=1), tuple(by_name[name] for name in prepared)

    def _layers(self, weights: Tensor) -> list[Layer]:
        named = unflatten(weights, self.network)
        return [
            (named[f"weight{i}"], named.get(f"bias{i}"), f"{site}.splines" if site else None)
            for i, site in enumerate(self.network.layers)
        ]

    def _output(self, h: Tensor, targets: Tensor, th: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """The losses of outputs h [K, D, B], their gradients, and the derivative of these along th."""
        leaf = h.detach().requires_grad_()
        with torch.enable_grad():
            losses = self.loss.task.losses(leaf.transpose(1, 2), targets, self.loss.names(len(h)))
            (g,) = torch.autograd.grad(losses.sum(), leaf, create_graph=th is not None)
        if th is None:
            return losses.detach(), g, None
        if not g.requires_grad:  # a loss that is linear in the outputs
            return losses.detach(), g, torch.zeros_like(g)
        (tg,) = torch.autograd.grad(g, leaf, th)
        return losses.detach(), g.detach(), tg


def _rows(inputs: Tensor, members: int) -> Tensor:
    """Inputs [1 or K, B, ...] feature-major, as the network has them: [K, features, B]."""
    return inputs.flatten(start_dim=2).transpose(1, 2).expand(members, -1, -1)


def _affine(weight: Tensor, bias: Tensor | None, h: Tensor) -> Tensor:
    return torch.bmm(weight, h) if bias is None else torch.baddbmm(bias, weight, h)


def _flat(by_weight: Tensor, g: Tensor, bias: Tensor | None) -> list[Tensor]:
    """A layer's gradients as parts of the flat ones, in the order of its parameters."""
    own = by_weight.flatten(1)
    return [own] if bias is None else [own, g.sum(dim=2)]
