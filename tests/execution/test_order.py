"""Every function of results is one of the set of them, whatever the order in which workers sent them."""

import random
import re
from pathlib import Path

import pytest

import evoact
from evoact.config import experiment
from evoact.execution.run import search
from evoact.execution.stages import Stages
from evoact.execution.summary import summarise
from evoact.leaderboard.query import Leaderboard
from evoact.leaderboard.schema import result as from_row
from evoact.strategies.archive import Archive
from evoact.strategies.surrogate import recommended, surrogate

SHUFFLES = 20


@pytest.fixture(scope="module")
def made(tiny):
    """Enough candidates for the surrogate, some of them evaluated repeatedly, some failed."""
    return experiment(
        tiny(
            task={"name": "faulty", "nan": 0.05},
            training__steps=3,
            budget__networks=48,
            confirm__candidates=3,
        )
    )


@pytest.fixture(scope="module")
def run_dir(made, tmp_path_factory):
    directory = tmp_path_factory.mktemp("order") / "run"
    search(made, directory)
    return directory


@pytest.fixture(scope="module")
def results(run_dir):
    return [from_row(row) for row in Leaderboard(run_dir).to_arrow().to_pylist()]


@pytest.fixture(params=range(SHUFFLES))
def shuffled(results, request):
    return random.Random(request.param).sample(results, len(results))


def test_denoising(results, shuffled):
    def learnt(of):
        archive = Archive.of(r for r in of if r.proposal.phase == "search")
        model = surrogate(archive)
        denoised = archive.posterior(archive.usable())
        return model.worth().tolist(), denoised.mean.tolist(), recommended(archive, 5), archive.best(5)

    assert learnt(shuffled) == learnt(results)


def test_what_is_confirmed(made, results, shuffled):
    """Also from results that are told in this order, as workers do."""
    before = [r for r in results if r.proposal.phase != "confirm"]
    stages = Stages(made)
    waiting = {}
    while stages.phase != "confirm":
        waiting |= {p.index: p for p in stages.ask(100)}
        told = [r for r in shuffled if r.proposal.index in waiting][:5]
        stages.tell(told)
        waiting = {i: p for i, p in waiting.items() if i not in {r.proposal.index for r in told}}
        stages.finished  # noqa: B018 - moves on to the next stage
    expected = [r.proposal for r in results if r.proposal.phase == "confirm"]
    assert stages.ask(len(expected)) == expected
    assert [r.proposal.index for r in stages.results] == [r.proposal.index for r in before]
    resumed = Stages(made, stored=[r for r in shuffled if r.proposal.phase != "confirm"])
    assert resumed.ask(len(expected)) == expected


def test_summary(results, shuffled):
    assert summarise(shuffled) == summarise(results)


def test_archives_are_made_in_one_place():
    """Who made one himself would choose the order of its entries, and forget to."""
    package = Path(evoact.__file__).parent
    makes = [p.name for p in package.rglob("*.py") if re.search(r"\bArchive\(\)", p.read_text())]
    assert makes == []
