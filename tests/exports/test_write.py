"""Exports: what is written, that it needs no evoact, and that nothing is left of one that fails."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import evoact
from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.exports import check, programs, write


@pytest.fixture(scope="module")
def exported(home, tmp_path_factory):
    return evoact.export(home, tmp_path_factory.mktemp("out") / "winner")


@pytest.mark.slow
def test_what_is_written(home, exported):
    names = {file.name for file in exported.iterdir()}
    onnx = set() if programs.missing_for_onnx() else {"model.onnx"}
    assert names == {"README.md", "model.py", "model.json", "model.pt2", "model.safetensors"} | onnx
    assert [p.name for p in exported.parent.iterdir()] == [exported.name]
    facts = json.loads((exported / "model.json").read_text())
    assert set(facts["checked"]) == {"model.py", "model.pt2"} | onnx
    assert facts["row"]["test_metric"] == evoact.load(home).rows[0]["test_metric"]
    readme = (exported / "README.md").read_text()
    assert readme.startswith(f"# {facts['label']}\n")
    assert "95 % interval" in readme or "Too few seeds" in readme


@pytest.mark.slow
def test_a_python_without_evoact_gives_the_same(home, exported):
    test = plan_of(home).task.splits()["test"]
    np.save(exported.parent / "x.npy", test.inputs)
    code = (
        "import sys; sys.modules['evoact'] = None; import numpy, torch; from model import load, predict;"
        "print(*predict(load(), numpy.load(sys.argv[1])).tolist())"
    )
    place = [str(exported.parent / "x.npy")]
    out = subprocess.run(
        [sys.executable, "-B", "-c", code, *place], cwd=exported, capture_output=True, text=True
    )
    assert out.stderr == ""
    assert [int(word) for word in out.stdout.split()] == evoact.load(home).predict(test.inputs).tolist()


@pytest.mark.slow
def test_an_export_loads_like_a_run(home, exported):
    mine, network = evoact.load(exported), evoact.load(home)
    x = np.random.default_rng(0).normal(size=(7, *network.shape))
    assert np.array_equal(mine.outputs(x), network.outputs(x))
    assert np.array_equal(mine.predict(x), network.predict(x))
    with pytest.raises(UserError, match=r"expected candidate [0-9]+, the one in .*, got 10000"):
        evoact.load(exported, candidate=10_000)


@pytest.mark.slow
def test_a_damaged_export(exported, tmp_path):
    for name in ("model.json", "model.safetensors"):
        for file in exported.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        (tmp_path / name).write_bytes(b"damaged")
        with pytest.raises(UserError, match=r"expected an exported network in .*, which cannot be read"):
            evoact.load(tmp_path)


def test_what_cannot_be_exported(home, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "file").touch()
    for arguments, match in (
        ({"directory": tmp_path / "there"}, "expected a new directory to export into"),
        ({"candidate": 10_000}, "expected a confirmed candidate of .*, got 10000"),
        ({"seed": 3}, "expected a fresh seed of candidate"),
        ({"seed": "all"}, "expected one fresh seed to export, got 'all'"),
    ):
        with pytest.raises(UserError, match=match):
            evoact.export(home, **{"directory": tmp_path / "new"} | arguments)
    assert [p.name for p in tmp_path.iterdir()] == ["there"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("part", "match"),
    [
        ("weights", "expected model.py to agree with evoact to 1e-05 on the test split, got a difference of"),
        ("metric", "expected model.py to give the accuracy of its row on the test split"),
        ("source", "expected the written files to compute without evoact, got 'ModuleNotFoundError"),
    ],
)
def test_nothing_is_left_of_an_export_that_differs(home, tmp_path, monkeypatch, part, match):
    def spoilt(folder, network, task):
        if part == "weights":
            with torch.no_grad():
                next(network.parameters()).add_(0.01)
        if part == "metric":
            network.rows[0]["test_metric"] += 0.001
        if part == "source":
            (folder / "model.py").write_text("import evoact\n")
        return check.check(folder, network, task)

    monkeypatch.setattr(write, "check", spoilt)
    monkeypatch.setattr(write, "write_programs", lambda *_: {})
    with pytest.raises(UserError, match=match):
        evoact.export(home, tmp_path / "new")
    assert list(tmp_path.iterdir()) == []
