"""A network whose forward is anybody's module: all its activation calls are sites.

All members of a pack are computed as one program, `torch.vmap` over their stacked parameters; where a module does
something that vmap cannot follow, member by member.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

from evoact.code_text import said
from evoact.errors import UserError
from evoact.genomes.genome import Site
from evoact.networks.network import BatchNorm, ForwardPass, Parameter, checked_pieces
from evoact.networks.own.operations import OfWholePack, PackNorm, PackSite
from evoact.networks.own.whole_pack import computing, members_in_one
from evoact.networks.size import Counting
from evoact.nn.checks import check
from evoact.nn.heterogeneous import Call, Calls, activation_sites, heterogenize, with_symmetry
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


@dataclass(frozen=True)
class Converted:
    """A module whose sites ask the forward pass that is being computed; `apart` is why members cannot be computed
    together, empty if they can; `into_sites` are the weights whose products go straight to sites."""

    module: nn.Module
    calls: Calls
    into_sites: frozenset[str] = frozenset()
    apart: str = ""

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        return tuple(
            Parameter(
                name, tuple(p.shape), max(1, p[0].numel() if p.dim() > 1 else 1), frozen=not p.requires_grad
            )
            for name, p in self.module.named_parameters()
        )

    @cached_property
    def batch_norms(self) -> Mapping[str, BatchNorm]:
        return {
            name: BatchNorm(m.num_features, m.momentum or BatchNorm.momentum)
            for name, m in self.module.named_modules()
            if isinstance(m, nn.modules.batchnorm._BatchNorm)
        }

    @cached_property
    def places(self) -> tuple[tuple[dict[str, Any], str, str], ...]:
        """Where each tensor is held: a module's own table, the name in it, and the name of the tensor, which tied ones
        share."""
        first: dict[int, str] = {}
        found: list[tuple[dict[str, Any], str, str]] = []
        for prefix, module in self.module.named_modules():
            for table in (module._parameters, module._buffers):
                for attribute, tensor in table.items():
                    if tensor is not None:
                        name = f"{prefix}.{attribute}" if prefix else attribute
                        found.append((table, attribute, first.setdefault(id(tensor), name)))
        return tuple(found)

    def buffers(self, like: Tensor) -> dict[str, Tensor]:
        """Return the buffers where parameters are, those of floating point in their precision."""
        return {
            name: b.to(like.device, like.dtype if b.is_floating_point() else b.dtype) for name, b in self.kept
        }

    @cached_property
    def kept(self) -> tuple[tuple[str, Tensor], ...]:
        return tuple(self.module.named_buffers())

    @contextmanager
    def holding(self, tensors: Mapping[str, Tensor]) -> Iterator[nn.Module]:
        """Give the module with these tensors in it, by name, in this block; `torch.func.functional_call` does the same,
        but looks for their places each time.
        """
        before = [(table, attribute, table[attribute]) for table, attribute, _ in self.places]
        try:
            for table, attribute, name in self.places:
                table[attribute] = tensors[name]
            yield self.module
        finally:
            for table, attribute, tensor in before:
                table[attribute] = tensor


@dataclass(frozen=True, eq=False)
class ModuleNetwork:
    """A `networks.network.Network` of anybody's modules.

    Args:
        recipe: makes the modules
        input_shape: of one example
        n_outputs: per example; None where a loss takes whatever the module gives
        also: functions that are sites on request alone (`nn.heterogenize`)
        symmetries: of sites, by a pattern of their names, the first that fits, `none` where none does; by default they
            are found out
        known: the neurons of each site, if they were found before: nothing is made then until it is needed

    Raises:
        UserError: when it is made, or first needed: if the module is refused by `nn.heterogenize`, gives outputs of
            another shape, has no parameters or keeps a state of its own.
    """

    recipe: Recipe
    input_shape: tuple[int, ...]
    n_outputs: int | None
    also: tuple[str, ...] = ()
    known: Mapping[str, int] | None = None
    symmetries: tuple[tuple[str, str], ...] | None = None

    def __post_init__(self) -> None:
        if self.known is None:
            assert self.converted

    @property
    def converted(self) -> Converted:
        """The module with its sites; the same for equal recipes."""
        made = converted(self.recipe, self.input_shape, self.n_outputs, self.also)
        found = {call.name: call.width for call in made.calls.sites}
        if self.known is not None and found != dict(self.known):
            raise UserError(
                f"expected {self.recipe.name} to have the sites {_listed(self.known)}, as when this run began, got "
                f"{_listed(found)}; take the versions of packages that it began with"
            )
        return made

    @property
    def calls(self) -> Calls:
        """The activation calls that were found, with the reason where one is no site."""
        symmetry = {site.name: site.symmetry for site in self.sites}
        return Calls(replace(c, symmetry=symmetry.get(c.name, "none")) for c in self.converted.calls)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence if members of a pack are computed one after the other, which takes longer."""
        apart = self.converted.apart
        return (f"{self.recipe.name} is computed member by member in packs: {apart}",) if apart else ()

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        return self.converted.parameters

    @property
    def sites(self) -> tuple[Site, ...]:
        known = self.known or {call.name: call.width for call in self.converted.calls.sites}
        declared = self.symmetries
        if declared is None:
            declared = symmetries(self.recipe, self.input_shape, self.n_outputs, self.also)
        symmetry = {name: [s for pattern, s in declared if fnmatchcase(name, pattern)] for name in known}
        return tuple(
            Site(name, n, symmetry[name][0] if symmetry[name] else "none") for name, n in known.items()
        )

    @property
    def batch_norms(self) -> Mapping[str, BatchNorm]:
        return self.converted.batch_norms

    def built(self, seed: int) -> Mapping[str, Tensor]:
        own = {p.name: tuple(p.shape) for p in self.parameters}
        return _drawn(self.recipe, seed, own)

    def with_pieces(self, pieces: Mapping[str, int]) -> "ModuleNetwork":
        if more := checked_pieces(self.sites, pieces):
            raise UserError(
                f"expected types of one pre-activation per neuron in a network of modules, got {more[0][1]} at site "
                f"{more[0][0]!r}; leave out maxout and its like"
            )
        return self

    def forward(self, parameters: Mapping[str, Tensor], layers: ForwardPass, inputs: Tensor) -> Any:
        return computed(self.converted, parameters, layers, inputs)


def _listed(sites: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({neurons})" for name, neurons in sites.items())


# --- computation --------------------------------------------------------------------------------------


def computed(
    made: Converted,
    parameters: Mapping[str, Tensor],
    layers: ForwardPass,
    inputs: Tensor,
    apart: bool = False,
    seen: list[Tensor] | None = None,
) -> Any:
    """Return the members' outputs, [K, B, ...] each, as `Network.forward` does; `seen` gets the weights whose products
    go straight to sites.
    """
    own = {p.name: parameters[p.name] for p in made.parameters}
    first = next(iter(own.values()))
    buffers = made.buffers(first)
    x = inputs.expand(len(first), *inputs.shape[1:])
    if made.module.training != layers.training:
        made.module.train(layers.training)

    def one(own: Mapping[str, Tensor], x: Tensor, layers: ForwardPass, member: Tensor | None) -> Any:
        into_sites = frozenset(id(own[name]) for name in made.into_sites)
        with (
            computing(layers, member, into_sites, seen),
            OfWholePack(),
            made.holding({**own, **buffers}) as m,
        ):
            return m(x)

    if not (apart or made.apart):
        with members_in_one(len(first)) as (enter, leave):
            mine = {name: enter(p) for name, p in own.items()}
            return tree_map_only(
                Tensor, leave, one(mine, enter(x), layers, enter(first.new_zeros(len(first))))
            )
    each = []
    for k in range(len(first)):
        alone = layers.alone(k)
        with _seeded(alone.seeds[0], first.device):
            each.append(one({name: p[k] for name, p in own.items()}, x[k], alone, None))
    return _stacked(each)


def _stacked(each: Sequence[Any]) -> Any:
    """Return outputs of members one above the other, in whatever structure they have them."""
    leaves, structure = zip(*map(tree_flatten, each), strict=True)
    return tree_unflatten([torch.stack(same) for same in zip(*leaves, strict=True)], structure[0])


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Start the global generators from a seed in this block: members that are computed alone draw from them."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


# --- conversion ---------------------------------------------------------------------------------------


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
    drawn = floating(first), floating(second)
    return tuple(
        (site, group.symmetry)
        for group in calls.exchangeable
        if all(_alike(drawn[0][n], drawn[1][n], dim, places) for (n, dim), places in group.places.items())
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


def _drawn(recipe: Recipe, seed: int, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """The weights of a new module.

    Raises:
        UserError: if they are not those of these shapes.
    """
    drawn = {name: p.detach() for name, p in recipe(seed).named_parameters()}
    if (got := {name: tuple(p.shape) for name, p in drawn.items()}) != shapes:
        other = next(n for n in {**shapes, **got} if shapes.get(n) != got.get(n))
        raise UserError(
            f"expected {recipe.name} to make modules of the same layers, got {other} of shape {got.get(other)} from "
            f"seed {seed} and {shapes.get(other)} before; draw weights alone at random"
        )
    return drawn


def _stacked_weights(recipe: Recipe) -> dict[str, Tensor]:
    first = {name: p.detach() for name, p in recipe(0).named_parameters()}
    again = _drawn(recipe, 1, {name: tuple(p.shape) for name, p in first.items()})
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
