"""Anybody's module made one with sites, tried out, and refused with the reason if it cannot be trained in packs."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from evoact.code_text import said
from evoact.errors import UserError
from evoact.networks.own.computation import Converted, computed
from evoact.networks.own.operations import PackNorm, PackSite
from evoact.networks.size import Counting
from evoact.nn.checks import check
from evoact.nn.heterogeneous import Call, activation_sites, heterogenize, with_symmetry
from evoact.nn.symmetry import floating

EXAMPLES = 4  # on which a module is tried
LIKELY = 5  # standard errors, up to which a correlation of two draws is taken for chance


class Recipe(Hashable, Protocol):
    """How a module is made; equal ones make equal modules."""

    @property
    def name(self) -> str:
        """What people call it."""
        ...

    def __call__(self, seed: int) -> nn.Module:
        """Make a new one, with weights drawn from the seed."""
        ...


@lru_cache(maxsize=16)
def converted(
    recipe: Recipe, input_shape: tuple[int, ...], n_outputs: int | None, also: tuple[str, ...]
) -> Converted:
    """Return the module that a recipe makes with its sites, tried out on zeros and ones, which may be pixels, features
    or tokens."""
    example = _example(input_shape)
    model = _checked_build(recipe, also)
    made, calls = heterogenize(model.train(), example, also, symmetry=False)
    for name, site in activation_sites(made).items():
        setattr(site, "mixture", PackSite(name, site.dim))  # noqa: B010
    for name, module in made.named_modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.__dict__["forward"] = PackNorm(module, name)
    result = Converted(made, calls)
    result = replace(result, into_sites=_try_alone(result, recipe, example, n_outputs))
    return replace(result, apart=_reason_to_part(result, recipe, example))


def _example(input_shape: tuple[int, ...]) -> Tensor:
    return torch.randint(0, 2, (EXAMPLES, *input_shape), generator=torch.Generator().manual_seed(0)).float()


@lru_cache(maxsize=16)
def symmetries(
    recipe: Recipe, input_shape: tuple[int, ...], n_outputs: int | None, also: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Return the symmetry of the sites whose neurons are exchangeable with their weights, which are as likely before as
    afterwards: weights that are the same in every network, such as trained ones, let no neurons change places.
    """
    made = converted(recipe, input_shape, n_outputs, also)
    first, second = recipe(0), recipe(1)
    calls = with_symmetry(made.calls, made.module, first, _example(input_shape))
    weights = floating(first), floating(second)
    return tuple(
        (site, group.symmetry)
        for group in calls.exchangeable
        if all(_alike(weights[0][n], weights[1][n], dim, places) for (n, dim), places in group.places.items())
        for site in group.sites
    )


def _alike(first: Tensor, second: Tensor, dim: int, places: Tensor) -> bool:
    """Return whether two draws of a tensor may have been drawn alike for all neurons: what differs between neurons is
    not the same in both, neither values nor their sizes.
    """
    for of in (torch.clone, torch.abs):
        a, b = (
            of(t.detach().double()).index_select(dim, places.flatten()).movedim(dim, 0)
            for t in (first, second)
        )
        a, b = (t.reshape(len(places), -1) - t.reshape(len(places), -1).mean(0) for t in (a, b))
        together = float((a * b).sum() / (a.norm() * b.norm()).clamp(min=1e-300))
        if together > min(1 - 1e-9, LIKELY * (a.numel() - a.shape[1]) ** -0.5):
            return False
    return True


def _checked_build(recipe: Recipe, also: tuple[str, ...]) -> nn.Module:
    first, again = recipe(0), recipe(0)
    check(first, None, also)
    if elsewhere := {p.device.type for p in first.parameters()} - {"cpu"}:
        raise UserError(
            f"expected {recipe.name} to make a module on the CPU, got one on {elsewhere.pop()}; packs are moved to "
            "where they are trained"
        )
    if others := {p.dtype for p in first.parameters() if p.is_floating_point()} - {torch.float32}:
        raise UserError(
            f"expected {recipe.name} to make a module in torch.float32, got {others.pop()}; call its .float()"
        )
    if first is again:
        raise UserError(
            f"expected {recipe.name} to make a new module each time, got the same one twice; make it in the function"
        )
    before, after = dict(first.named_parameters()), dict(again.named_parameters())
    if not before:
        raise UserError(f"expected {recipe.name} to make a module with parameters, got one without")
    if before.keys() != after.keys() or not all(torch.equal(p, after[name]) for name, p in before.items()):
        raise UserError(
            f"expected {recipe.name} to make the same module twice from the same seed of random, numpy and torch, got "
            "others; take all that is random from their global generators"
        )
    return first


def drawn(recipe: Recipe, seed: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Return the weights of a new module.

    Raises:
        UserError: if they are not those of these shapes.
    """
    weights = {name: p.detach() for name, p in recipe(seed).named_parameters()}
    if (got := {name: tuple(p.shape) for name, p in weights.items()}) != shapes:
        other = next(n for n in {**shapes, **got} if shapes.get(n) != got.get(n))
        raise UserError(
            f"expected {recipe.name} to make modules of the same layers, got {other} of shape {got.get(other)} from "
            f"seed {seed} and {shapes.get(other)} before; draw weights alone at random"
        )
    return weights


def _stacked_weights(recipe: Recipe) -> dict[str, Tensor]:
    first = {name: p.detach() for name, p in recipe(0).named_parameters()}
    again = drawn(recipe, 1, {name: tuple(p.shape) for name, p in first.items()})
    return {name: torch.stack([first[name], again[name]]) for name in first}


def _try_alone(made: Converted, recipe: Recipe, example: Tensor, n_outputs: int | None) -> frozenset[str]:
    """Check the outputs' shape, and that a training step changes nothing but parameters; return the weights whose
    products go straight to sites.
    """
    weights = {name: p.detach()[None] for name, p in made.module.named_parameters()}
    seen: list[Tensor] = []
    before = {name: b.clone() for name, b in made.module.named_buffers()}
    with torch.no_grad():
        layers = Counting(_widths(made.calls), training=True)
        outputs = computed(made, weights, layers, example[None], True, seen)
    changed = [n for n, b in made.module.named_buffers() if n not in before or not torch.equal(b, before[n])]
    if changed:
        raise UserError(
            f"expected {recipe.name} without a state beside parameters and batch norms, got the buffer "
            f"{changed[0]!r}, which its forward changes"
        )
    fits = isinstance(outputs, Tensor) and outputs.shape[1:] == (EXAMPLES, n_outputs)
    if n_outputs is not None and not fits:
        got = list(outputs.shape[1:]) if isinstance(outputs, Tensor) else f"a {type(outputs).__name__}"
        raise UserError(
            f"expected {recipe.name} to give outputs [{EXAMPLES}, {n_outputs}] for inputs {list(example.shape)} of "
            f"this task, got {got}"
        )
    places = {weight.data_ptr(): name for name, weight in weights.items()}
    return frozenset(places[weight.data_ptr()] for weight in seen if weight.data_ptr() in places)


def _widths(calls: Sequence[Call]) -> dict[str, int]:
    return {call.name: call.width for call in calls if not call.reason}


def _reason_to_part(made: Converted, recipe: Recipe, example: Tensor) -> str:
    """Return why two members cannot be computed together; empty if they can, with the same outputs and gradients."""
    weights = {name: p.requires_grad_() for name, p in _stacked_weights(recipe).items()}
    layers, found = Counting(_widths(made.calls), training=True), []
    for apart in (True, False):
        try:
            outputs = computed(made, weights, layers, example[None], apart)
            total = sum(t.square().sum() for t in tree_flatten(outputs)[0])
            gradients = torch.autograd.grad(total, list(weights.values()), materialize_grads=True)
        except Exception as error:  # whatever vmap says of anybody's code
            if apart:
                raise UserError(
                    f"expected {recipe.name} to compute a training step, got {said(error)}"
                ) from None
            return said(error)
        found.append([*tree_flatten(outputs)[0], *gradients])
    close = all(torch.allclose(a, b, 1e-3, 1e-4, True) for a, b in zip(*found, strict=True))
    return "" if close else "members give something else together than each alone"
