"""Derivatives of an MLP whose activations are splines, written out: backpropagation, and its derivative along
a direction (the R-operator, Pearlmutter 1994), a second pair of passes of the same shape.

With so small a network autograd's own work costs more than the arithmetic; by hand a step takes a fraction.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from evoact.activations.spline import Grid, tangent_gradient, value_and_slope
from evoact.networks.mlp import MLP
from evoact.tasks.task import ArrayTask
from evoact.training.meta.derivatives import KEPT_BYTES, TrainingLoss

# Weight [K, rows, inputs], bias [K, rows, 1] or None, and the name of the site or None.
Layer = tuple[Tensor, Tensor | None, str | None]
# A layer's inputs and pre-activations, and the slopes of its activations or None.
Passed = tuple[Tensor, Tensor, Tensor | None]


@dataclass(frozen=True)
class MLPDerivatives:
    """`derivatives.Derivatives` if every site is one spline for each type and nothing else.

    What layers passed in `gradient` is kept for the `product` of the same weights, while it takes little memory.
    """

    loss: TrainingLoss
    network: MLP
    grid: Grid
    kept: dict[int, tuple[Tensor, list[Passed], Tensor]] = field(default_factory=dict)

    def gradient(
        self, weights: Tensor, prepared: Mapping[str, Tensor], step: int, beyond: list[Tensor]
    ) -> tuple[Tensor, Tensor]:
        layers = self._layers(weights)
        passed, h = self._forward(layers, prepared, step, beyond)
        size = sum(t.numel() * t.element_size() for _, z, s in passed for t in (z, s) if t is not None)
        if (len(self.kept) + 1) * size <= KEPT_BYTES:
            self.kept[step] = weights, passed, h
        _, targets = self.loss.batch(step)
        losses, g, _ = self._output(h, targets, None)
        parts: list[Tensor] = []
        for i in reversed(range(len(layers))):
            (weight, bias, _), (h, _, slope) = layers[i], passed[i]
            g = g if slope is None else g * slope
            parts[:0] = _flat(torch.bmm(g, h.mT), g, bias)
            if i:
                g = torch.bmm(weight.mT, g)
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
        _, targets = self.loss.batch(step)
        of, forward, h = self.kept.pop(step, (None, [], weights))
        if of is not weights:
            forward, h = self._forward(layers, prepared, step, [])
        th: Tensor | None = None  # t...: derivatives along the direction; inputs have none
        passed: list[tuple[Tensor | None, Tensor]] = []
        for (weight, _, _), (t_weight, t_bias, _), (source, _, slope) in zip(
            layers, along, forward, strict=True
        ):
            tz = _affine(t_weight, t_bias, source)
            tz = tz if th is None else tz.baddbmm_(weight, th)
            passed.append((th, tz))
            th = tz if slope is None else slope * tz
        assert th is not None
        _, g, tg = self._output(h, targets, th)
        assert tg is not None
        tg = torch.add(tg, g, alpha=share)  # from here on: along the direction, plus share of the gradient
        parts: list[Tensor] = []
        by_name: dict[str, Tensor] = {}
        for i in reversed(range(len(layers))):
            (weight, bias, name), (t_weight, _, _) = layers[i], along[i]
            (h, z, slope), (th, tz) = forward[i], passed[i]
            if name is not None and slope is not None:
                c = prepared[f"{name}.splines"]
                if name in self.loss.noise:
                    moved = torch.zeros_like(prepared[f"{name}.shifts"])
                    moved[:, :, step] = tg.reshape(*moved.shape[:2], -1).sum(dim=2)
                    by_name[f"{name}.shifts"] = moved
                rows = [t.reshape(len(c), -1) for t in (g, tg, z, tz)]
                back, by_name[f"{name}.splines"] = tangent_gradient(
                    rows[0], rows[1], rows[2], rows[3], c, self.grid
                )
                tg = back.view(z.shape)
                g = g * slope if i else g  # below the first layer nothing reads it
            t_own = torch.bmm(tg, h.mT)
            parts[:0] = _flat(t_own if th is None else t_own.baddbmm_(g, th.mT), tg, bias)
            if i:
                tg = torch.bmm(weight.mT, tg).baddbmm_(t_weight.mT, g)
                g = torch.bmm(weight.mT, g)
        return torch.cat(parts, dim=1), tuple(by_name[name] for name in prepared)

    def _forward(
        self, layers: list[Layer], prepared: Mapping[str, Tensor], step: int, beyond: list[Tensor]
    ) -> tuple[list[Passed], Tensor]:
        """Return the values that each layer passed, and the outputs [K, D, B]."""
        inputs, _ = self.loss.batch(step)
        h = inputs.flatten(start_dim=2).transpose(1, 2).expand(len(layers[0][0]), -1, -1)  # [K, features, B]
        passed: list[Passed] = []
        for weight, bias, name in layers:
            z = _affine(weight, bias, h)
            if name is None:
                passed.append((h, z, None))
                h = z
                continue
            c = prepared[f"{name}.splines"]
            y, slope, counts = value_and_slope(z.view(len(c), -1), c, self.grid)
            beyond.append(counts)
            passed.append((h, z, slope.view(z.shape)))
            h = y.view(z.shape)
            shift = self.loss.shift(name, prepared, step)
            h = h if shift is None else h + shift
        return passed, h

    def _layers(self, weights: Tensor) -> list[Layer]:
        named = self.loss.named(weights)
        return [
            (named[f"weight{i}"], named.get(f"bias{i}"), site or None)
            for i, site in enumerate(self.network.layers)
        ]

    def _output(self, h: Tensor, targets: Tensor, th: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
        """The losses of outputs h [K, D, B], their gradients, and the derivative of these along th."""
        task = self.loss.task
        if isinstance(task, ArrayTask) and task.is_cross_entropy:
            return _cross_entropy(h, targets, th)
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


def _cross_entropy(h: Tensor, targets: Tensor, th: Tensor | None) -> tuple[Tensor, Tensor, Tensor | None]:
    """`tasks.task.cross_entropy` in the same way: with p the softmax, its gradient is (p - one-hot) / B, and
    that changes by p (th - <p, th>) / B."""
    examples = h.shape[2]
    log_p = F.log_softmax(h, dim=1)
    chosen = targets.expand(len(h), -1).unsqueeze(1)
    losses = -log_p.gather(1, chosen).squeeze(1).mean(dim=1)
    p = log_p.exp().div_(examples)
    g = p.scatter_add(1, chosen, p.new_full((1, 1, 1), -1 / examples).expand(chosen.shape))
    if th is None:
        return losses, g, None
    mean = (p * th).sum(dim=1, keepdim=True).mul_(examples)
    return losses, g, p * (th - mean)


def _affine(weight: Tensor, bias: Tensor | None, h: Tensor) -> Tensor:
    return torch.bmm(weight, h) if bias is None else torch.baddbmm(bias, weight, h)


def _flat(by_weight: Tensor, g: Tensor, bias: Tensor | None) -> list[Tensor]:
    """A layer's gradients as parts of the flat ones, in the order of its parameters."""
    own = by_weight.flatten(1)
    return [own] if bias is None else [own, g.sum(dim=2)]
