"""A whole search in one process: which rows it leaves, and what it survives."""

import subprocess
import sys
import time
from collections import Counter

import pytest
from safetensors.numpy import load_file

from evoact.analysis.search_summary import summarise
from evoact.cli.main import main
from evoact.config import experiment
from evoact.errors import SearchFailed, UserError
from evoact.execution.run import search
from evoact.genomes.genome import loads
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.schema import result
from evoact.networks import NETWORKS
from evoact.records import FIRST_CONFIRMATION_SEED, FRESH
from evoact.report.run import read_run
from evoact.report.search_text import verdict
from evoact.tasks.own.data_summary import trivial_metrics
from tests.networks.recurrent import recurrent


@pytest.fixture
def run(tiny, tmp_path, rows_of):
    """Carries out a changed tiny search; what it returned and all its rows."""

    def carry_out(**changes):
        finished = search(experiment(tiny(**changes)), tmp_path / "run")
        return finished, rows_of(tmp_path / "run", ())

    return carry_out


def test_all_phases(run, tmp_path):
    finished, rows = run()
    assert finished.complete
    assert [r["proposal"] for r in rows] == list(range(len(rows)))
    keys = [(r["candidate"], r["seed"], r["phase"], r["rung"]) for r in rows]
    assert len(set(keys)) == len(keys)
    trained = [(r["fingerprint"], r["seed"]) for r in rows]
    assert len(set(trained)) == len(trained)
    phases = [r["phase"] for r in rows]
    assert phases == sorted(phases, key=["baseline", "search", "confirm", "judge"].index)
    counts = Counter(phases)
    assert (counts["baseline"], counts["search"]) == (6, 16)
    assert counts["confirm"] in (4, 6)  # 4 where the best baseline is among the best of the search


def test_dropout_is_searched(run, tmp_path):
    """Beside an argument of the optimizer: in genomes, SQL and labels of every phase."""
    finished, rows = run(
        space__hyperparameters={"dropout": [0, 0.5]},
        space__optimizer={"weight_decay": [0, 1e-4]},
        training__steps=3,
    )
    assert finished.complete
    assert len([r for r in rows if r["phase"] == "baseline"]) == 24
    query = "SELECT DISTINCT genome->>'$.hyperparameters.dropout' AS rate FROM leaderboard ORDER BY rate"
    rates = Leaderboard(tmp_path / "run").sql(query)["rate"]
    assert list(map(float, rates)) == [0, 0.5]
    labels = [loads(r["genome"]).label for r in rows]
    assert all(", dropout 0" in label and ", weight_decay" in label for label in labels)


@pytest.mark.slow
def test_a_site_that_is_activated_at_every_time_goes_through_all_phases(tiny, tmp_path, rows_of, monkeypatch):
    """A recurrent network is trained, confirmed, and has its participation ratios."""
    monkeypatch.setitem(NETWORKS, "recurrent", recurrent)
    changes = {"task": {"name": "digits"}, "network": {"name": "recurrent"}, "training__steps": 5}
    assert search(experiment(tiny(**changes, budget={"networks": 4})), tmp_path / "run").complete
    confirmed = [r for r in rows_of(tmp_path / "run", ()) if r["phase"] == "confirm"]
    assert confirmed
    assert all(r["state"] == "completed" and 1 <= r["participation_ratio"] <= 6 for r in confirmed)


def test_test_metrics_are_for_confirmed_networks_alone(run):
    _, rows = run()
    for row in rows:
        confirmed = row["phase"] in FRESH
        assert (row["test_metric"] is not None) == confirmed
        assert (row["step_seconds_solo"] is not None) == confirmed
        assert row["test_large_metric"] is None  # this task has none
        assert (row["seed"] >= FIRST_CONFIRMATION_SEED) == confirmed
        assert row["val_metric"] is not None
    seeds = {r["seed"] for r in rows if r["phase"] == "confirm"}
    assert seeds == {FIRST_CONFIRMATION_SEED, FIRST_CONFIRMATION_SEED + 1}


@pytest.mark.slow
def test_a_step_is_timed_once_a_genome_and_pack(run):
    _, rows = run(confirm={"candidates": 2, "seeds": 3})
    times: dict[tuple[str, str], set[float]] = {}
    for row in rows:
        if row["phase"] == "confirm":
            times.setdefault((row["pack"], row["fingerprint"]), set()).add(row["step_seconds_solo"])
    assert all(len(measured) == 1 for measured in times.values())
    assert len({seconds for measured in times.values() for seconds in measured}) == len(times)


@pytest.mark.slow
def test_a_search_for_fast_networks_times_them(run, tmp_path):
    settings = {"population": 6, "parents": 4, "tournament": 2, "elites": 1, "startup": 6}
    objectives = ["val_metric", "n_parameters", "step_seconds_solo"]
    strategy = {"name": "evolution", "steady_state": True, "adaptive": True, "objectives": objectives}
    finished, rows = run(strategy=strategy | settings)
    assert finished.complete
    assert all(row["step_seconds_solo"] > 0 and row["n_parameters"] > 0 for row in rows)
    assert any(row["parents"] for row in rows)
    assert {'{"strength": ' in row["context"] for row in rows if row["parents"]} >= {True}


def test_early_stopped_networks_count_for_what_they_took(run):
    every = 5
    _, rows = run(training__early_stop={"every": every, "patience": 1})
    steps = {r["steps_run"] for r in rows}
    assert len(steps) > 1
    assert all(s == 20 or (s < 20 and s % every == 0) for s in steps)
    assert all(r["gradient_examples"] == 32 * r["steps_run"] for r in rows)


def test_rows_say_what_was_run(run):
    _, rows = run()
    for row in rows:
        assert (row["run"], row["task"], row["network"]) == ("run", "faulty", "mlp")
        assert (row["state"], row["error"]) == ("completed", "")
        assert row["steps"] == row["steps_run"] == 20
        assert row["strategy"] == ("evolution" if row["phase"] == "search" else "enumerate")
        assert 0 < row["train_seconds"] < 10
        assert row["started_at"] <= row["finished_at"]
        assert 1 <= row["pack_size"] <= 4
    sizes = Counter(r["pack"] for r in rows)
    assert all(sizes[r["pack"]] == r["pack_size"] for r in rows)


def test_artifacts_are_where_the_rows_say(run, tmp_path):
    _, rows = run()
    for row in rows:
        learned = "convex" in row["genome"]
        confirmed = row["phase"] in FRESH
        assert bool(row["artifact"]) == (learned or confirmed)
        if row["artifact"]:
            tensors = load_file(tmp_path / "run" / row["artifact"])
            assert ("weight0" in tensors) == confirmed
            assert ("hidden0.activation" in tensors) == learned
    stored = {str(f.relative_to(tmp_path / "run")) for f in (tmp_path / "run" / "artifacts").iterdir()}
    assert stored == {r["artifact"] for r in rows if r["artifact"]}


@pytest.mark.slow
def test_candidates_keep_their_id(run):
    _, rows = run(budget__networks=40)
    first = {}
    for row in rows:
        assert row["candidate"] == first.setdefault(row["fingerprint"], row["proposal"])
    assert len(first) < len(rows)


def test_the_winner_is_the_best_on_fresh_validation(run):
    finished, rows = run()
    scores = {}
    for row in rows:
        if row["phase"] == "confirm":
            scores.setdefault(row["candidate"], []).append(row["val_metric"])
    means = {candidate: sum(values) / len(values) for candidate, values in scores.items()}
    confirmed = finished.summary.confirmed
    assert {c.candidate: pytest.approx(c.validation) for c in confirmed} == means
    assert confirmed[0].validation == max(means.values())
    assert finished.summary.winner.searched
    assert finished.summary.best_baseline.baseline


@pytest.mark.slow
def test_structures_are_counted_once(run):
    """The heterogeneous ones among them, too, however many networks of each were trained."""
    finished, rows = run(budget__networks=40)
    tried = {row["structure"]: row["heterogeneous"] for row in rows if row["phase"] == "search"}
    assert (finished.summary.structures, finished.summary.heterogeneous) == (len(tried), sum(tried.values()))
    assert 0 < sum(tried.values()) < sum(row["heterogeneous"] for row in rows)


def test_same_seed_same_rows_other_seed_other_rows(tiny, tmp_path, rows_of):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        search(experiment(tiny(seed=seed, confirm__candidates=0)), tmp_path / name)
    assert rows_of(tmp_path / "a") == rows_of(tmp_path / "b")
    assert rows_of(tmp_path / "a") != rows_of(tmp_path / "c")


@pytest.mark.slow
def test_the_size_of_packs_changes_no_result(tiny, tmp_path, rows_of):
    aside = ("run", "train_seconds", "step_seconds_solo", "started_at", "finished_at", "pack", "pack_size")
    for name, size in (("a", 1), ("b", 7)):
        search(experiment(tiny(packs__size=size, training__steps=5)), tmp_path / name)
    a, b = rows_of(tmp_path / "a", aside), rows_of(tmp_path / "b", aside)
    for row in (*a, *b):  # sums over the examples may round differently
        row["train_loss"] = round(row["train_loss"], 4)
    assert a == b


def test_a_confirmation_of_distinct_structures(run):
    given = [{"kind": "base", "name": "relu"}, {"kind": "prelu"}, {"kind": "scaled", "base": "tanh"}]
    finished, rows = run(
        space__types={"given": given},
        space__learning_rate={"values": [0.003, 0.01, 0.1]},
        strategy={"name": "enumerate"},
        budget__networks=99,
        baselines={"replicates": 1},
        confirm={"candidates": 3, "baselines": 1, "seeds": 2, "judge": 0, "distinct": "structure"},
    )
    searched = [r for r in rows if r["phase"] == "search"]
    confirmed = [r for r in rows if r["phase"] == "confirm"]
    # The 2 base functions are baselines at 3 rates each; the search goes on with what they leave.
    assert Counter(r["phase"] for r in rows) == {"baseline": 6, "search": 6, "confirm": 6}
    best = {}
    for row in (r for r in rows if r["phase"] not in FRESH):
        best.setdefault(row["structure"], []).append(
            (row["val_metric"], -row["proposal"], row["fingerprint"])
        )
    assert {r["fingerprint"] for r in confirmed} <= {max(options)[2] for options in best.values()}
    assert {r["structure"] for r in searched} < {r["structure"] for r in confirmed}
    assert max(Counter(r["structure"] for r in confirmed).values()) == 2
    assert finished.summary.best_baseline is not None


def test_base_functions_among_the_enumerated_are_baselines(run):
    finished, _ = run(
        space__types={"given": [{"kind": "base", "name": "relu"}, {"kind": "prelu"}]},
        strategy={"name": "enumerate"},
        baselines={"replicates": 0},
        confirm={"candidates": 2, "seeds": 2, "distinct": "structure"},
    )
    assert {c.label: c.baseline for c in finished.summary.confirmed} == {"8 relu": True, "8 prelu": False}


# --- failures -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "state", "error"),
    [
        ("raises", "failed", "RuntimeError: faulty task"),
        ("nan", "diverged", "not finite at the last step"),
        ("hangs", "timed_out", "not finished after 1.5 s"),
    ],
)
def test_a_third_of_the_candidates_fails(fault, state, error, run):
    finished, rows = run(
        task={"name": "faulty", fault: 0.3, "hang_seconds": 5.0},
        packs={"size": 2 if fault == "hangs" else 4, "timeout_seconds": 1.5},
        training__steps=3,
        budget__networks=20 if fault == "hangs" else 40,
    )
    assert finished.complete
    assert [r["proposal"] for r in rows] == list(range(len(rows)))
    failed = [r for r in rows if r["state"] != "completed"]
    assert {r["state"] for r in failed} == {state}
    assert all(error in r["error"] for r in failed)
    assert all(r["val_metric"] is None and not r["artifact"] for r in failed)
    assert 0.1 < len(failed) / len(rows) < 0.5
    # None among the elite: what failed in the search is neither a parent nor confirmed.
    bad = {r["candidate"] for r in failed if r["phase"] not in FRESH}
    assert bad
    assert not bad & {r["candidate"] for r in rows if r["phase"] == "confirm"}
    generations = {}
    for r in failed:
        if r["phase"] not in FRESH:  # that is no generation of the search
            generations.setdefault(r["candidate"], r["generation"])
    for r in rows:
        for parent in r["parents"] if r["phase"] == "search" else ():
            assert generations.get(parent, r["generation"]) >= r["generation"]
    assert dict(finished.summary.failures) == {state: len(failed)}


def test_when_all_fail_the_most_frequent_cause_is_named(run):
    with pytest.raises(SearchFailed, match=r"all 22 networks failed, \d+ of them with: RuntimeError: faulty"):
        run(task={"name": "faulty", "raises": 1.0})


def test_a_search_of_one_network_that_fails_says_so(run):
    alone = {"budget": {"networks": 1}, "baselines": {"replicates": 0}}
    with pytest.raises(SearchFailed, match=r"^the one network failed: RuntimeError: faulty"):
        run(task={"name": "faulty", "raises": 1.0}, **alone)


def test_when_all_fail_the_exit_code_is_1(config_file, tmp_path, capsys):
    config = config_file(task={"name": "faulty", "nan": 1.0}, training__steps=2)
    with pytest.raises(SystemExit) as exit_:
        main(["search", str(config), "-o", str(tmp_path / "run")])
    assert exit_.value.code == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("all 22 networks failed, 22 of them with: not finite at the last step")
    board = Leaderboard(tmp_path / "run")
    assert len(board) == 22


@pytest.mark.slow
def test_candidates_that_fail_in_the_confirmation_stand_aside(run):
    finished, rows = run(task={"name": "faulty", "raises": 0.15}, confirm={"candidates": 4, "seeds": 4})
    confirmed = {}
    for row in rows:
        if row["phase"] == "confirm":
            confirmed.setdefault(row["candidate"], []).append(row["state"])
    failed = {candidate for candidate, states in confirmed.items() if "failed" in states}
    assert failed
    assert {c.candidate for c in finished.summary.confirmed} == confirmed.keys() - failed
    assert finished.summary.set_aside == len(failed)


# --- budgets and switches -----------------------------------------------------------------------


@pytest.mark.slow
def test_budget_of_time(run):
    """The clock is that of the search: baselines and confirmation come on top."""
    finished, rows = run(
        budget={"minutes": 0.05}, task={"name": "faulty", "hangs": 0.05, "hang_seconds": 0.02}
    )
    assert finished.complete
    counts = Counter(r["phase"] for r in rows)
    assert counts["baseline"] == 6
    assert counts["search"] >= 4  # however slow this machine is
    assert counts["confirm"] in (4, 6)
    searched = [r for r in rows if r["phase"] == "search"]
    spent = max(r["finished_at"] for r in searched) - min(r["started_at"] for r in searched)
    assert 0.0 < spent.total_seconds() < 60.0


@pytest.mark.parametrize("jump", [86400.0, -86400.0])
def test_a_clock_that_is_set_ends_no_search(jump, run, monkeypatch):
    """A day on or back in the middle of it: neither is time that was spent."""
    real, calls = time.time, []

    def set_meanwhile():
        calls.append(0)
        return real() + (jump if len(calls) > 6 else 0.0)

    monkeypatch.setattr(time, "time", set_meanwhile)
    finished, rows = run(budget={"minutes": 5, "networks": 16})
    assert len(calls) > 7
    assert finished.complete
    assert Counter(r["phase"] for r in rows)["search"] == 16
    assert all(0.0 <= (r["finished_at"] - r["started_at"]).total_seconds() < 600.0 for r in rows)


def test_whichever_budget_is_spent_first(run):
    _, rows = run(
        budget={"minutes": 10, "networks": 12, "gradient_examples": 9 * 20 * 32}, confirm__candidates=0
    )
    assert Counter(r["phase"] for r in rows) == {"baseline": 6, "search": 9}


def test_without_baselines(run):
    finished, rows = run(baselines__replicates=0)
    assert Counter(r["phase"] for r in rows) == {"search": 16, "confirm": 4, "judge": 1}
    assert finished.summary.baselines == ()
    assert finished.summary.best_baseline is None


def test_without_confirmation(run):
    finished, rows = run(confirm__candidates=0)
    assert Counter(r["phase"] for r in rows) == {"baseline": 6, "search": 16}
    assert finished.summary.confirmed == ()
    assert finished.summary.winner is None


def test_baselines_on_several_replicates(run):
    _, rows = run(baselines__replicates=3, confirm__candidates=0, training__steps=2)
    baselines = [r for r in rows if r["phase"] == "baseline"]
    assert Counter(r["seed"] for r in baselines) == {0: 6, 1: 6, 2: 6}


def test_a_batch_larger_than_the_data_is_refused_before_the_directory_is_made(tiny, tmp_path):
    with pytest.raises(UserError, match=r"expected training.batch_size of at most 400, .* got 401"):
        search(experiment(tiny(training__batch_size=401)), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_budget_below_one_network_of_epochs_is_refused_before_the_directory_is_made(tiny, tmp_path):
    data = tiny(training={"epochs": 2, "batch_size": 40}, budget={"gradient_examples": 799})
    with pytest.raises(UserError, match=r"gradient_examples of at least 800 for one network, got 799"):
        search(experiment(data), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_an_address_is_for_ray(tiny, tmp_path):
    with pytest.raises(UserError, match=r"expected execution.backend ray_tune with --address, got local"):
        search(experiment(tiny()), tmp_path / "run", address="auto")
    assert not (tmp_path / "run").exists()


def test_observed_from_start_to_end(tiny, tmp_path):
    seen = []
    finished = search(experiment(tiny()), tmp_path / "run", observe=seen.append)
    assert (seen[0].phase, seen[0].done, seen[0].rate, seen[0].seconds_left) == ("baseline", 0, None, None)
    assert [p.total_done for p in seen] == sorted({p.total_done for p in seen})
    assert seen[-1].total_done == finished.summary.networks
    assert list(dict.fromkeys(p.phase for p in seen)) == ["baseline", "search", "confirm", "judge"]
    search_ = [p for p in seen if p.phase == "search"]
    assert (search_[-1].done, search_[-1].planned) == (16, 16)
    assert search_[-1].median <= search_[-1].best
    assert seen[-1].done == seen[-1].planned


def test_summary_of_rows_is_that_of_the_run(tiny, tmp_path, rows_of):
    made = experiment(tiny())
    finished = search(made, tmp_path / "run")
    rows = Leaderboard(tmp_path / "run").to_arrow().to_pylist()
    assert summarise(map(result, rows), 1, trivial_metrics(made.task)) == finished.summary
    assert read_run(tmp_path / "run").summary == finished.summary
    assert "the most frequent class of the training split" in verdict(finished.summary)


@pytest.mark.slow
def test_nothing_is_imported_while_a_packs_time_runs(tiny):
    """A time limit must not strike in the middle of an import, and an import must not cost a pack its time."""
    script = (
        "import sys\n"
        "from evoact.config import Plan, experiment\n"
        "from evoact.execution.worker import PackTrainer\n"
        "from evoact.execution.stages import Stages\n"
        "from evoact.training import isolation\n"
        f"made = experiment({tiny(packs={'size': 4, 'timeout_seconds': 60.0})!r})\n"
        "train, stages, original = PackTrainer(Plan.of(made), gpu=False), Stages(made, None, []), isolation.ended\n"
        "def watched(work, seconds):\n"
        "    before = set(sys.modules)\n"
        "    found = original(work, seconds)\n"
        "    assert set(sys.modules) == before, set(sys.modules) - before\n"
        "    return found\n"
        "isolation.ended = watched\n"
        "assert {r.state for r in train('a pack', stages.ask(4))} == {'completed'}\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
