"""Given genomes on given seeds: baselines, gradient-trained hulls, and confirmation."""

from dataclasses import dataclass
from itertools import islice, product

from evoact.errors import UserError
from evoact.genomes.genome import Base, Genome
from evoact.genomes.space import SearchSpace
from evoact.strategies.archive import Archive
from evoact.strategies.strategy import Draft


def baselines(space: SearchSpace) -> tuple[Genome, ...]:
    """Each base function of the space as an ordinary network, at each learning rate."""
    return tuple(
        space.homogeneous(Base(name), rate) for name in space.functions for rate in space.learning_rates
    )


@dataclass(frozen=True)
class Enumerate:
    """Each of `genomes` (the space's baselines where none is given) on each of `seeds`, seed by seed.

    The genomes need not be in the space: a baseline is not, where layers must mix.
    """

    space: SearchSpace
    seed: int = 0
    genomes: tuple[Genome, ...] = ()
    seeds: tuple[int, ...] = (0,)
    batch: int = 1024

    name = "enumerate"
    independent = True

    def __post_init__(self) -> None:
        if not self.seeds or min(self.seeds) < 0:
            raise UserError(f"expected at least one replicate, none below 0, got {list(self.seeds)}")

    def __len__(self) -> int:
        """How many networks that is, duplicates included."""
        return len(self._genomes()) * len(self.seeds)

    def _genomes(self) -> tuple[Genome, ...]:
        return self.genomes or baselines(self.space)

    def propose(self, generation: int, archive: Archive) -> list[Draft]:
        start = generation * self.batch
        pairs = islice(product(self.seeds, self._genomes()), start, start + self.batch)
        return [Draft(genome, seed=seed) for seed, genome in pairs]
