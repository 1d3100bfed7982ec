"""A whole space as a table: made, interrupted, resumed, and searched in place of training."""

import pyarrow.parquet as pq
import pytest
import torch

from evoact.api.search import Asked
from evoact.api.search import search as carry_out
from evoact.cli.main import main
from evoact.config import experiment
from evoact.errors import UserError
from evoact.execution import precision
from evoact.execution.run import search
from evoact.execution.running import packs
from evoact.execution.tabulate import tabulate
from evoact.genomes.genome import fingerprint, loads, structure
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.table_file import read_table
from evoact.networks.precision import has_bf16
from evoact.records import FIRST_CONFIRMATION_SEED, FRESH, STATES, TrainProposal

SMALL = {
    "network": {"name": "mlp", "hidden": [4]},
    "space": {
        "functions": ["relu", "tanh"],
        "types": {"base": {}},
        "types_per_layer": [1, 2],
        "learning_rate": {"values": [0.01, 0.1]},
    },
    "baselines": {"replicates": 1},
    "confirm": {"candidates": 2, "baselines": 1, "seeds": 1, "judge": 1},
    "replicates": 2,
    "budget": {"networks": 12},
    "strategy": {"name": "random"},
}


@pytest.fixture
def small(tiny):
    return lambda **changes: experiment(tiny(**{**SMALL, **changes}))


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A table of 10 genomes on 4 seeds."""
    from tests.conftest import TINY  # the fixtures of functions are not for modules

    home = tmp_path_factory.mktemp("table")
    made = tabulate(experiment({**TINY, **SMALL}), home / "run", home / "table.parquet", seeds=4)
    assert made.complete
    assert made.rows == 10 * 4
    return home / "table.parquet"


def on(table):
    return {"backend": "table", "table": str(table)}


def test_every_genome_on_every_seed_with_test_metrics(table, small):
    held = read_table(table)
    assert set(held.position) == {fingerprint(genome) for genome in small().space.every()}
    assert held.seeds == (0, 1, 2, 3)
    assert (held.search_seeds, held.truth_seeds) == ((0, 1), (2, 3))
    assert held.missing(list(held.position), held.seeds) == 0
    truth = held.truth()  # this task has no large test split
    assert truth == pytest.approx(held.metrics["test_metric"][:, 2:].mean(axis=1))


def test_a_search_of_a_table_is_the_search_that_trains(table, small, tmp_path, rows_of):
    trained = search(small(), tmp_path / "trained")
    looked_up = search(small(execution=on(table)), tmp_path / "looked-up")
    assert looked_up.complete
    left, right = (
        [r for r in rows_of(tmp_path / name, ()) if r["phase"] not in FRESH]
        for name in ("trained", "looked-up")
    )
    assert [(r["fingerprint"], r["seed"], r["phase"]) for r in left] == [
        (r["fingerprint"], r["seed"], r["phase"]) for r in right
    ]
    for one, other in zip(left, right, strict=True):
        assert one["val_metric"] == pytest.approx(other["val_metric"], rel=1e-6)
        assert other["test_metric"] is None
        assert (other["device"], other["steps_run"]) == ("table", 0)
    assert len(looked_up.summary.confirmed) == len(trained.summary.confirmed)


@pytest.mark.parametrize(
    ("strategy", "most"), [({}, 8), ({"steady_state": True, "population": 8, "parents": 8}, 1)]
)
def test_packs_that_are_looked_up_are_stored_together(strategy, most, table, small, tmp_path, monkeypatch):
    """Unless what is proposed depends on the order of results."""
    written, real = [], packs.write_part

    def write_part(home, results, **named):
        written.append(len({r.pack for r in results}))
        return real(home, results, **named)

    monkeypatch.setattr(packs, "write_part", write_part)
    changes = {"strategy": {"name": "evolution", "elites": 2, **strategy}, "packs": {"size": 1}}
    assert search(small(execution=on(table), budget={"networks": 16}, **changes), tmp_path / "run").complete
    assert max(written) == most


def test_confirmation_reads_the_truth_seeds(table, small, tmp_path, rows_of):
    search(small(execution=on(table)), tmp_path / "run")
    held = read_table(table)
    confirmed = [r for r in rows_of(tmp_path / "run", ()) if r["phase"] in FRESH]
    assert {r["seed"] for r in confirmed} == {FIRST_CONFIRMATION_SEED, FIRST_CONFIRMATION_SEED + 1}
    for r in confirmed:
        column = 2 + r["seed"] - FIRST_CONFIRMATION_SEED
        assert r["test_metric"] == held.metrics["test_metric"][held.position[r["fingerprint"]], column]


@pytest.mark.parametrize("place", ["file/table.parquet", "folder", "file/of/a/table.parquet"])
def test_a_table_that_cannot_be_written_is_refused_before_anything_is_trained(place, small, tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"expected a file that can be written, got .*; choose another"):
        tabulate(small(), tmp_path / "run", tmp_path / place, seeds=4)
    assert not (tmp_path / "run").exists()


def test_what_a_search_has_to_say_is_said(small, tmp_path, monkeypatch):
    monkeypatch.setattr("evoact.execution.run.notes", lambda plan: ["something about this machine"])
    said = []
    tabulate(small(), tmp_path / "run", tmp_path / "table.parquet", seeds=2, report=said.append)
    assert said == ["something about this machine"]


def test_a_search_takes_the_precision_of_its_table(tiny, tmp_path, monkeypatch, rows_of):
    """Both leave it to be chosen; what the tabulation chose counts, whatever is fastest when the search begins."""
    training = {"steps": 3, "batch_size": 20, "precision": "auto"}
    config = tiny(**SMALL | {"confirm": {"candidates": 1, "seeds": 1, "judge": 0}, "training": training})
    monkeypatch.setattr(
        precision, "fastest", lambda made: "bf16" if has_bf16(torch.device("cpu")) else "float32"
    )
    tabulate(experiment(config), tmp_path / "run", tmp_path / "table.parquet", seeds=4)
    monkeypatch.undo()
    (chosen,) = {row["precision"] for row in rows_of(tmp_path / "run")}
    config["execution"] = on(tmp_path / "table.parquet")
    result = carry_out(Asked(config), tmp_path / "search")
    assert result.complete
    assert {row["precision"] for row in rows_of(tmp_path / "search")} == {chosen}


def test_a_stopped_tabulation_has_what_there_is_and_goes_on(small, table, tmp_path):
    packs = []

    def stop(progress):
        packs.append(progress)
        if len(packs) == 4:
            raise KeyboardInterrupt

    file = tmp_path / "part.parquet"
    part = tabulate(small(), tmp_path / "run", file, seeds=4, observe=stop)
    assert not part.complete
    assert 0 < part.rows < 40
    with pytest.raises(
        UserError, match=r"all 10 genomes of the search on all its seeds, got one that lacks \d+;"
    ):
        search(small(execution=on(file)), tmp_path / "search")
    with pytest.raises(UserError, match="which holds a run of another config"):
        tabulate(small(seed=1), tmp_path / "run", file, seeds=4)
    whole = tabulate(small(), tmp_path / "run", file, seeds=4)
    assert whole.complete
    assert whole.rows == 40
    columns = ["fingerprint", "seed", "val_metric", "test_metric"]
    assert Leaderboard(tmp_path / "run").to_arrow().num_rows == 40
    assert pq.read_table(file).select(columns) == pq.read_table(table).select(columns)


def test_what_a_table_is_not_good_for(small, table, tmp_path):
    more = {**SMALL["space"], "functions": ["relu", "tanh", "sin"]}
    for changes, message in (
        (
            {"space": more},
            "expected a table of all 24 genomes of the search on all its seeds, got one that lacks 14;",
        ),
        (
            {"training": {"steps": 21, "batch_size": 32}},
            "expected a table of the search's training.steps 21, got 20",
        ),
        ({"seed": 5}, "expected a table of the search's seed 5, got 0"),
        ({"replicates": 3}, "replicates 3, got one with 2 seeds for that; add --set replicates=2"),
        (
            {"confirm": {"seeds": 2}},
            "confirm.seeds 2 and confirm.judge 7, got one with 2; add --set confirm.seeds=1 --set "
            "confirm.judge=1",
        ),
        (
            {"strategy": {"name": "evolution", "objectives": ["val_metric", "step_seconds_solo"]}},
            "objectives that a table holds, got step_seconds_solo; leave it out",
        ),
        (
            {"strategy": {"name": "hybrid"}, "budget": {"networks": 200}},
            "hulls by neuron; add --set strategy.probes=0",
        ),
    ):
        with pytest.raises(UserError, match=message):
            search(small(execution=on(table), **changes), tmp_path / "run")
    other = tmp_path / "other.parquet"
    other.write_bytes(b"no table")
    with pytest.raises(UserError, match=r"expected a table of `evoact tabulate`, got another file"):
        search(small(execution=on(other)), tmp_path / "run")


HALVING = {"name": "successive_halving", "eta": 2, "rungs": 3, "proposes": "evolution"}


@pytest.fixture(scope="module")
def with_checkpoints(tmp_path_factory):
    """The same table with metrics after a quarter and a half of the steps."""
    from tests.conftest import TINY

    made = experiment({**TINY, **SMALL, "training": {**TINY["training"], "curve_at": [5, 10]}})
    assert made.steps == 20
    home = tmp_path_factory.mktemp("with_checkpoints")
    tabulate(made, home / "run", home / "table.parquet", seeds=4)
    return home / "table.parquet"


def test_shorter_trainings_are_answered_from_checkpoints(with_checkpoints, table, small, tmp_path, rows_of):
    changes = {"strategy": HALVING, "confirm": {"candidates": 0}}
    search(small(**changes), tmp_path / "trained")
    search(small(execution=on(with_checkpoints), **changes), tmp_path / "looked-up")
    columns = ["fingerprint", "seed", "phase", "rung", "state"]
    left, right = (rows_of(tmp_path / name, ()) for name in ("trained", "looked-up"))
    assert [[r[c] for c in columns] for r in left] == [[r[c] for c in columns] for r in right]
    assert {r["rung"] for r in left} == {0, 1, 2}
    for one, other in zip(left, right, strict=True):
        assert one["val_metric"] == pytest.approx(other["val_metric"], rel=1e-6)
        if one["rung"] == 0:  # further rungs know of no losses before their start
            assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-6)
    one, other = (pq.read_table(file) for file in (table, with_checkpoints))
    assert other.select(one.column_names) == one  # looking changes nothing
    assert read_table(with_checkpoints).checkpoints == (5, 10)


def test_what_failed_on_its_way_failed_at_each_checkpoint_after_that(tmp_path, small):
    made = small(training={"steps": 20, "batch_size": 32, "curve_at": [5, 10]})
    tabulate(made, tmp_path / "run", tmp_path / "t", seeds=2)
    held = read_table(tmp_path / "t")
    held.metrics["val_metric_at_10"][0, 0] = float("nan")
    held.state[0, 0] = STATES.index("timed_out")
    genome = loads(held.genomes[0])
    for steps, state in ((5, "completed"), (10, "timed_out"), (20, "timed_out")):
        result = held.result(TrainProposal(0, 0, genome, structure(genome), fingerprint(genome), 0, steps))
        assert result.state == state
        assert (result.score is None) == (state != "completed")


def test_a_search_of_other_lengths_than_a_table_has(with_checkpoints, table, small, tmp_path):
    for file, eta, message in (
        (
            table,
            2,
            "metrics after 5, 10 steps, got one with those after 20; set strategy.eta and strategy.rungs to",
        ),
        (with_checkpoints, 3, "metrics after 2, 6 steps, got one with those after 5, 10, 20;"),
    ):
        with pytest.raises(UserError, match=message):
            search(small(execution=on(file), strategy={**HALVING, "eta": eta}), tmp_path / "run")
    with pytest.raises(
        UserError, match=r"training.curve_at: expected fewer than the 20 steps of a network, got 20"
    ):
        small(training={"steps": 20, "batch_size": 32, "curve_at": [5, 20]})


def test_seeds_come_in_halves_and_spaces_are_small(small, tmp_path):
    with pytest.raises(UserError, match="expected an even number of seeds"):
        tabulate(small(), tmp_path / "run", tmp_path / "t", seeds=3)
    wide = small(network={"name": "mlp", "hidden": [400, 400]})
    with pytest.raises(UserError, match=r"a space of at most 50,000 genomes on 20 seeds"):
        tabulate(wide, tmp_path / "run", tmp_path / "t")


def test_table_and_backend_go_together(tiny):
    with pytest.raises(UserError, match="expected backend table and its file, table, together, got no file"):
        experiment(tiny(execution={"backend": "table"}))
    with pytest.raises(UserError, match="together, got local with a file"):
        experiment(tiny(execution={"backend": "local", "table": "t.parquet"}))


@pytest.mark.slow
def test_the_command(capsys, config_file, monkeypatch, tmp_path):
    """`evoact tabulate`, then `evoact search --table`, as a user calls them."""
    monkeypatch.chdir(tmp_path)
    config = str(config_file(**SMALL))
    for arguments, code in (
        (["tabulate", config, "-o", "run", "--seeds", "4"], 0),
        (["search", config, "--table", "run/table.parquet", "-o", "search"], 0),
        (["search", config, "--table", "nothing.parquet", "-o", "other"], 2),
    ):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert (end.value.code or 0) == code
    out, err = capsys.readouterr()
    assert "run/table.parquet: 40 networks." in out
    assert "Searching faulty with random in a table" in err
    assert "nothing.parquet: expected a table of `evoact tabulate`, got nothing there" in err
    assert not (tmp_path / "other").exists()
