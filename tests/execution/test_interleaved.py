"""A whole comparison: its rows are those of its searches, one by one, whatever interrupts it."""

import shutil
from collections import Counter

import numpy as np
import pytest
import ray
import yaml
from safetensors.numpy import load_file

from evoact.config import comparison, experiment
from evoact.errors import SearchFailed, UserError
from evoact.execution.run import compare, resume, search
from evoact.execution.stages import Stages
from evoact.leaderboard.schema import KEY
from evoact.records import FRESH
from tests.conftest import change_record

BUT = ("run", "train_seconds", "step_seconds_solo", "started_at", "finished_at", "pack", "arm", "repeat")
ARTIFACT = ("artifact",)  # named after its arm and repeat


@pytest.fixture(scope="module")
def home(tiny_comparison, tmp_path_factory):
    """The run directory of a comparison that nobody disturbed."""
    path = tmp_path_factory.mktemp("comparison") / "run"
    finished = compare(comparison(tiny_comparison()), path)
    assert (finished.run_dir, finished.complete, finished.networks, finished.failures) == (
        str(path),
        True,
        78,
        (),
    )
    assert len(finished.summaries) == 6
    with pytest.raises(UserError, match="got that of a comparison of 6"):
        _ = finished.summary
    return path


@pytest.fixture(scope="module")
def undisturbed(home, rows_of):
    return rows_of(home, ())


def by_part(rows, but=()):
    """Rows without some columns, by arm and repeat, in the order of proposals."""
    parts = {}
    for row in sorted(rows, key=lambda row: row["proposal"]):
        kept = {key: value for key, value in row.items() if key not in but}
        parts.setdefault((row["arm"], row["repeat"]), []).append(kept)
    return parts


def test_every_arm_and_repeat_is_a_search(undisturbed, tiny_comparison):
    parts = by_part(undisturbed)
    assert parts.keys() == set(comparison(tiny_comparison()).parts())
    for rows in parts.values():
        assert [row["proposal"] for row in rows] == list(range(len(rows)))
        assert Counter(row["phase"] for row in rows) == {"search": 8, "confirm": 4, "judge": 1}
        assert all((row["seed"] >= 1000) == (row["phase"] in FRESH) for row in rows)
    keys = [tuple(row[name] for name in KEY) for row in undisturbed]
    assert len(set(keys)) == len(keys)
    # Repeats are independent: the same genome gets other initial weights and other batches.
    first, second = (
        {row["fingerprint"]: row["val_metric"] for row in parts["homogeneous", r] if row["seed"] == 0}
        for r in (0, 1)
    )
    assert first.keys() & second.keys()
    assert any(first[name] != second[name] for name in first.keys() & second.keys())


@pytest.mark.slow
@pytest.mark.parametrize("part", [("evolution", 1), ("random", 0)])
def test_the_rows_are_those_of_the_search_alone(part, undisturbed, tiny_comparison, tmp_path, rows_of):
    alone = comparison(tiny_comparison()).part(*part)
    search(experiment(alone.plain()), tmp_path / "alone")
    (expected,) = by_part(rows_of(tmp_path / "alone", ()), BUT + ARTIFACT).values()
    assert by_part(undisturbed, BUT + ARTIFACT)[part] == expected


@pytest.mark.slow
def test_a_confirmation_that_would_be_another_now(
    home, undisturbed, tiny_comparison, tmp_path, monkeypatch, rows_of
):
    """As after an upgrade: in some repeats it began with other candidates. What is stored wins."""

    def stop(progress):
        if progress.total_done >= 50:
            raise KeyboardInterrupt

    chosen = Stages._to_confirm
    with monkeypatch.context() as patch:
        patch.setattr(Stages, "_to_confirm", lambda self: chosen(self)[::-1])
        assert not compare(comparison(tiny_comparison()), tmp_path / "run", observe=stop).complete
    before = [row for rows in by_part(rows_of(tmp_path / "run", ())).values() for row in rows]
    assert resume(tmp_path / "run").complete
    parts = by_part(rows_of(tmp_path / "run", ()))
    assert all(row in parts[row["arm"], row["repeat"]] for row in before)
    confirmed = Counter(
        (r["arm"], r["repeat"], r["candidate"], r["seed"]) for r in undisturbed if r["phase"] == "confirm"
    )
    again = [r for rows in parts.values() for r in rows if r["phase"] == "confirm"]
    assert Counter((r["arm"], r["repeat"], r["candidate"], r["seed"]) for r in again) == confirmed
    assert [r["fingerprint"] for r in again] != [
        r["fingerprint"] for r in undisturbed if r["phase"] == "confirm"
    ]


def test_the_scores_of_examples_are_kept_of_confirmed_networks(undisturbed, home):
    for row in undisturbed:
        if row["phase"] in FRESH:
            scores = load_file(home / row["artifact"])["examples.test"]
            assert scores.dtype == bool
            assert scores.mean() == pytest.approx(row["test_metric"], abs=1e-12)
        elif row["artifact"]:
            assert "examples.test" not in load_file(home / row["artifact"])


def test_the_errors_of_examples_of_a_regression(tiny_comparison, tmp_path, rows_of):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=x[:, :2] * 0.5)
    data = tiny_comparison(
        task={"name": "arrays", "path": str(tmp_path / "data.npz")}, repeats=1, training__batch_size=16
    )
    compare(comparison(data), tmp_path / "run")
    confirmed = [row for row in rows_of(tmp_path / "run", ()) if row["phase"] in FRESH]
    assert confirmed
    for row in confirmed:
        errors = load_file(tmp_path / "run" / row["artifact"])["examples.test"]
        assert errors.mean() == pytest.approx(row["test_metric"], rel=1e-6)


class Stop(Exception):
    """Ends a run in the middle, as a crash of the process would."""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 21, 40])
def test_an_interrupted_comparison_goes_on(after, undisturbed, tiny_comparison, tmp_path, rows_of):
    def observe(progress):
        assert progress.planned in (48, 24, 6)
        if progress.total_done >= after:
            raise Stop

    with pytest.raises(Stop):
        compare(comparison(tiny_comparison()), tmp_path / "run", observe=observe)
    repeats = Counter(row["repeat"] for row in rows_of(tmp_path / "run"))
    assert after <= repeats.total() < len(undisturbed)
    assert repeats[1] == 0 or repeats[0] == 39, "whole repeats come first"
    shutil.move(tmp_path / "run", tmp_path / "moved")
    assert resume(tmp_path / "moved").complete
    ignored = (*BUT[:5],)
    assert by_part(rows_of(tmp_path / "moved", ()), ignored) == by_part(undisturbed, ignored)
    again = resume(tmp_path / "moved")
    assert (again.complete, again.networks, again.failures) == (True, len(undisturbed), ())


@pytest.mark.slow
def test_an_arm_whose_every_candidate_fails_stops_no_other(tiny_comparison, tmp_path, rows_of):
    data = tiny_comparison(arms__random__learning_rate={"values": [1e38]})
    compared = compare(comparison(data), tmp_path / "run")
    assert dict(compared.failures) == {"diverged": 16}
    counts = Counter((row["arm"], row["state"]) for row in rows_of(tmp_path / "run"))
    assert counts["homogeneous", "completed"] == counts["evolution", "completed"] == 26
    assert counts["random", "completed"] == 0


def test_when_every_arm_fails_the_comparison_has_failed(tiny_comparison, tmp_path):
    data = tiny_comparison(task={"name": "faulty", "nan": 1.0})
    with pytest.raises(SearchFailed, match="all 48 networks failed, 48 of them with: not finite"):
        compare(comparison(data), tmp_path / "run")


def test_unequal_budgets_are_refused_before_the_directory_is_made(tiny_comparison, tmp_path):
    data = tiny_comparison(arms__random__training={"steps": 7})
    with pytest.raises(UserError, match="expected every arm to spend the same number of gradient-examples"):
        compare(comparison(data), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_rows_of_another_comparison_are_refused(home, tmp_path):
    shutil.copytree(home, tmp_path / "run")
    path = tmp_path / "run" / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["arms"]["another"] = config["arms"].pop("random")
    path.write_text(yaml.safe_dump(config))
    change_record(tmp_path / "run", finished_at=None)
    with pytest.raises(UserError, match=r"expected rows of the arms .*another.*, got one of .random."):
        resume(tmp_path / "run")


@pytest.mark.ray
def test_on_ray_as_in_one_process(undisturbed, tiny_comparison, tmp_path, rows_of):
    data = tiny_comparison(
        execution={"backend": "ray_tune", "workers": 2, "gpus_per_pack": 0, "cpus_per_pack": 0.5}
    )
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        assert compare(comparison(data), tmp_path / "ray").complete
    finally:
        ray.shutdown()
    ignored = (*BUT[:5],)
    assert by_part(rows_of(tmp_path / "ray", ()), ignored) == by_part(undisturbed, ignored)
