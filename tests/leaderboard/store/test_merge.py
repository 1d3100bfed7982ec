import numpy as np
import pyarrow as pa
import pytest

from evoact.leaderboard.schema import LEADERBOARD, table
from evoact.leaderboard.store import merge as module
from evoact.leaderboard.store.merge import Source, merged, of_part, of_rows, places
from evoact.leaderboard.store.parts import Part, inspect
from evoact.leaderboard.store.write import parquet_of


@pytest.fixture
def rows(make_result):
    def made(proposals, **changed):
        results = [make_result(i, parents=(i,), **changed) for i in proposals]
        return table(results, run="r", task="t", network="n")

    return made


def watched(name, rows, size):
    """A source, and how many of its rows are read at any time."""
    read = []

    def batches(columns):
        for first in range(0, len(rows), size):
            read.append(first)
            yield rows.select(list(columns)).slice(first, size)

    return Source(name, len(rows), batches), read


def merged_rows(sources):
    return pa.concat_tables([*merged(sources, places(sources, LEADERBOARD), LEADERBOARD)])


@pytest.mark.parametrize("group", [7, module.ROW_GROUP])
def test_rows_are_in_the_order_of_the_table(rows, monkeypatch, group):
    """Arm, repeat, proposal, whichever file they are in and in which order there; null after all others. Few rows are
    merged in one go."""
    monkeypatch.setattr(module, "ROW_GROUP", group)
    random = np.random.default_rng(0)
    one = pa.concat_tables([rows(range(50), arm="b"), rows(range(50), repeat=1), rows(range(50))])
    shuffled = one.take(pa.array(random.permutation(len(one))))
    nameless = rows([3]).set_column(1, one.schema.field("arm"), pa.nulls(1, pa.string()))
    sources = [
        of_rows("a", shuffled.slice(0, 70)),
        of_rows("b", nameless),
        of_rows("c", shuffled.slice(70)),
    ]
    expected = one.sort_by([(name, "ascending") for name in LEADERBOARD.order]).to_pylist()
    assert merged_rows(sources).to_pylist() == expected + nameless.to_pylist()


@pytest.mark.parametrize("group", [1, module.ROW_GROUP])
def test_a_key_counts_where_it_is_first(rows, monkeypatch, group):
    monkeypatch.setattr(module, "ROW_GROUP", group)
    first, second = rows([1, 2], val_metric=0.25), rows([2, 3], val_metric=0.75)
    sources = [of_rows("a", first), of_rows("b", second)]
    assert [list(place) for place in places(sources, LEADERBOARD)] == [[0, 1], [-1, 3]]
    assert merged_rows(sources)["val_metric"].to_pylist() == [0.25, 0.25, 0.75]


def test_sorted_files_are_read_as_far_as_they_are_needed(rows, monkeypatch):
    """Two of 100 rows, a row group of 10 at a time: when the first group is there, the second file is untouched."""
    monkeypatch.setattr(module, "ROW_GROUP", 10)
    (early, of_early), (late, of_late) = (
        watched("a", rows(range(100)), 10),
        watched("b", rows(range(100, 200)), 10),
    )
    found = places([early, late], LEADERBOARD)
    del of_early[:], of_late[:]
    groups = merged([early, late], found, LEADERBOARD)
    assert next(groups)["proposal"].to_pylist() == [*range(10)]
    assert (of_early, of_late) == ([0], [])
    rest = pa.concat_tables([*groups])
    assert rest["proposal"].to_pylist() == [*range(10, 200)]
    assert len(of_early) == len(of_late) == 10  # each once


def test_no_more_is_held_than_is_to_be_given(rows, monkeypatch):
    monkeypatch.setattr(module, "ROW_GROUP", 10)
    most = []

    class Counting(module._Reader):
        def next(self, n):
            found = super().next(n)
            most.append(sum(map(len, self._rows)))
            return found

    monkeypatch.setattr(module, "_Reader", Counting)
    odd, even = rows(range(1, 200, 2)), rows(range(0, 200, 2))
    sources = [watched("a", odd, 10)[0], watched("b", even, 10)[0]]
    assert merged_rows(sources)["proposal"].to_pylist() == [*range(200)]
    assert max(most) <= 10


def test_a_file_of_an_older_version_has_nulls(rows, tmp_path):
    older = rows([1, 2]).drop_columns(["precision", "error"])
    path = tmp_path / "old.parquet"
    path.write_bytes(parquet_of([older], older.schema))
    part = inspect(path)
    assert isinstance(part, Part)
    found = merged_rows([of_part(part, LEADERBOARD), of_rows("b", rows([0]))])
    assert found.schema.names == LEADERBOARD.schema.names
    assert found["precision"].to_pylist() == ["float32", None, None]
