"""Results to write and rows to ask about."""

import pytest

from evoact.genomes.genome import Genome, Site, SiteGenome, canonical, fingerprint, structure
from evoact.genomes.kinds import Base
from evoact.leaderboard.store.write import write_part
from evoact.records import TrainProposal, TrainResult

SITES = [Site("hidden0", 10)]


def _genome(relu=5, learning_rate=0.01):
    assignment = (0,) * relu + (1,) * (10 - relu)
    raw = Genome(
        (SiteGenome("hidden0", (Base("relu"), Base("sin")), assignment),), (("learning_rate", learning_rate),)
    )
    return canonical(raw, SITES)


def _result(index=0, candidate=None, seed=0, val=0.5, genome=None, **fields):
    """A completed result; fields of Proposal and of Result may be given by name."""
    genome = genome or _genome()
    of_proposal = {
        name: fields.pop(name) for name in list(fields) if name in TrainProposal.__dataclass_fields__
    }
    proposal = TrainProposal(
        index=index,
        candidate=index if candidate is None else candidate,
        genome=genome,
        structure=structure(genome),
        fingerprint=fingerprint(genome),
        seed=seed,
        **{"steps": 100} | of_proposal,
    )
    return TrainResult(
        proposal=proposal,
        **{"state": "completed", "metric": "accuracy", "direction": "maximize", "val_metric": val} | fields,
    )


def _write(run_dir, *results, run="run", rolling=None):
    """Stores the results, one part for each pack; `rolling` then merges files."""
    for pack in sorted({result.pack for result in results}):
        write_part(
            run_dir,
            [r for r in results if r.pack == pack],
            run=run,
            task="mnist1d",
            network="mlp",
            **({"wrote": lambda folder, name, rows: rolling.wrote(name, rows)} if rolling else {}),
        )
    if rolling:
        rolling.roll()
    return run_dir


@pytest.fixture(scope="session")
def make_genome():
    return _genome


@pytest.fixture(scope="session")
def make_result():
    return _result


@pytest.fixture(scope="session")
def write():
    return _write


@pytest.fixture
def run_dir(tmp_path):
    """A run of 20 candidates in five parts, val_metric 0.00 to 0.19."""
    return _write(tmp_path / "run", *(_result(i, val=i / 100, pack=f"p{i // 4}") for i in range(20)))
