"""The order of the ranking, against a plain loop and case by case."""

import statistics

import numpy as np
import pytest

from evoact.leaderboard.ask import prefilter as module
from evoact.leaderboard.ask.query import Leaderboard


def test_one_row_per_candidate_with_the_mean_over_seeds(tmp_path, make_result, write):
    write(
        tmp_path,
        make_result(0, val=0.5),
        make_result(1, val=0.9),
        make_result(2, candidate=1, seed=1, val=0.3),
        make_result(3, val=0.7),
    )
    top = Leaderboard(tmp_path).top().to_pylist()
    assert [(r["rank"], r["candidate"], r["val_mean"], r["seeds"]) for r in top] == [
        (1, 3, 0.7, 1),
        (2, 1, pytest.approx(0.6), 2),
        (3, 0, 0.5, 1),
    ]
    assert [(r["run"], r["phase"], r["test_mean"]) for r in top] == [("run", "search", None)] * 3


def test_confirmed_candidates_stand_above_and_by_their_fresh_seeds(tmp_path, make_result, write):
    write(
        tmp_path,
        make_result(0, val=0.99),
        make_result(1, val=0.95),
        make_result(2, val=0.94),
        make_result(3, candidate=1, seed=1000, val=0.5, test_metric=0.4, phase="confirm"),
        make_result(4, candidate=2, seed=1000, val=0.6, test_metric=0.3, phase="confirm"),
        make_result(
            5, candidate=2, seed=1001, val=0.8, test_metric=0.5, phase="confirm", test_large_metric=0.2
        ),
    )
    top = Leaderboard(tmp_path).top().to_pylist()
    assert [r["candidate"] for r in top] == [2, 1, 0]
    assert [r["phase"] for r in top] == ["confirm", "confirm", "search"]
    assert [r["val_mean"] for r in top] == pytest.approx([0.7, 0.5, 0.99])
    assert [r["seeds"] for r in top] == [2, 1, 1]
    assert top[0]["test_mean"] == pytest.approx(0.4)
    assert top[0]["test_large_mean"] == pytest.approx(0.2)
    assert [r["test_mean"] for r in top[1:]] == [0.4, None]


def test_minimised_metrics(tmp_path, make_result, write):
    write(tmp_path, *(make_result(i, val=v, direction="minimize") for i, v in enumerate([0.3, 0.1, 0.2])))
    top = Leaderboard(tmp_path).top(2)
    assert top["candidate"].to_pylist() == [1, 2]
    assert top["val_mean"].to_pylist() == [0.1, 0.2]


def test_only_completed_rows_with_a_usable_metric_count(tmp_path, make_result, write):
    write(
        tmp_path,
        make_result(0, val=0.9, state="diverged"),
        make_result(1, val=0.9, state="pruned"),
        make_result(2, val=None, state="failed", error="x"),
        make_result(3, val=float("nan")),
        make_result(4, val=float("inf")),
        make_result(5, val=None),
        make_result(6, val=0.1),
    )
    assert Leaderboard(tmp_path).top()["candidate"].to_pylist() == [6]


def test_a_promoted_candidate_stands_at_its_highest_rung(tmp_path, make_result, write):
    write(
        tmp_path,
        make_result(0, val=0.9, rung=0),
        make_result(1, candidate=0, val=0.5, rung=1),
        make_result(2, val=0.6, rung=0),
    )
    top = Leaderboard(tmp_path).top()
    assert top["candidate"].to_pylist() == [2, 0]
    assert top["val_mean"].to_pylist() == [0.6, 0.5]


def test_ties_go_to_more_seeds_then_to_the_first(tmp_path, make_result, write):
    write(
        tmp_path,
        make_result(0, val=0.5),
        make_result(1, val=0.5),
        make_result(2, val=0.5),
        make_result(3, candidate=2, seed=1, val=0.5),
    )
    board = Leaderboard(tmp_path)
    assert board.top()["candidate"].to_pylist() == [2, 0, 1]
    assert board.top(2)["candidate"].to_pylist() == [2, 0]


def test_candidates_of_runs_arms_and_repeats_are_different(tmp_path, make_result, write):
    for name in ("a", "b"):  # two directories whose runs have the same name
        write(
            tmp_path / name,
            make_result(1, val=0.1, pack=name),
            make_result(1, val=0.2, arm="x", pack="x"),
            make_result(1, val=0.3, repeat=1, pack="1"),
        )
    top = Leaderboard(tmp_path / "a", tmp_path / "b").top()
    assert top["seeds"].to_pylist() == [1] * 6
    assert top["val_mean"].to_pylist() == pytest.approx([0.3, 0.3, 0.2, 0.2, 0.1, 0.1])


def test_a_run_is_one_run_whatever_it_was_called(tmp_path, make_result, write):
    for seed, name in enumerate(("before", "renamed")):
        write(tmp_path / "run", make_result(seed, candidate=0, seed=seed, val=seed, pack=name), run=name)
    parts = sorted((tmp_path / "run" / "leaderboard").iterdir())
    # Parts on their own may be of several runs, whose candidates are others.
    assert Leaderboard(tmp_path / "run").top()["seeds"].to_pylist() == [1, 1]
    (tmp_path / "run" / "config.yaml").touch()
    for paths in ([tmp_path / "run"], [tmp_path / "run" / "leaderboard"], parts):
        top = Leaderboard(*paths).top()
        assert top.select(["seeds", "val_mean"]).to_pylist() == [{"seeds": 2, "val_mean": 0.5}]


def test_what_is_shown_belongs_to_the_candidate(tmp_path, make_result, make_genome, write):
    genomes = [make_genome(relu, 10.0**-relu) for relu in (10, 5, 2)]
    write(tmp_path, *(make_result(i, val=i / 10, genome=g, pack=str(i)) for i, g in enumerate(genomes)))
    top = Leaderboard(tmp_path).top()
    assert top["label"].to_pylist() == ["2 relu + 8 sin", "5 relu + 5 sin", "10 relu"]
    assert top["learning_rate"].to_pylist() == pytest.approx([1e-2, 1e-5, 1e-10])
    assert top["heterogeneous"].to_pylist() == [True, True, False]
    assert len(set(top["structure"].to_pylist())) == 3


def test_against_a_plain_loop(tmp_path, make_result, write):
    rng = np.random.default_rng(0)
    results = [
        make_result(
            i,
            candidate=int(rng.integers(0, 60)),
            seed=i,
            val=float(rng.random()),
            phase=str(rng.choice(["search", "search", "baseline", "confirm"])),
            state=str(rng.choice(["completed", "completed", "diverged"])),
            pack=str(i % 7),
        )
        for i in range(300)
    ]
    write(tmp_path, *results)
    lists = {}
    for r in results:
        if r.state == "completed":
            confirmed = r.proposal.phase == "confirm"
            lists.setdefault(r.proposal.candidate, {True: [], False: []})[confirmed].append(r.val_metric)
    expected = sorted(
        ((bool(v[True]), statistics.fmean(v[True] or v[False]), c) for c, v in lists.items()), reverse=True
    )
    for n in (1, 10, 40, 100):
        top = Leaderboard(tmp_path).top(n)
        assert top["candidate"].to_pylist() == [c for _, _, c in expected[:n]]
        assert top["val_mean"].to_pylist() == pytest.approx([mean for _, mean, _ in expected[:n]])


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
@pytest.mark.parametrize("n", [1, 5, 30])
@pytest.mark.parametrize("spread", [0.0, 0.02, 1.0])
def test_leaving_out_rows_that_cannot_matter_changes_nothing(
    spread, n, direction, tmp_path, make_result, write, monkeypatch
):
    rng = np.random.default_rng(n)
    quality = rng.random(80).round(1)
    results = [
        make_result(
            i,
            candidate=int(c),
            seed=i,
            val=float(quality[c] + spread * rng.normal()),
            rung=int(rng.integers(0, 2)),
            phase="confirm" if c % 20 == 3 and i % 2 else "search",
            state="completed" if rng.random() < 0.9 else "failed",
            direction=direction,
            arm=str(c % 2),
            pack=str(c % 2),
        )
        for i, c in enumerate(rng.integers(0, 80, 400))
    ]
    write(tmp_path / "a", *results)
    write(tmp_path / "b", *results[:200])
    board = Leaderboard(tmp_path / "a", tmp_path / "b")
    everything = board.top(n).to_pylist()
    monkeypatch.setattr(module, "FEW", 0)
    monkeypatch.setattr(module, "AT_LEAST", 10)
    monkeypatch.setattr(module, "PER_CANDIDATE", 1)
    assert board.top(n).to_pylist() == everything


def test_a_judged_candidate_ranks_by_the_seeds_that_chose_it_and_is_worth_what_the_others_say(
    tmp_path, make_result, write
):
    write(
        tmp_path,
        make_result(0, candidate=0, seed=1000, val=0.6, test_metric=0.9, phase="confirm"),
        make_result(1, candidate=1, seed=1000, val=0.5, test_metric=0.8, phase="confirm"),
        make_result(2, candidate=0, seed=1001, val=0.1, test_metric=0.3, phase="judge"),
        make_result(3, candidate=0, seed=1002, val=0.1, test_metric=0.5, phase="judge"),
    )
    first, second = Leaderboard(tmp_path).top(5).to_pylist()
    assert (first["candidate"], first["val_mean"], first["seeds"], first["test_mean"]) == (0, 0.6, 1, 0.4)
    assert (second["candidate"], second["test_mean"]) == (1, 0.8)
