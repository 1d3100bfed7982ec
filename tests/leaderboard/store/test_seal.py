"""A part in which a bit flipped is named and never answered from."""

import random

import pyarrow.parquet as pq
import pytest

from evoact.errors import UserError
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.schema import SCHEMA
from evoact.leaderboard.store.compact import compact
from evoact.leaderboard.store.parts import Part, inspect, read
from evoact.leaderboard.store.seal import Broken, check_seal, sealed
from evoact.leaderboard.store.write import PARQUET


def flipped(content, rng):
    damaged = bytearray(content)
    damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


@pytest.mark.parametrize("compacted", [False, True])
def test_no_flipped_bit_changes_an_answer(compacted, run_dir):
    if compacted:
        compact(run_dir)
    path = sorted((run_dir / "leaderboard").iterdir())[0]
    content, expected = path.read_bytes(), pq.read_table(path).to_pylist()
    rng, named = random.Random(0), 0
    for _ in range(300):
        path.write_bytes(flipped(content, rng))
        part = inspect(path)
        if not isinstance(part, Part):
            named += 1
            continue
        rows, damaged = read([part], SCHEMA.names)
        assert damaged or rows.cast(SCHEMA).to_pylist() == expected
    assert named > 290  # all but those in the seal's own mark


def test_the_rest_answers(run_dir):
    path = sorted((run_dir / "leaderboard").iterdir())[2]  # candidates 8 to 11
    path.write_bytes(flipped(path.read_bytes(), random.Random(1)))
    said = []
    board = Leaderboard(run_dir, report=said.append)
    assert len(board) == board.sql("SELECT count(*) AS n FROM leaderboard")["n"][0].as_py() == 16
    assert 11 not in board.top(20)["candidate"].to_pylist()
    assert len(said) == 1
    assert (
        f"{path}: expected a whole file, got a damaged one: its checksum does not match its bytes" in said[0]
    )
    compact(run_dir)  # which leaves it as it is, for whoever can mend it
    assert path.exists()
    assert len(Leaderboard(run_dir, report=said.append)) == 16


def test_pages_of_files_without_a_seal_are_checked_by_all_who_read(run_dir):
    path = sorted((run_dir / "leaderboard").iterdir())[0]
    pq.write_table(pq.read_table(path), path, **PARQUET)  # as evoact did until 0.1
    assert check_seal(path) is False
    content = bytearray(path.read_bytes())
    column = pq.read_metadata(path).row_group(0).column(SCHEMA.get_field_index("val_metric"))
    content[column.data_page_offset + column.total_compressed_size - 3] ^= 4
    path.write_bytes(content)
    for ask in (
        lambda board: board.sql("SELECT max(val_metric) AS m, count(*) AS n FROM leaderboard")["n"][
            0
        ].as_py(),
        lambda board: len(board.top(20)),
        lambda board: board.to_arrow().num_rows,
    ):
        said = []
        assert ask(Leaderboard(run_dir, report=said.append)) == 16
        assert len(said) == 1
        assert str(path) in said[0]


def test_a_file_that_is_damaged_while_it_is_asked(run_dir):
    board = Leaderboard(run_dir, report=lambda problem: None)
    path = sorted((run_dir / "leaderboard").iterdir())[4]  # the best: of those shown, details are read
    column = pq.read_metadata(path).row_group(0).column(SCHEMA.get_field_index("genome"))
    content = bytearray(path.read_bytes())
    content[column.data_page_offset + column.total_compressed_size - 3] ^= 4
    path.write_bytes(content)
    assert board.top(1)["candidate"].to_pylist() == [15]
    assert len(board.problems) == 1


def test_a_seal(tmp_path):
    content = b"PAR1 pages footer\x06\x00\x00\x00PAR1"
    path = tmp_path / "a"
    path.write_bytes(sealed(content))
    assert check_seal(path)
    assert path.read_bytes().startswith(b"PAR1 pages ")
    assert path.read_bytes().endswith(content[11:])
    path.write_bytes(sealed(content).replace(b"pages", b"paget"))
    with pytest.raises(Broken):
        check_seal(path)
    for other in (b"", b"x", content):
        path.write_bytes(other)
        assert not check_seal(path)


def test_nothing_readable_is_an_error(run_dir):
    for path in (run_dir / "leaderboard").iterdir():
        path.write_bytes(path.read_bytes()[:-9] + b"x" + path.read_bytes()[-8:])
    with pytest.raises(UserError, match="expected at least one readable part, got none"):
        Leaderboard(run_dir)
