"""A module with its sites, and its outputs for all members of a pack: as one program, `torch.vmap` over their stacked
parameters, or, where a module does something that vmap cannot follow, member by member."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_map_only, tree_unflatten

from evoact.networks.network import BatchNorm, ForwardPass, Parameter
from evoact.networks.own.operations import OfWholePack
from evoact.networks.own.whole_pack import computing, members_in_one
from evoact.nn.heterogeneous import Calls


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
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        return {p.name: tuple(p.shape) for p in self.parameters}

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
