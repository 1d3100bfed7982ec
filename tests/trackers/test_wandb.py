"""Weights & Biases, offline."""

import struct

import pytest

from evoact.errors import UserError
from evoact.trackers.wandb import WandB
from tests.trackers.examples import ENDED, begun, points

pytestmark = [
    pytest.mark.skipif("not __import__('importlib').util.find_spec('wandb')", reason="needs wandb"),
    pytest.mark.filterwarnings("ignore"),  # those of wandb
    pytest.mark.slow,
]


HEADER, BLOCK = 7, 2**15  # bytes; the files are logs as LevelDB writes them


def records(folder):
    """What the files of offline runs say, in order."""
    from wandb.proto.wandb_internal_pb2 import Record

    for file in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        data, at, content = file.read_bytes(), HEADER, b""
        while at < len(data):
            if BLOCK - at % BLOCK < HEADER:  # the rest of a block is empty
                at += BLOCK - at % BLOCK
                continue
            _, length, kind = struct.unpack("<IHB", data[at : at + HEADER])
            content += data[at + HEADER : at + HEADER + length]
            at += HEADER + length
            if kind in (1, 4):  # whole, or the last part of one
                record = Record()
                record.ParseFromString(content)
                yield record
                content = b""


def test_a_run_goes_on_where_it_was(tmp_path, monkeypatch):
    import wandb

    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    first = WandB(begun(tmp_path), project="mine")
    first.observe(points(1, 4))
    first._run.finish()
    second = WandB(begun(tmp_path, before=first.run, seen=3), project="mine")
    second.observe(points(4, 6))
    second.end(ENDED)
    wandb.teardown()  # what writes the files ends
    found = list(records(tmp_path))
    assert {(r.run.run_id, r.run.project, r.run.display_name) for r in found if r.HasField("run")} == {
        (first.run, "mine", "first")
    }
    history = [
        {"/".join(i.nested_key) or i.key: i.value_json for i in r.history.item}
        for r in found
        if r.history.item
    ]
    assert [(h["networks"], h["search/validation"]) for h in history] == [
        (str(p.step), str(p.values["search/validation"])) for p in points(1, 6)
    ]
    summary = {i.key or "/".join(i.nested_key): i.value_json for r in found for i in r.summary.update}
    assert summary["winner_test"] == "0.75"
    assert summary["verdict"] == '"A gain."'
    assert [r.exit.exit_code for r in found if r.HasField("exit")] == [0, 0]


def test_nobody_is_asked_for_a_key(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))  # where keys are kept
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    with pytest.raises(UserError, match="expected a key of Weights & Biases, got none; run `wandb login`"):
        WandB(begun(tmp_path), mode="online")
