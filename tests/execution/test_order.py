"""Every function of results is one of the set of them, whatever the order in which workers sent them."""

import json
import random
import re
import shutil
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from tensorboardX.proto.event_pb2 import Event

import evoact
from evoact.analysis.search_summary import summarise
from evoact.config import comparison, experiment
from evoact.errors import UserError
from evoact.execution.run import compare, search
from evoact.execution.stages import Stages
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.schema import result as from_row
from evoact.records import FRESH
from evoact.report.markdown import markdown
from evoact.report.optuna_study import write_optuna
from evoact.report.page import page
from evoact.report.run import read_run
from evoact.report.tensorboard import write_tensorboard
from evoact.strategies.archive import Archive
from evoact.strategies.surrogate.surrogate import recommended, surrogate

SHUFFLES = 6


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
    before = [r for r in results if r.proposal.phase not in FRESH]
    stages = Stages(made)
    waiting = {}
    while stages.phase not in FRESH:
        waiting |= {p.index: p for p in stages.ask(100)}
        told = [r for r in shuffled if r.proposal.index in waiting][:5]
        stages.tell(told)
        waiting = {i: p for i, p in waiting.items() if i not in {r.proposal.index for r in told}}
        stages.finished  # noqa: B018 - moves on to the next stage
    expected = [r.proposal for r in results if r.proposal.phase == "confirm"]
    assert stages.ask(len(expected)) == expected
    assert [r.proposal.index for r in stages.results] == [r.proposal.index for r in before]
    resumed = Stages(made, stored=[r for r in shuffled if r.proposal.phase not in FRESH])
    assert resumed.ask(len(expected)) == expected


# What a confirmation may have begun with, from what would be confirmed now and any other candidates.
BEGUN = {
    "other order": lambda chosen, others: chosen[::-1],
    "another one": lambda chosen, others: (chosen[0], others[0], *chosen[2:]),
    "all others": lambda chosen, others: others[: len(chosen)],
    "fewer": lambda chosen, others: (others[1], *chosen[-2:]),
}


def told_until(stages, results, phase="confirm"):
    """Tells stages what they ask for, until a phase begins."""
    known = {(r.proposal.fingerprint, r.proposal.seed): r for r in results}
    while stages.phase != phase:
        stages.tell([known[p.fingerprint, p.seed] for p in stages.ask(100)])
        stages.finished  # noqa: B018 - moves on to the next stage
    return stages


@pytest.mark.slow
@pytest.mark.parametrize("begun", BEGUN)
def test_a_confirmation_goes_on_with_the_candidates_it_began_with(begun, made, results, monkeypatch):
    before = [r for r in results if r.proposal.phase not in FRESH]
    searched = Stages(made, stored=before)
    searched.finished  # noqa: B018 - moves on to the next stage
    now = searched._to_confirm()
    others = [r.proposal.genome for r in before if r.proposal.genome not in now and r.state == "completed"]
    with monkeypatch.context() as patch:
        patch.setattr(Stages, "_to_confirm", lambda self: BEGUN[begun](now, tuple(others)))
        asked = told_until(Stages(made), before).ask(100)
    for stored in range(1, len(asked)):
        kept = random.Random(stored).sample(asked, stored)
        resumed = Stages(made, stored=before + [replace(results[-1], proposal=p) for p in kept])
        rest = resumed.ask(100)
        together = sorted([*kept, *rest], key=lambda p: p.index)
        assert [p.index for p in together] == list(range(len(before), len(before) + len(together)))
        seeds = Counter(p.fingerprint for p in together)
        assert set(seeds.values()) == {made.config.confirm.seeds}
        confirmed = {p.genome for p in together}
        assert confirmed >= {p.genome for p in kept}
        assert len(confirmed) in (len(now), len(asked) // made.config.confirm.seeds)
        last = {p.genome for p in together if (p.index - len(before)) % len(confirmed) == len(confirmed) - 1}
        assert now[-1] in confirmed or last <= {p.genome for p in kept}  # no baseline falls out
        resumed.tell([replace(results[-1], proposal=p) for p in rest])
        assert not resumed.finished
        assert resumed.phase == "judge"


def test_rows_of_no_confirmation_are_refused(made, results):
    """A candidate that was never searched is confirmed by no run."""
    before = [r for r in results if r.proposal.phase not in FRESH]
    row = next(r for r in results if r.proposal.phase == "confirm")
    foreign = replace(row, proposal=replace(row.proposal, fingerprint="0" * 16))
    with pytest.raises(UserError, match="resume with the configuration of the run"):
        Stages(made, stored=[*before, foreign]).ask(1)


def test_summary(results, shuffled):
    assert summarise(shuffled) == summarise(results)


@pytest.fixture(scope="module")
def compared(tiny_comparison, tmp_path_factory):
    directory = tmp_path_factory.mktemp("order") / "compared"
    compare(comparison(tiny_comparison(training__steps=3)), directory)
    return directory


def everything(run_dir):
    """All that is said of a stored run."""
    run = read_run(run_dir)
    return {
        "leaderboard": repr(Leaderboard(run_dir).top(50).to_pylist()),
        "rows": repr(Leaderboard(run_dir).to_arrow().to_pylist()),
        "summary": None if run.arms else run.summary,
        "arms": plain(run.arms),
        "findings": plain(run.findings) if run.arms else None,
        "page": page(run).replace(str(run_dir), "RUN"),
        "markdown": markdown(run).replace(str(run_dir), "RUN"),
    }


def plain(value):
    """A text of every figure in full; arrays would print some digits of them."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(inner) for inner in value]
    return repr(value)


def stored_otherwise(run_dir, place, seed):
    """The same run, as if its packs had come back in another order: its rows shuffled over files of any names."""
    shutil.copytree(run_dir, place, ignore=shutil.ignore_patterns("leaderboard"))
    (place / "leaderboard").mkdir()
    rows = pq.read_table(run_dir / "leaderboard")
    order = random.Random(seed).sample(range(len(rows)), len(rows))
    for start in range(0, len(rows), 7):
        pq.write_table(
            rows.take(order[start : start + 7]), place / "leaderboard" / f"part-{start:04}.parquet"
        )
    return place


@pytest.fixture(scope="module")
def said(run_dir, compared):
    return {directory: everything(directory) for directory in (run_dir, compared)}


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(SHUFFLES))
@pytest.mark.parametrize("kind", ["run_dir", "compared"])
def test_all_that_is_said_of_a_stored_run(kind, seed, said, request, tmp_path):
    run_dir = request.getfixturevalue(kind)
    found = everything(stored_otherwise(run_dir, tmp_path / run_dir.name, seed))
    for name, expected in said[run_dir].items():
        assert found[name] == expected, name


@pytest.fixture(scope="module")
def exported(run_dir, tmp_path_factory):
    return exports(run_dir, tmp_path_factory.mktemp("exported"))


@pytest.mark.parametrize("seed", range(SHUFFLES))
def test_exports(seed, run_dir, exported, tmp_path):
    assert exports(stored_otherwise(run_dir, tmp_path / run_dir.name, seed), tmp_path) == exported


def exports(run_dir, place):
    run = read_run(run_dir)
    write_optuna(run, place / "journal")
    write_tensorboard(run, place / "events")
    return trials(place / "journal"), scalars(place / "events")


def trials(journal):
    """The lines of an Optuna journal without what its clock says."""
    clocks = ("datetime_start", "datetime_complete", "worker_id")
    return [
        {k: v for k, v in json.loads(line).items() if k not in clocks}
        for line in journal.read_text().splitlines()
    ]


def scalars(directory):
    """What TensorBoard shows of each of its runs, but when it was written."""
    return {
        folder.name: [
            (event.step, value.tag, value.simple_value)
            for file in folder.iterdir()
            for event in map(Event.FromString, records(file.read_bytes()))
            for value in event.summary.value
        ]
        for folder in directory.iterdir()
    }


def records(content):
    """The records of an event file: length, its checksum, content, its checksum."""
    while content:
        (length,) = struct.unpack("<Q", content[:8])
        yield content[12 : 12 + length]
        content = content[16 + length :]


def test_archives_are_made_in_one_place():
    """Who made one himself would choose the order of its entries, and forget to."""
    package = Path(evoact.__file__).parent
    makes = [p.name for p in package.rglob("*.py") if re.search(r"\bArchive\(\)", p.read_text())]
    assert makes == []
