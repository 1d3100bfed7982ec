"""Activation sites in anybody's network: what they compute at first, and how they are given a mixture."""

from collections.abc import Callable, Sequence
from typing import Any, Self

from torch import Tensor, nn

from evoact.errors import UserError, counted
from evoact.genomes.genome import SiteGenome
from evoact.nn.calls import Where, passing, within
from evoact.nn.mixed import MixedActivation


class Site(nn.Module):
    """A place where a network applies an activation: the call that was found, until `mix` gives it a mixture.

    Args:
        found: what was found, for people
        dim: the dimension of the neurons, counted from the last
        width: how many they are
        in_place: whether the call writes its result into its input, and this is seen elsewhere
        original: the module that was called, if one was
    """

    def __init__(
        self, found: str, dim: int, width: int, in_place: bool = False, original: nn.Module | None = None
    ):
        super().__init__()
        self.found, self.dim, self.width, self.in_place = found, dim, width, in_place
        self.original = original
        self.mixture: MixedActivation | None = None

    def mix(self, mixture: str | SiteGenome, assignment: Sequence[int] | None = None) -> Self:
        """Give each neuron the activation of its type, as `MixedActivation` has them.

        Raises:
            UserError: if the counts do not add up to the width, or a type takes several pre-activations.
        """
        mixed = MixedActivation(mixture, self.dim, assignment)
        if mixed.width != self.width or mixed.pieces > 1:
            raise UserError(
                f"expected {counted(self.width, 'neuron')} of one pre-activation each, got {mixed.width} with "
                f"{mixed.pieces} in {mixed.text!r}"
            )
        self.mixture = mixed.train(self.training)
        return self

    def extra_repr(self) -> str:
        return f"{self.width} x {self.found}" if self.mixture is None else ""

    def forward(self, x: Tensor, call: Callable[[Tensor], Any] | None = None) -> Any:
        """Return the activations of x; `call` is what was called if no module was."""
        if self.mixture is None:
            chosen = self.original if call is None else call
            assert chosen is not None
            with within(None):
                return chosen(x)
        if self.in_place:
            return x.copy_(self.mixture(x.clone()))
        return self.mixture(x)


class Shared(nn.Module):
    """One activation module that is called at several places, each a site."""

    def __init__(self, original: nn.Module):
        super().__init__()
        self.original = original
        self.sites = nn.ModuleList()
        self.places: dict[tuple[str, Where, int], int] = {}

    def forward(self, x: Tensor) -> Any:
        now = passing()
        if now is not None and (found := self.places.get((now.wrapped.name, *now.here()))) is not None:
            return self.sites[found](x, self.original)
        return self.original(x)
