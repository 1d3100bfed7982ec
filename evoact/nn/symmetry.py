"""Whether the neurons of sites are exchangeable, shown by exchanging them.

Neurons of a site may change places if the weights that make them and those that take them in change places, too, and
the network computes the same: then only how many have which activation matters. Which weights these are `nn.ties` says.
The proof is a run: with random numbers for all weights, and a function of its own for each neuron, outputs are the
same when functions and weights are permuted, and others when functions alone are.
"""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from evoact.errors import UserError
from evoact.nn.sites import Site
from evoact.nn.ties import Following, Ties

EXACT = 2**23  # numbers in a network that is examined in a copy in double precision; larger ones as they are
BLOCK = 2**20  # numbers that are reordered at once
CLOSE = {torch.float64: 1e-7, torch.float32: 1e-2}  # of what permuting functions alone changes


@dataclass(frozen=True)
class Exchangeable:
    """Sites whose neurons may change places, neuron i of all of them together, and what changes places with them: by
    the name of a parameter or buffer and its dimension, from the last, the places there [neurons, places of each]."""

    sites: tuple[str, ...]
    places: Mapping[tuple[str, int], Tensor]

    @property
    def symmetry(self) -> str:
        """Return what `genomes.genome.Site` calls it."""
        return "free" if len(self.sites) == 1 else f"stream:{self.sites[0]}"


class Probe(nn.Module):
    """In the place of a site's mixture, a function of its own for each neuron."""

    def __init__(self, site: str, dim: int, width: int, ties: Ties):
        super().__init__()
        self.site, self.dim, self.ties = site, dim, ties
        self.numbers = torch.rand(3, width, dtype=torch.float64).add(0.3).view(3, -1, *[1] * (-dim - 1))

    def permute(self, order: Tensor) -> None:
        self.numbers = self.numbers.index_select(1, order)

    def forward(self, x: Tensor) -> Tensor:
        self.ties.pass_site(self.site, x, self.dim)
        slope, size, shift = self.numbers.to(x.device, x.dtype)
        return slope * x + size * torch.tanh(x + shift)


def exchangeable(
    made: nn.Module, model: nn.Module, run: Callable[[nn.Module, bool], Any]
) -> tuple[Exchangeable, ...]:
    """Return the sites whose neurons are exchangeable, those together that are tied, in the order of the run.

    Args:
        made: a network with sites, which is as before in the end
        model: the network that it was made of
        run: returns what a network gives for an example, the same for the same random numbers; its second argument says
            whether the example is wanted in double precision
    """
    if sum(p.numel() for p in made.parameters()) <= EXACT:
        try:
            exact = copy.deepcopy(made).double()
            return _examined(exact, exact, lambda: run(exact, True))
        except Exception:  # of a network that insists on its own precision
            pass
    return _examined(made, model, lambda: run(made, False))


def _examined(made: nn.Module, model: nn.Module, run: Callable[[], Any]) -> tuple[Exchangeable, ...]:
    own = floating(made)
    dtypes = {t.dtype for t in own.values()}
    if len(dtypes) != 1 or not dtypes <= CLOSE.keys():
        return ()
    ties = Ties(own)
    with _apart(made, model, ties) as probes:
        modes = [training for training in (False, True) if _followed(made, ties, run, training)]
        left = tuple(_groups(ties, own)) if modes else ()
        for training in modes:
            made.train(training)
            trial = Trial(made, own, probes, run)
            for order in ("cycle", "random"):
                left = trial.proven(left, order)
    return left


def floating(model: nn.Module) -> dict[str, Tensor]:
    """Return parameters and buffers of floating point by name."""
    return {n: t for n, t in [*model.named_parameters(), *model.named_buffers()] if t.is_floating_point()}


def _followed(made: nn.Module, ties: Ties, run: Callable[[], Any], training: bool) -> bool:
    """Follow labels through a run in one mode; return whether the network can be computed in it: in training a batch
    norm, for one, wants several examples."""
    made.train(training)
    try:
        with Following(ties):
            run()
    except UserError:
        return False
    return True


@contextmanager
def _apart(made: nn.Module, model: nn.Module, ties: Ties) -> Iterator[dict[str, Probe]]:
    """Give the network random weights, and probes for mixtures, in this block."""
    modes = {module: module.training for module in made.modules()}
    before = floating(model) if model is not made else {}
    sites = {name: m for name, m in made.named_modules() if isinstance(m, Site)}
    mixtures = {name: site.mixture for name, site in sites.items()}
    norms = [m for m in made.modules() if isinstance(m, nn.modules.batchnorm._NormBase)]
    drawn = dict(made.named_parameters()) | {
        str(id(b)): b for m in norms for b in m.buffers(False) if b.is_floating_point()
    }
    try:
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(0)
            probes = {name: Probe(name, site.dim, site.width, ties) for name, site in sites.items()}
            for name, site in sites.items():
                setattr(site, "mixture", probes[name])  # noqa: B010
            for name, t in drawn.items():
                if t.dim() > 1:
                    t.normal_(std=(t.numel() / len(t)) ** -0.5)
                elif "bias" in name:
                    t.normal_(std=0.3)
                else:  # scales and variances
                    t.uniform_(0.5, 1.5)
            yield probes
    finally:
        with torch.no_grad():
            for name, t in floating(made).items():
                if name in before:
                    t.copy_(before[name])
        for name, site in sites.items():
            site.mixture = mixtures[name]
        for module, training in modes.items():
            module.training = training


def _groups(ties: Ties, own: Mapping[str, Tensor]) -> Iterator[Exchangeable]:
    """Yield the sites that may be exchangeable, those together whose neurons are of the same classes."""
    classes = ties.classes()
    by_neurons: dict[tuple[int, ...], list[str]] = {}
    for site, labels in ties.sites.items():
        by_neurons.setdefault(tuple(classes[labels].tolist()), []).append(site)
    users = torch.zeros(len(classes), dtype=torch.int64)
    for neurons in by_neurons:
        users[list(set(neurons))] += 1
    for neurons, sites in by_neurons.items():
        width = len(neurons)
        if len(set(neurons)) < width or width < 2 or users[list(neurons)].max() > 1:
            continue
        of_class = torch.full((len(classes),), -1)
        of_class[list(neurons)] = torch.arange(width)
        places = {}
        for name in own:
            for dim, labels in ties.own[name].items():
                neuron = of_class[classes[labels]]
                here = (neuron >= 0).nonzero().flatten()
                if len(here):
                    places[name, dim] = (
                        here[neuron[here].argsort(stable=True)],
                        neuron[here].bincount(minlength=width),
                    )
        if all(int(often.min()) == int(often.max()) for _, often in places.values()):
            yield Exchangeable(
                tuple(sites), {key: where.view(width, -1) for key, (where, _) in places.items()}
            )


class Trial:
    """Outputs of a network in one mode, before and after neurons change places."""

    def __init__(
        self,
        made: nn.Module,
        own: Mapping[str, Tensor],
        probes: Mapping[str, Probe],
        run: Callable[[], Any],
    ):
        self.own, self.probes, self.run = own, probes, run
        self.buffers = dict(made.named_buffers())
        self.at_first = {name: b.clone() for name, b in self.buffers.items()}
        self.before = self.outputs()
        self.changes: dict[tuple[str, ...], float] = {}

    def outputs(self) -> list[Tensor]:
        for name, b in self.buffers.items():
            b.copy_(self.at_first[name])
        with Following():
            return [t for t in tree_leaves(self.run()) if isinstance(t, Tensor) and t.is_floating_point()]

    def proven(self, groups: tuple[Exchangeable, ...], order: str) -> tuple[Exchangeable, ...]:
        """Return the groups whose neurons may change places, all of which do at once; if outputs are others then, those
        of each half.

        A cycle of all neurons and an order by chance give nearly always all permutations (Dixon 1969).
        """
        if not groups:
            return ()
        close = CLOSE[self.before[0].dtype] * min(map(self.change, groups)) if self.before else 0.0
        for group in groups:
            self.permute_functions(group, order)
            self.permute_weights(group, order)
        after = self.outputs()
        same = close > 0 and _difference(self.before, after) <= close  # not a number is neither
        self.before = after
        if same or len(groups) == 1:
            return groups if same else ()
        half = len(groups) // 2
        return (*self.proven(groups[:half], order), *self.proven(groups[half:], order))

    def change(self, group: Exchangeable) -> float:
        """Return by how much outputs change if the functions alone change places."""
        if group.sites not in self.changes:
            self.permute_functions(group, "cycle")
            self.changes[group.sites] = _difference(self.before, self.outputs())
            self.permute_functions(group, "back")
        return self.changes[group.sites]

    def permute_functions(self, group: Exchangeable, order: str) -> None:
        for site in group.sites:
            self.probes[site].permute(self.order(group, order))

    def permute_weights(self, group: Exchangeable, order: str) -> None:
        for (name, dim), places in group.places.items():
            reorder(self.own[name], dim, places.flatten(), places[self.order(group, order)].flatten())
            if name in self.buffers:
                self.at_first[name] = self.own[name].clone()

    def order(self, group: Exchangeable, order: str) -> Tensor:
        width = self.probes[group.sites[0]].numbers.shape[1]
        if order == "random":
            return torch.randperm(width, generator=torch.Generator().manual_seed(width))
        return torch.arange(width).roll(-1 if order == "back" else 1)


def reorder(t: Tensor, dim: int, to: Tensor, of: Tensor) -> None:
    """Move what lies at the places `of` of a dimension to the places `to`, block by block: the weights of a large model
    are not there twice.

    >>> t = torch.arange(6.0).view(2, 3)
    >>> reorder(t, -1, torch.tensor([0, 1, 2]), torch.tensor([1, 2, 0]))
    >>> t.tolist()
    [[1.0, 2.0, 0.0], [4.0, 5.0, 3.0]]
    """
    blocks: Sequence[Tensor] = (t,)
    if t.dim() > 1:
        other = -1 if dim % t.dim() == 0 else 0
        blocks = t.split(max(1, BLOCK * t.shape[other] // t.numel()), other)
    for block in blocks:
        block.index_copy_(dim, to, block.index_select(dim, of))


def _difference(first: Sequence[Tensor], second: Sequence[Tensor]) -> float:
    if [t.shape for t in first] != [t.shape for t in second]:
        return math.nan
    return max(float((a - b).abs().max()) for a, b in zip(first, second, strict=True))
