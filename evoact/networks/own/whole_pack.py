"""From one member's forward to the whole pack's: operations that all members do at once.

A member's forward runs under `torch.vmap`, where each tensor looks like one member's. An operation that needs all of
them (the activations of a site, whose functions differ from member to member; dropout, with a random stream for each; a
convolution, faster member by member) steps out of it: its work gets the stacked tensors [K, ...].
"""

import threading
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch._functorch.pyfunctorch import retrieve_current_functorch_interpreter
from torch._functorch.vmap import vmap_increment_nesting

from evoact.networks.network import ForwardPass

functorch: Any = torch._C._functorch


class Now(threading.local):
    """What is being computed in this thread.

    `layers` is the forward pass; `member` a number that differs between members, None for one alone; `into_sites` the
    weights whose products go straight to sites, by identity; `seen` is where sites leave such weights, None if nobody
    asks.
    """

    def __init__(self) -> None:
        self.layers: ForwardPass | None = None
        self.member: Tensor | None = None
        self.into_sites: Set[int] = frozenset()
        self.seen: list[Tensor] | None = None


now = Now()


@contextmanager
def computing(
    layers: ForwardPass,
    member: Tensor | None,
    into_sites: Set[int] = frozenset(),
    seen: list[Tensor] | None = None,
) -> Iterator[None]:
    """Set what the operations in this block ask."""
    before = now.layers, now.member, now.into_sites, now.seen
    now.layers, now.member, now.into_sites, now.seen = layers, member, into_sites, seen
    try:
        yield
    finally:
        now.layers, now.member, now.into_sites, now.seen = before


@contextmanager
def members_in_one(members: int) -> Iterator[tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]]:
    """Give two functions: from tensors [K, ...] to what a member sees of them in this block, and back, as `torch.vmap`
    does; random numbers are refused.
    """
    with vmap_increment_nesting(members, "error") as level:

        def enter(stacked: Tensor) -> Tensor:
            return functorch._add_batch_dim(stacked, 0, level)

        def leave(one: Tensor) -> Tensor:
            return functorch._remove_batch_dim(one, level, members, 0)

        yield enter, leave


def of_whole_pack(work: Callable[..., Tensor], *tensors: Tensor) -> Tensor:
    """Return what `work` makes of the stacked tensors, [K, ...] each, as the one member sees it."""
    if now.member is None:
        return work(*(t[None] for t in tensors))[0]
    level = functorch.maybe_get_level(now.member)
    members = len(functorch.get_unwrapped(now.member))
    # The public way, a `torch.autograd.Function` with a rule for vmap, costs half a millisecond each time.
    with torch._C.DisableTorchFunction(), retrieve_current_functorch_interpreter().lower():
        stacked = [
            t.expand(members, *t.shape) if dim is None else t.movedim(dim, 0)
            for t, dim in (functorch._unwrap_batched(t, level) for t in tensors)
        ]
        result = work(*stacked)
    batched: Tensor = functorch._add_batch_dim(result, 0, level)
    return batched
