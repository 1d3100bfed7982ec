"""A network whose forward is anybody's module: all its activation calls are sites."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from evoact.errors import UserError
from evoact.genomes.genome import Site
from evoact.networks.network import BatchNorm, ForwardPass, Parameter, checked_pieces
from evoact.networks.own.computation import Converted, computed
from evoact.networks.own.conversion import Recipe, converted, drawn, symmetries
from evoact.nn.heterogeneous import Calls


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
        return drawn(self.recipe, seed, self.converted.shapes)

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
