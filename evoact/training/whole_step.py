"""Losses and gradients of a whole pack in one kernel, for packs that it can do: multi-layer perceptrons of base
functions, hulls and trained units with cross-entropy. Members are computed one after the other, so that their
layers stay in the cache.

It is made of the kernels of single layers, so a member's bits do not depend on which way its pack takes.
"""

from collections.abc import Mapping

import torch
from torch import Tensor

from evoact.native.convolution import has_bf16
from evoact.native.mlp import Layer, losses_and_gradients
from evoact.native.tensors import accepts
from evoact.networks.mlp import MLP
from evoact.networks.network import Network
from evoact.tasks.images import ImageTask
from evoact.tasks.task import ArrayTask, Task
from evoact.training.forward_pass import Plans


def can_step(
    network: Network, task: Task, plans: Plans, parameters: Mapping[str, Tensor], precision: str
) -> bool:
    """Return whether the kernel can do the training steps of a pack without dropout."""
    return (
        isinstance(network, MLP)
        and not network.norm
        and not network.dropout
        and isinstance(task, ArrayTask | ImageTask)
        and task.is_cross_entropy
        and all(plan.in_kernels for plan in plans.values())
        and all(accepts(p) and p.is_contiguous() for p in parameters.values())
        and all(p.requires_grad for p in parameters.values() if p.numel())
        and (precision == "float32" or (precision == "bf16" and has_bf16()))
    )


def whole_step(
    network: Network,
    plans: Plans,
    parameters: Mapping[str, Tensor],
    inputs: Tensor,
    targets: Tensor,
    bf16: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Return the losses [K] and the gradient for each parameter that holds any number, by its name.

    Args:
        inputs: [1 or K, B, ...]
        targets: classes [1 or K, B]
        bf16: whether factors of products are rounded
    """
    assert isinstance(network, MLP)  # as `can_step` found
    layers: list[Layer] = []
    coefficients: list[Tensor | None] = []
    for i, site in enumerate(network.layers):
        weights, biases = parameters[f"weight{i}"], parameters.get(f"bias{i}")
        if not site:
            coefficients.append(None)
            layers.append(Layer(weights, biases))
            continue
        plan = plans[site]
        own = plan.numbers_of(parameters[f"{site}.activation"].reshape(-1))
        coefficients.append(own)
        layers.append(Layer(weights, biases, plan.pieces, own.detach(), plan.mixture.program, plan.units))
    losses, found = losses_and_gradients(layers, inputs.flatten(2).contiguous(), targets.contiguous(), bf16)
    gradients: dict[str, Tensor] = {}
    for i, (site, (of_weights, of_biases, of_c)) in enumerate(zip(network.layers, found, strict=True)):
        gradients[f"weight{i}"] = of_weights
        if of_biases is not None:
            gradients[f"bias{i}"] = of_biases
        c, name = coefficients[i], f"{site}.activation"
        if c is not None and parameters[name].numel():
            (gradients[name],) = torch.autograd.grad(c, parameters[name], of_c)
    return losses, gradients
