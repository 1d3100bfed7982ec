"""Two drivers share one search: what arrives is recorded, and rows depend on nothing else."""

import json
import os
import signal
import subprocess
import time

import pytest

from evoact.config import comparison, experiment
from evoact.errors import UserError
from evoact.execution.run import compare, resume, search
from evoact.execution.running.log import events
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import is_finished
from evoact.leaderboard.union import union
from tests.conftest import COMMAND, change_record

ISLAND = {"every": 1, "migrants": 3, "wait_seconds": 120.0}


def island(tiny, other, seed=0, **changes):
    return tiny(seed=seed, islands={**ISLAND, "others": [str(other)], **changes}, budget__networks=24)


def emigrants(place, generation, genomes, seed=1):
    (place / "islands").mkdir(parents=True, exist_ok=True)
    told = {"seed": seed, "genomes": genomes}
    (place / "islands" / f"out-{generation:05}.json").write_text(json.dumps(told))


def migrations_of(run_dir):
    return [e for e in events(Location.of(run_dir)) if e["event"] == "migration"]


def test_an_island_trains_who_arrives_and_remembers(tiny, tmp_path, rows_of):
    """The other one's directory can be gone afterwards."""
    search(experiment(tiny(seed=1)), tmp_path / "alone")
    best = [json.loads(r["genome"]) for r in rows_of(tmp_path / "alone", ()) if r["phase"] == "confirm"]
    for generation in (1, 2, 3):
        emigrants(tmp_path / "other", generation, best[:2])
    made = experiment(island(tiny, tmp_path / "other"))
    search(made, tmp_path / "run")
    rows = rows_of(tmp_path / "run")
    came = [r for r in rows if r["phase"] == "search" and json.loads(r["genome"]) in best[:2]]
    assert came
    assert {r["generation"] for r in came} == {1}
    assert [m["generation"] for m in migrations_of(tmp_path / "run")] == [1, 2]
    assert json.loads((tmp_path / "run" / "islands" / "out-00001.json").read_text())["seed"] == 0
    (tmp_path / "other").rename(tmp_path / "elsewhere")
    (tmp_path / "again").mkdir()
    (tmp_path / "run" / "islands").rename(tmp_path / "again" / "islands")
    for file in (tmp_path / "run").glob("leaderboard/*"):
        file.unlink()
    for name in ("run.json", "config.yaml"):
        (tmp_path / "run" / name).rename(tmp_path / "again" / name)
    change_record(tmp_path / "again", finished_at=None)
    assert resume(tmp_path / "again").complete
    assert rows_of(tmp_path / "again") == rows


def test_an_island_waits_so_long_and_says_so(tiny, tmp_path):
    made = experiment(island(tiny, tmp_path / "nobody", wait_seconds=0.2))
    said = []
    assert search(made, tmp_path / "run", observe=lambda p: said.append(p.waiting)).complete
    place = Location.of(tmp_path / "nobody").absolute
    assert f"waiting for {place} at generation 1" in said
    assert [m["in_vain"] for m in migrations_of(tmp_path / "run")] == [[place]] * 2


def test_a_finished_island_is_not_waited_for(tiny, tmp_path):
    search(experiment(tiny(seed=1)), tmp_path / "other")
    search(experiment(island(tiny, tmp_path / "other")), tmp_path / "run")
    assert [(m["arrived"], m.get("in_vain")) for m in migrations_of(tmp_path / "run")] == [(0, None)] * 2


def test_islands_that_cannot_be(tiny, tiny_comparison, tmp_path):
    with pytest.raises(UserError, match=r"expected islands.others to name .* got '.*', this run"):
        search(experiment(island(tiny, tmp_path / "run")), tmp_path / "run")
    with pytest.raises(UserError, match="learns from whole generations"):
        search(experiment(island(tiny, "x") | {"strategy": {"name": "random"}}), tmp_path / "run")
    with pytest.raises(UserError, match="comparison without islands"):
        compare(comparison(tiny_comparison(islands={"others": ["x"]})), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    emigrants(tmp_path / "twin", 1, [], seed=0)
    with pytest.raises(UserError, match=r"a seed of its own, got 0 here and in .*twin"):
        search(experiment(island(tiny, tmp_path / "twin")), tmp_path / "run")


@pytest.mark.slow
def test_two_drivers_share_a_search(config_file, tiny, tmp_path, rows_of):
    """Twice, the second time with one that is killed and resumed: the same rows."""
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        run_both(tmp_path / name, config_file, kill=name == "second")
    for island_of in ("a", "b"):
        first, second = (rows_of(tmp_path / name / island_of) for name in ("first", "second"))
        assert first == second
        assert sum(m["arrived"] for m in migrations_of(tmp_path / "first" / island_of)) > 0
    both = union([tmp_path / "first" / "a", tmp_path / "first" / "b"], tmp_path / "both")
    assert both.conflicts == 0


def run_both(place, config_file, kill):
    def start(name, other, seed):
        config = config_file(
            seed=seed, islands={**ISLAND, "others": [other]}, budget__networks=24, name=f"{place.name}{name}"
        )
        own = place / f"{name}.yaml"
        own.write_bytes(config.read_bytes())
        return subprocess.Popen([*COMMAND, "search", str(own), "-o", name], cwd=place)

    a = start("a", "b", 0)
    if kill:  # before the other has begun: it waits
        waited = time.monotonic() + 120
        while not (place / "a" / "islands" / "out-00001.json").exists():
            assert time.monotonic() < waited
            time.sleep(0.05)
        a.send_signal(signal.SIGKILL)
        a.wait()
    b = start("b", "a", 1)
    if kill:
        a = subprocess.Popen([*COMMAND, "resume", "a"], cwd=place, env=os.environ)
    assert (a.wait(), b.wait()) == (0, 0)
    assert is_finished(Location.of(place / "a"))
