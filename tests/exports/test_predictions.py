"""Predictions for the rows of a file, as a data scientist wants them: by a command."""

import io
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

import evoact
from evoact.cli.main import app
from evoact.errors import UserError
from evoact.exports.predictions import predictions

N = 120
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "name": [f"row {i}" for i in range(N)],
        "age": RNG.normal(40, 10, N),
        "city": RNG.choice(["Rome", "Oslo"], N),
        "sick": np.where(RNG.random(N) < 0.5, "yes", "no"),
        "cost": RNG.normal(900, 100, N),
        "days": RNG.normal(9, 1, N),
    }
)
QUICK = {
    "network": {"name": "mlp", "hidden": [4]},
    "space": {"functions": ["relu", "sin"], "types": {"base": {}}, "learning_rate": {"values": [0.01]}},
    "strategy": "random",
    "training": {"steps": 5},
    "budget": {"networks": 2},
    "confirm": {"candidates": 1, "baselines": 1, "seeds": 2, "judge": 2},
    "execution": {"backend": "local"},
}


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    run = tmp_path_factory.mktemp("classes") / "run"
    evoact.search(data=FRAME.drop(columns=["name", "cost", "days"]), target="sick", run_dir=run, **QUICK)
    return run


@pytest.fixture(scope="module")
def values(tmp_path_factory):
    run = tmp_path_factory.mktemp("values") / "run"
    evoact.search(data=FRAME.drop(columns=["name", "sick"]), target=["cost", "days"], run_dir=run, **QUICK)
    return run


@pytest.fixture
def file(tmp_path):
    FRAME.to_csv(tmp_path / "new.csv", index=False)
    return str(tmp_path / "new.csv")


def call(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def test_labels_and_probabilities_stand_behind_the_columns_of_the_file(classes, file, tmp_path):
    network = evoact.load(classes)
    for name in ("out.csv", "out.parquet"):
        assert call(classes, file, "-o", tmp_path / name, "--probabilities").exit_code == 0
    found = pd.read_csv(tmp_path / "out.csv")
    assert list(found) == [*FRAME, "prediction", "probability_no", "probability_yes"]
    assert found["prediction"].tolist() == network.predict(FRAME).tolist()
    assert found["name"].tolist() == FRAME["name"].tolist()
    odds = found[["probability_no", "probability_yes"]].to_numpy()
    assert np.allclose(odds.sum(axis=1), 1)
    assert np.array_equal(np.array(network.classes)[odds.argmax(axis=1)], found["prediction"])
    assert np.allclose(odds, network.predict_proba(FRAME), atol=1e-9)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), found, check_dtype=False)


def test_an_export_predicts_the_same_to_the_terminal(classes, file, tmp_path):
    evoact.export(classes, tmp_path / "winner")
    texts = [call(place, file).stdout for place in (classes, tmp_path / "winner")]
    assert texts[0] == texts[1]
    assert len(pd.read_csv(io.StringIO(texts[0]))) == N


def test_the_code_in_the_readme_of_an_export_gives_the_same(classes, tmp_path, monkeypatch):
    folder = evoact.export(classes, tmp_path / "winner")
    code = (folder / "README.md").read_text().partition("```python")[2].partition("```")[0]
    *lines, prediction, odds = code.strip().splitlines()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "model", raising=False)
    names = {"x": FRAME}
    exec("\n".join(lines), names)
    network = evoact.load(classes)
    assert eval(prediction.partition("#")[0], names) == network.predict(FRAME).tolist()
    assert "with `age` and `city`." in (folder / "README.md").read_text()
    with pytest.raises(ValueError, match="expected the columns age, city, got none called 'city'"):
        names["prepare"](FRAME.drop(columns="city"))
    found = eval(odds.partition("#")[0], names).detach().numpy()
    assert np.allclose(found, network.predict_proba(FRAME), atol=1e-6)
    del sys.modules["model"]


def test_values_of_several_targets_by_name(values, file, tmp_path):
    assert call(values, file, "-o", tmp_path / "out.csv").exit_code == 0
    found = pd.read_csv(tmp_path / "out.csv")
    expected = evoact.load(values).predict(FRAME)
    assert np.allclose(found[["prediction_cost", "prediction_days"]], expected)


def test_a_category_that_training_did_not_know_is_a_sentence_and_no_error(classes, tmp_path):
    FRAME.assign(city="Graz").to_csv(tmp_path / "graz.csv", index=False)
    ended = call(classes, tmp_path / "graz.csv", "-o", tmp_path / "out.csv")
    assert ended.exit_code == 0
    assert "city" in ended.stderr
    assert "warn(" not in ended.stderr


def test_what_cannot_be_predicted_is_said(classes, values, home, file, tmp_path):
    with pytest.raises(
        UserError, match="trained on a table, whose columns a file has, got one of other data"
    ):
        predictions(evoact.load(home), file)
    with pytest.raises(
        UserError, match="expected a network that predicts classes, got one that predicts values"
    ):
        predictions(evoact.load(values), file, probabilities=True)
    (tmp_path / "short.csv").write_text("age\n3\n")
    with pytest.raises(UserError, match="got none called 'city'"):
        predictions(evoact.load(classes), str(tmp_path / "short.csv"))
    FRAME.assign(prediction=1).to_csv(tmp_path / "again.csv", index=False)
    with pytest.raises(
        UserError, match="a table without a column 'prediction', which is to be written, got one"
    ):
        predictions(evoact.load(classes), str(tmp_path / "again.csv"))


@pytest.mark.parametrize(
    ("name", "says"),
    [("new.csv", "expected a new file, got"), ("out.xlsx", "expected a file that ends in .csv or .parquet")],
)
def test_a_place_that_is_not_good_is_said(classes, file, tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    ended = call(classes, file, "-o", name)
    assert isinstance(ended.exception, UserError)
    assert says in str(ended.exception)
    assert list(pd.read_csv(file)) == list(FRAME)
