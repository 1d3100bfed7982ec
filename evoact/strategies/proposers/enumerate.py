"""Given genomes on given seeds: baselines, gradient-trained hulls, and confirmation."""

from dataclasses import dataclass
from functools import cached_property
from itertools import islice, product

from evoact.errors import UserError
from evoact.genomes.genome import Genome
from evoact.genomes.kinds import Base
from evoact.genomes.space import SearchSpace
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.strategy import WHOLE, Draft


def baselines(space: SearchSpace) -> tuple[Genome, ...]:
    """Return each base function of the space as an ordinary network, with all settings."""
    return tuple(space.homogeneous(Base(name), each) for name in space.functions for each in space.settings)


@dataclass(frozen=True)
class Enumerate:
    """Each of `genomes` (if none is given, each of the space's activations as an ordinary network, with
    all settings, or with `every` each network of the space) on each of `seeds`, seed by seed.

    The genomes need not be in the space: an ordinary network is not, if layers must mix.

    >>> from evoact.genomes.choices import choices
    >>> from evoact.genomes.space import Site
    >>> units = (choices("base", name=("relu", "sin")), choices("prelu"))
    >>> space = SearchSpace("s", (Site("h", 5),), units, (1, 1), (0.01, 0.1))
    >>> len(baselines(space)), len(Enumerate(space)), len(Enumerate(space, seeds=(0, 1, 2)))
    (4, 6, 18)
    """

    space: SearchSpace
    seed: int = 0
    genomes: tuple[Genome, ...] = ()
    seeds: tuple[int, ...] = (0,)
    every: bool = False
    batch: int = 1024

    name = "enumerate"
    independent = True
    from_space = True
    meta_trainings = ()
    shares = WHOLE
    asynchronous = False
    remark = ""

    def __post_init__(self) -> None:
        if not self.seeds or min(self.seeds) < 0:
            raise UserError(f"expected at least one replicate, none below 0, got {list(self.seeds)}")

    def __len__(self) -> int:
        """How many networks that is, duplicates included."""
        return len(self._all) * len(self.seeds)

    @cached_property
    def _all(self) -> tuple[Genome, ...]:
        return self.genomes or tuple(self.space.every() if self.every else self.space.ordinary())

    def propose(self, generation: int, archive: Archive) -> list[Draft]:
        start = generation * self.batch
        pairs = islice(product(self.seeds, self._all), start, start + self.batch)
        return [Draft(genome, seed=seed) for seed, genome in pairs]

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return archive.best(k)
