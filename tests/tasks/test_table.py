"""People's own tables: kinds of files and columns, what is fitted to the training split alone, splits, bad inputs."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from evoact.errors import UserError
from evoact.tasks.own.preprocessing import Preprocessing
from evoact.tasks.table import table

RNG = np.random.default_rng(0)
N = 200
FRAME = pd.DataFrame(
    {
        "age": RNG.normal(40, 10, N),
        "rooms": RNG.integers(1, 9, N),
        "city": RNG.choice(["Rome", "Oslo", "Bern"], N),
        "member": RNG.choice([True, False], N),
        "price": RNG.normal(2e5, 5e4, N),
        "kind": RNG.choice(["b", "a"], N),
    }
)
FRAME.loc[::7, "age"] = np.nan
FRAME.loc[::9, "city"] = None


def write(tmp_path, frame=FRAME, name="a.csv", **options):
    path = tmp_path / name
    {
        ".csv": lambda: frame.to_csv(path, index=False, **options),
        ".parquet": lambda: frame.to_parquet(path),
        ".feather": lambda: frame.to_feather(path),
    }[path.suffix]()
    return str(path)


def rows_of(task, frame, key="price"):
    """Which rows of the frame each split has, by a column that is unlike in all."""
    column = task.preprocessing.feature_names.index(key)
    scaling = task.preprocessing.features
    values = {
        name: s.inputs[:, column] * scaling.scale[column] + scaling.mean[column]
        for name, s in task.splits().items()
    }
    return {
        name: np.abs(frame[key].to_numpy()[None] - v[:, None]).argmin(axis=1) for name, v in values.items()
    }


@pytest.mark.parametrize("name", ["a.csv", "a.parquet", "a.feather"])
def test_every_kind_of_file_is_the_same_table(tmp_path, name):
    task = table(write(tmp_path, name=name), "kind")
    assert (task.metric, task.n_outputs, task.input_shape) == ("accuracy", 2, (9,))
    assert task.preprocessing.classes == ("a", "b")
    names = (
        "age",
        "age missing",
        "rooms",
        "city=Bern",
        "city=Oslo",
        "city=Rome",
        "city=missing",
        "member",
        "price",
    )
    assert task.preprocessing.feature_names == names
    same = table(write(tmp_path), "kind").splits()["test"].inputs
    assert np.allclose(task.splits()["test"].inputs, same, atol=1e-6)


def test_a_folder_a_uri_and_compressed_text(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for i in range(2):
        FRAME[i::2].to_parquet(folder / f"{i}.parquet")
    assert len(table(str(folder), "kind").splits()["train"]) == 120
    path = write(tmp_path)
    assert len(table(f"file://{path}", "kind").splits()["train"]) == 120
    FRAME.to_csv(tmp_path / "a.csv.gz", index=False)
    assert len(table(str(tmp_path / "a.csv.gz"), "kind").splits()["train"]) == 120


def test_columns_of_an_npz(tmp_path):
    path = str(tmp_path / "a.npz")
    np.savez(path, x=RNG.normal(size=(N, 2)), z=FRAME["price"], y=np.arange(N) % 2)
    assert table(path, "y").preprocessing.feature_names == ("x0", "x1", "z")
    assert table(path).input_shape == (2,)  # the arrays x and y
    np.savez(path, a=np.array([1, None], dtype=object), y=np.arange(2))
    with pytest.raises(UserError, match="Object arrays cannot be loaded"):
        table(path, "y")


def test_prepared_as_scikit_learn_does_it_on_the_training_split(tmp_path):
    task = table(write(tmp_path), "kind")
    train, test = (FRAME.iloc[rows_of(task, FRAME)[name]] for name in ("train", "test"))
    numbers = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    reference = make_column_transformer(
        (numbers, ["age"]),
        (MissingIndicator(), ["age"]),
        (StandardScaler(), ["rooms"]),
        (OneHotEncoder(sparse_output=False, handle_unknown="ignore"), ["city"]),
        ("passthrough", ["member"]),
        (StandardScaler(), ["price"]),
    ).fit(train)
    assert task.splits()["test"].inputs == pytest.approx(reference.transform(test).astype(float), abs=1e-5)


def test_the_preprocessing_is_plain_data_that_does_the_same(tmp_path):
    task = table(write(tmp_path), "kind")
    again = Preprocessing.from_json(json.loads(json.dumps(task.preprocessing.to_json())))
    rows = rows_of(task, FRAME)["test"]
    raw, expected = FRAME.iloc[rows], task.splits()["test"].inputs
    columns = ["age", "rooms", "city", "member", "price"]
    for given in (raw, dict(raw), raw[columns].to_numpy(), raw[columns].to_numpy().tolist()):
        assert again.apply(given) == pytest.approx(expected, abs=1e-6)


def test_what_predictions_are_asked_of(tmp_path):
    known = table(write(tmp_path), "kind").preprocessing
    new = FRAME[:4].assign(city=["Paris", "Oslo", "Rio", None])
    with pytest.warns(
        UserWarning, match=r"column city: 2 of 4 rows have categories without a feature .'Paris', 'Rio'"
    ):
        x = known.apply(new)
    assert x[0, 3:7].tolist() == [0, 0, 0, 0]
    assert x[3, 3:7].tolist() == [0, 0, 0, 1]
    with pytest.raises(UserError, match=r"expected the columns age, rooms, .*, got none called 'age'"):
        known.apply(new.drop(columns="age"))
    with pytest.raises(UserError, match=r"expected 5 columns .*, got an array of shape \(4, 2\)"):
        known.apply(np.zeros((4, 2)))
    with pytest.raises(UserError, match="expected numbers in column rooms, got 'many' in row 1"):
        known.apply({**new, "city": ["Oslo"] * 4, "rooms": [1, "many", 2, 3]})
