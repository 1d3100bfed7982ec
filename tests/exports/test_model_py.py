"""Both ends of `model.py`, from inputs as the data has them to predictions, are those of evoact."""

import math
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import evoact
from evoact.config import experiment
from evoact.execution.run import search
from evoact.exports.model_py import model_py
from evoact.exports.plain_network import Source
from evoact.tasks.images import ImageTask
from evoact.tasks.own.preprocessing import Category, Number, Preprocessing, Standardisation
from evoact.tasks.task import ArrayTask

MADE = Source(
    "",
    """def build() -> nn.Module:
    return nn.Identity()""",
)


def made(task, preprocessing=None):
    text = model_py("A title.", MADE, task, preprocessing, {"w": torch.zeros(1)})
    names = {"__name__": "model", "FACTS": {"preprocessing": preprocessing and preprocessing.to_json()}}
    exec(text.replace("FACTS = json", "# FACTS"), names)
    return SimpleNamespace(**names)


def array_task(classification, *shape):
    return ArrayTask(shape, 3, classification, lambda: {})


def test_a_table():
    columns = (Number("age", 30.0, True), Number("size", 1.0, False), Category("sex", ("f", "m", "3", None)))
    scaling = Standardisation(np.arange(7.0), np.arange(1.0, 8.0))
    known = Preprocessing(scaling, None, ("no", "yes", "maybe"), columns)
    table = {
        "age": [20.0, None, math.nan, 7],
        "size": ["1.5", "", 2, 1],
        "sex": ["m", "x", math.nan, 3.0],
    }
    module = made(array_task(True, 7), known)
    with pytest.warns(UserWarning, match="column 'sex': 1 of 4 rows"):
        expected = known.apply(table)
    assert np.array_equal(module.prepare(table).numpy(), expected)
    assert module.predict(lambda x: x[:, :3], table) == [known.classes[i] for i in expected[:, :3].argmax(1)]


def test_standardised_inputs_and_targets():
    known = Preprocessing(
        Standardisation(np.array([1.0, 2.0]), np.array([3.0, 0.1])),
        Standardisation(np.array([5.0, 0.0]), np.array([2.0, 1.0])),
        (),
    )
    x = np.random.default_rng(0).normal(size=(5, 2))
    module = made(array_task(False, 2), known)
    assert np.array_equal(module.prepare(x).numpy(), known.apply(x))
    assert np.allclose(module.predict(lambda z: z, x).numpy(), known.apply(x) * [2.0, 1.0] + [5.0, 0.0])


def test_pixels():
    task = ImageTask((2, 4, 6), 3, lambda: {}, (0.3, 0.4), (0.2, 0.5), False, (0, 0), "edge")
    x = np.random.default_rng(0).integers(0, 256, (5, 2, 7, 8)).astype(np.uint8)
    expected = task.prepare(torch.as_tensor(x.astype(np.float32))[None], None)[0]
    assert torch.equal(made(task).prepare(x), expected)


def test_inputs_as_they_are():
    module = made(array_task(False, 2))
    assert module.predict(lambda z: z, [[1, 2]]).tolist() == [[1.0, 2.0]]
    assert made(array_task(True, 2)).predict(lambda z: z, [[1, 2]]).tolist() == [1]


@pytest.mark.slow
def test_a_network_of_a_table_goes_home_whole(tiny, tmp_path, monkeypatch):
    """From raw columns to values in their own units: alike in evoact, and in what is exported."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"age": rng.normal(40, 10, 90), "city": ["Rome", "Oslo", None] * 30})
    frame["price"] = 1e5 + 1e3 * frame["age"]
    frame.loc[::7, "age"] = np.nan
    frame.to_csv(tmp_path / "a.csv", index=False)
    task = {"name": "table", "path": str(tmp_path / "a.csv"), "target": "price"}
    search(experiment(tiny(task=task, training__batch_size=16, training__steps=40)), tmp_path / "run")
    expected = evoact.load(tmp_path / "run").predict(frame)
    monkeypatch.syspath_prepend(evoact.export(tmp_path / "run", tmp_path / "home"))
    monkeypatch.delitem(sys.modules, "model", raising=False)
    import model

    said = model.predict(model.load(), frame)
    monkeypatch.delitem(sys.modules, "model")
    assert said.numpy() == pytest.approx(expected, rel=1e-5)
    assert 5e4 < expected.mean() < 3e5
