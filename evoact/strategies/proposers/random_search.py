"""Random search: every proposal an independent draw from the space."""

from dataclasses import dataclass

from evoact.errors import UserError
from evoact.genomes.space import SearchSpace
from evoact.seeding import python_random
from evoact.strategies.archive import Archive, Candidate
from evoact.strategies.strategy import WHOLE, Draft


@dataclass(frozen=True)
class RandomSearch:
    """Draws stratified over canonical counts (see `SearchSpace.sample`), `batch` to a generation."""

    space: SearchSpace
    seed: int = 0
    batch: int = 64

    name = "random"
    independent = True
    from_space = True
    meta_trainings = ()
    shares = WHOLE
    asynchronous = False
    remark = ""

    def __post_init__(self) -> None:
        if self.batch < 1:
            raise UserError(f"expected a batch of at least 1, got {self.batch}")

    def propose(self, generation: int, archive: Archive) -> list[Draft]:
        start = generation * self.batch
        return [
            Draft(self.space.sample(python_random(self.seed, "random", i)))
            for i in range(start, start + self.batch)
        ]

    def recommend(self, k: int, archive: Archive) -> list[Candidate]:
        return archive.best(k)
