"""Learning curves as rows of a second table: exactly once, whatever is killed."""

import io
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

import evoact
from evoact.config import experiment
from evoact.errors import UserError
from evoact.execution.run import resume, search
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.store import write
from evoact.leaderboard.union import union
from evoact.report.run import read_run
from evoact.training import learning_curves


@pytest.fixture(scope="module")
def asked(tiny):
    return experiment(tiny(training={"steps": 20, "batch_size": 32, "curve_every": 5}))


@pytest.fixture(scope="module")
def finished(asked, tmp_path_factory):
    place = tmp_path_factory.mktemp("runs") / "run"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning_curves, "SHARE", 1e6)  # all of both splits: the last point is the metric
        search(asked, place)
    return place


def points(place):
    """All points as plain Parquet holds them, without the run's name."""
    files = sorted((place / "curves").glob("[!.]*.parquet"))
    rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    rows = [{name: value for name, value in row.items() if name != "run"} for row in rows]
    return sorted(rows, key=lambda row: (row["proposal"], row["step"]))


def test_each_network_has_its_points_and_the_last_is_its_metric(finished):
    board = Leaderboard(finished)
    curves, rows = board.curves().to_pandas(), board.to_pandas()
    assert len(curves) == 4 * len(rows)
    joined = curves.merge(rows, on=["arm", "repeat", "candidate", "seed", "phase", "rung"])
    last = joined[joined["step"] == joined["steps"]]
    assert (last["val_metric_x"] == last["val_metric_y"]).all()
    assert np.allclose(last["train_loss_x"], last["train_loss_y"])
    assert len(list((finished / "curves").iterdir())) == 1


def test_sql_sees_them_beside_the_leaderboard(finished):
    board = Leaderboard(finished)
    (row,) = board.sql(
        "SELECT count(*) AS n, max(c.step) AS last FROM curves c JOIN leaderboard l USING (candidate, seed, phase) "
        "WHERE l.phase = 'baseline'"
    ).to_pylist()
    assert row == {"n": 4 * 6, "last": 20}
    assert board.sql("SELECT count(*) AS n FROM leaderboard").to_pylist()[0]["n"] == len(board)
    with pytest.raises(UserError, match="over the tables 'leaderboard' and 'curves', got the table 'curve'"):
        board.sql("SELECT * FROM curve")


def test_without_them_the_table_is_empty_and_networks_are_the_same(finished, tiny, rows_of, tmp_path):
    search(experiment(tiny()), tmp_path / "run")
    assert len(Leaderboard(tmp_path / "run").curves()) == 0
    assert Leaderboard(tmp_path / "run").sql("SELECT count(*) AS n FROM curves").to_pylist() == [{"n": 0}]
    assert rows_of(tmp_path / "run") == rows_of(finished)


@pytest.mark.parametrize("packs", [0, 3])
def test_a_run_killed_between_curves_and_rows_has_each_point_once(
    asked, finished, packs, tmp_path, monkeypatch
):
    monkeypatch.setattr(learning_curves, "SHARE", 1e6)  # as in `finished`
    place, written, table = tmp_path / "run", [], write.table

    def killed(results, **named):
        written.append(results)
        if len(written) > packs:
            raise RuntimeError("killed")
        return table(results, **named)

    monkeypatch.setattr(write, "table", killed)
    with pytest.raises(RuntimeError, match="killed"):
        search(asked, place)
    monkeypatch.setattr(write, "table", table)
    assert len(list((place / "curves").iterdir())) == packs + 1
    resume(place)
    assert points(place) == points(finished)


def test_points_that_were_written_twice_count_once_wherever_they_are_asked_for(finished, tmp_path):
    """As those of a pack whose rows were damaged, and that was trained again with other packs; those of another run of
    the same name are not meant."""
    place = shutil.copytree(finished, tmp_path / "run")
    whole = Leaderboard(finished).curves()
    (place / "curves" / "part-again.parquet").write_bytes(write.parquet(whole.slice(3, 10)))
    count = "SELECT count(*) AS n, sum(val_metric) AS sum FROM curves"
    one, same = Leaderboard(place), Leaderboard(finished)
    assert one.curves() == whole
    assert one.sql(count) == same.sql(count)
    both = Leaderboard(place, finished, place / ".." / "run")
    assert len(both.curves()) == 2 * len(whole)
    assert both.sql(count).to_pylist()[0]["n"] == 2 * len(whole)


def test_damaged_points_are_left_out_and_named(finished, tmp_path):
    """Also those without a seal, of which SQL would not know."""
    place = shutil.copytree(finished, tmp_path / "run")
    content = io.BytesIO()
    pq.write_table(Leaderboard(finished).curves(), content, write_page_checksum=True)
    data = bytearray(content.getvalue())
    data[100] ^= 255
    (place / "curves" / "part-older.parquet").write_bytes(data)
    said = []
    board = Leaderboard(place, report=said.append)
    assert board.sql("SELECT count(*) AS n FROM curves").to_pylist() == [{"n": len(board.curves())}]
    assert len(said) == 2
    assert "expected a whole file, got a damaged one" in said[0]
    assert read_run(place).problems == (said[0],)


def test_the_report_and_the_result_draw_them(finished):
    found = evoact.resume(finished)
    assert "training split" in found.plot_learning().figure.note
    assert 'id="learning"' in (finished / evoact.write_report(finished)).read_text()


def test_a_result_without_them_says_how_to_get_them(tiny, tmp_path):
    found = evoact.search(tiny(), tmp_path / "run")
    with pytest.raises(UserError, match=r'expected learning curves .* with training={"curve_every": 100}'):
        found.plot_learning()


def test_a_union_has_the_curves_of_each_network_once(finished, tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(learning_curves, "SHARE", 1e6)
    training = {"steps": 20, "batch_size": 32, "curve_every": 5}
    search(experiment(tiny(training=training, seed=1)), tmp_path / "other")
    union([finished, tmp_path / "other", finished.parent / "run"], tmp_path / "all")
    board = Leaderboard(tmp_path / "all")
    curves, rows = board.curves().to_pandas(), board.to_pandas()
    joined = curves.merge(rows, on=["candidate", "seed", "phase", "rung"])
    assert len(joined) == len(curves) == 4 * len(rows)
    last = joined[joined["step"] == joined["steps"]]
    assert (last["val_metric_x"] == last["val_metric_y"]).all()
    assert (joined["proposal_x"] == joined["proposal_y"]).all()
