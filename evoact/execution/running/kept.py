"""All results of a search, in little memory: most of them packed, a hundred bytes each.

A run needs them again when a stage ends, one after the other.
"""

import pickle
import zlib
from collections.abc import Callable, Iterable, Iterator

from evoact.records import InOrder, Result

BLOCK = 1024  # indices that are packed together
LOOSE = 256  # results of a block that are not packed yet


class _Block:
    """The results with some consecutive indices; of two with one index the later counts."""

    def __init__(self) -> None:
        self.there = bytearray(BLOCK)
        self.loose: dict[int, Result] = {}
        self.packed: list[bytes] = []

    def add(self, result: Result) -> None:
        self.there[result.proposal.index % BLOCK] = 1
        self.loose[result.proposal.index] = result
        if len(self.loose) == LOOSE:
            self.packed.append(zlib.compress(pickle.dumps(list(self.loose.values())), 1))
            self.loose = {}

    def results(self) -> dict[int, Result]:
        found: dict[int, Result] = {}
        for packed in self.packed:
            found |= {result.proposal.index: result for result in pickle.loads(zlib.decompress(packed))}
        return found | self.loose


class Kept(InOrder):
    """Results by the index of their proposals."""

    def __init__(self, results: Iterable[Result] = ()):
        self._blocks: dict[int, _Block] = {}
        for result in results:
            self.add(result)

    def add(self, result: Result) -> None:
        """Keep a result, instead of the one with its index if there is one."""
        self._blocks.setdefault(result.proposal.index // BLOCK, _Block()).add(result)

    def __len__(self) -> int:
        return sum(sum(block.there) for block in self._blocks.values())

    def __iter__(self) -> Iterator[Result]:
        return self.between(0, (max(self._blocks, default=0) + 1) * BLOCK)

    def between(self, first: int, last: int) -> Iterator[Result]:
        """Yield those with an index from the first to the last."""
        for number in sorted(self._blocks):
            if first // BLOCK <= number <= last // BLOCK:
                found = self._blocks[number].results()
                yield from (found[i] for i in sorted(found) if first <= i <= last)

    def where(self, wanted: Callable[[Result], bool]) -> "Some":
        """Return those of a kind."""
        return Some(self, wanted)


class Some(InOrder):
    """Those of a search's results that are of a kind."""

    def __init__(self, kept: Kept, wanted: Callable[[Result], bool]):
        self._kept, self._wanted = kept, wanted

    def __iter__(self) -> Iterator[Result]:
        return filter(self._wanted, self._kept)
