"""All results of a search in little memory."""

import random
import sys
from dataclasses import replace

import pytest

from evoact.execution.running.kept import BLOCK, LOOSE, Kept
from evoact.genomes.genome import Site, homogeneous
from evoact.genomes.kinds import Base
from evoact.records import TrainProposal, TrainResult, in_proposal_order

GENOMES = [homogeneous(Base(name), [Site("h", 64)], learning_rate=0.1) for name in ("relu", "sin")]


def result(index, **fields):
    proposal = TrainProposal(
        index, index, GENOMES[index % 2], "s" * 16, f"{index:016x}", 0, 10, parents=(index,)
    )
    return TrainResult(proposal, "completed", "accuracy", "maximize", index / 7, **fields)


@pytest.mark.parametrize("count", [0, 1, LOOSE, 3 * BLOCK + 5])
def test_they_come_back_in_proposal_order_whatever_the_order_of_arrival(count):
    results = [result(2 * i) for i in range(count)]  # with gaps, as after a lost row
    kept = Kept(random.Random(0).sample(results, count))
    assert list(kept) == results
    assert list(kept) == list(in_proposal_order(kept)) == results
    assert len(kept) == count


def test_of_two_with_one_index_the_later_counts():
    kept = Kept(map(result, range(2 * LOOSE)))
    later = replace(result(3), state="failed", val_metric=None)
    kept.add(later)
    assert list(kept)[3] == later
    assert len(kept) == 2 * LOOSE


def test_some_of_them():
    kept = Kept(map(result, range(3 * BLOCK)))
    odd = kept.where(lambda r: r.proposal.index % 2 == 1)
    assert [r.proposal.index for r in odd] == list(range(1, 3 * BLOCK, 2))
    assert [r.proposal.index for r in odd] == list(range(1, 3 * BLOCK, 2))  # again
    assert [r.proposal.index for r in kept.between(BLOCK + 7, 2 * BLOCK + 3)] == [
        *range(BLOCK + 7, 2 * BLOCK + 4)
    ]


def test_they_take_little_memory():
    kept = Kept(map(result, range(8 * BLOCK)))
    packed = sum(sys.getsizeof(p) for block in kept._blocks.values() for p in block.packed)
    assert sum(len(block.loose) for block in kept._blocks.values()) == 0
    assert packed < 100 * len(kept)
