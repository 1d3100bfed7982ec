"""People's own tables: kinds of files and columns, what is fitted to the training split alone, splits, bad inputs."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
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
        UserWarning, match=r"column 'city': 2 of 4 rows have categories without a feature .'Paris', 'Rio'"
    ):
        x = known.apply(new)
    assert x[0, 3:7].tolist() == [0, 0, 0, 0]
    assert x[3, 3:7].tolist() == [0, 0, 0, 1]
    with pytest.raises(UserError, match=r"expected the columns age, rooms, .*, got none called 'age'"):
        known.apply(new.drop(columns="age"))
    with pytest.raises(UserError, match=r"expected 5 columns .*, got an array of shape \(4, 2\)"):
        known.apply(np.zeros((4, 2)))
    with pytest.raises(UserError, match="expected numbers in column rooms, got 'many'; leave"):
        known.apply({**new, "city": ["Oslo"] * 4, "rooms": [1, "many", 2, 3]})
    with pytest.raises(UserError, match="finite numbers in column rooms, got inf in row 2"):
        known.apply({**new, "rooms": [1, 2, np.inf, 3]})


NUMBERS = pd.DataFrame({"a": RNG.normal(size=60), "b": RNG.normal(size=60), "y": np.arange(60) % 2})
DAYS = pd.date_range("2020-01-01", periods=60)
AS_TEXT = NUMBERS.to_csv(index=False)


@pytest.mark.parametrize(
    ("frame", "arguments", "message"),
    [
        (NUMBERS, {"target": "z"}, "task.target: unknown column 'z'; known: a, b, y"),
        (NUMBERS, {}, "expected task.target, the column to predict, got none; the last columns are a, b, y"),
        (NUMBERS, {"target": "y", "drop": ["y"]}, "task.target apart from task.drop, got 'y' in both"),
        (NUMBERS, {"target": "y", "drop": ["a", "b"]}, "at least one column that a network can use"),
        (NUMBERS, {"target": "y", "metric": "auc"}, "unknown metric 'auc'; did you mean 'roc_auc'"),
        (
            NUMBERS,
            {"target": "y", "metric": "r2"},
            "a metric for classification in task.metric, one of accuracy",
        ),
        (NUMBERS, {"target": "a", "balanced": True}, "expected classes with task.balanced: true"),
        (NUMBERS.assign(y="x"), {"target": "y"}, "at least two classes in y, got only x"),
        (
            NUMBERS.assign(y=["x", "u"] + ["u", "v"] * 29),
            {"target": "y"},
            "at least 2 rows of each class in y, got 1 of 'x'; drop it, or join it",
        ),
        (
            NUMBERS.assign(y=[f"c{i}" for i in range(60)]),
            {"target": "y"},
            "few classes in y, got 60 different names in 60",
        ),
        (
            NUMBERS.assign(a=np.nan, b=np.nan),
            {"target": "y"},
            "got none; column 'a' is left out: it holds no value",
        ),
        (
            NUMBERS.assign(b=[np.inf] * 2 + [1.5] * 58),
            {"target": "y"},
            "in column b, got inf in row 0 and 1 more",
        ),
        (NUMBERS.assign(y=DAYS), {"target": "y"}, r"classes or numbers in the target y, got timestamp"),
        (
            NUMBERS.assign(b=["12", "x"] + [f"{i}" for i in range(58)]),
            {"target": "y"},
            "numbers or categories in column b, got 58 different numbers and 'x'",
        ),
        (
            NUMBERS.assign(y=NUMBERS["y"].where(NUMBERS.index > 3)),
            {"target": "y"},
            "value of the target y in every row, got none in 4 of 60, the first of them row 0",
        ),
        (NUMBERS[:7], {"target": "y"}, "at least 10 examples to split, got 7"),
        (NUMBERS, {"target": "a", "groups": "y"}, "at least 3 groups"),
        (NUMBERS.assign(t="x"), {"target": "y", "time": "t"}, "numbers or dates in task.time, column t, got"),
        (
            NUMBERS.assign(g=[None, *"a" * 59]),
            {"target": "y", "groups": "g"},
            "a group in every row, got none in 1 of column g",
        ),
        (NUMBERS.assign(c="u"), {"target": ["a", "c"]}, "numbers in several targets, got texts in c"),
        (NUMBERS, {"target": ["a", "a"]}, "different columns in task.target"),
        (
            NUMBERS,
            {"target": "y", "metric": "roc_auc", "time": "y"},
            "task.target apart from task.time, got 'y' in both",
        ),
        (
            NUMBERS.assign(y=NUMBERS["a"].rank() > 20, t=NUMBERS["a"]),
            {"target": "y", "time": "t", "metric": "roc_auc"},
            "every class in the validation split for roc_auc",
        ),
    ],
)
def test_tables_that_are_refused(tmp_path, frame, arguments, message):
    path = write(tmp_path, frame, "a.parquet")
    with pytest.raises(UserError, match=message) as error:
        table(path, **arguments)
    assert str(error.value).startswith((path, "expected", "unknown"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "got an empty file"),
        (b"a,b,y\n", "expected rows, got 3 columns and 0 rows"),
        (b"a,b,y\n1,2,0\n1,2\n", "lines of different lengths .*Expected 3 columns, got 2"),
        (b"a,a,y\n1,2,0\n", "expected one column 'a', got several of that name"),
        (AS_TEXT.replace("a,b", "ü,b").encode("latin1"), "not UTF-8"),
        (
            AS_TEXT.replace("\n", "ü\n").replace("yü", "y").encode("latin1"),
            "UTF-8, got other bytes in column y",
        ),
    ],
)
def test_damaged_text(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        table(str(path), "y")


@pytest.mark.parametrize("name", ["none.csv", "none", "a.xlsx", "a.parquet", "a.feather", "a.npz", "empty"])
def test_files_that_are_no_tables(tmp_path, name):
    for damaged in ("a.xlsx", "a.parquet", "a.feather", "a.npz"):
        (tmp_path / damaged).write_bytes(b"PK no table")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="expected"):
        table(str(tmp_path / name), "y")
    with pytest.raises(UserError, match="that pyarrow opens"):
        table("foo://bucket/a.csv", "y")


@pytest.mark.parametrize(
    "content",
    [
        NUMBERS.to_csv(index=False, sep=";"),
        NUMBERS.to_csv(index=False, sep=";", decimal=","),
        NUMBERS.to_csv(index=False, sep="\t"),
        "\ufeff" + NUMBERS.to_csv(index=False),
        NUMBERS.to_csv(index=False, lineterminator="\r\n"),
    ],
    ids=["semicolons", "decimal commas", "tabs", "byte order mark", "Windows"],
)
def test_dialects_of_csv(tmp_path, content):
    (tmp_path / "a.csv").write_text(content, encoding="utf-8", newline="")
    task = table(str(tmp_path / "a.csv"), "y")
    assert task.preprocessing.feature_names == ("a", "b")
    assert task.preprocessing.features.mean == pytest.approx([0, 0], abs=0.5)


@pytest.mark.parametrize(
    ("frame", "note"),
    [
        (NUMBERS.assign(d=DAYS), "column 'd' is left out: it holds dates"),
        (NUMBERS.assign(d=np.nan), "column 'd' is left out: it holds no value"),
        (NUMBERS.assign(d=[f"p{i}" for i in range(60)]), "it holds 60 different texts in 60 rows"),
        (NUMBERS.assign(d=10**18 + np.arange(60)), "holds whole numbers beyond 2^53"),
        (NUMBERS.assign(d=range(60)), "column 'd' numbers the rows; add it to task.drop"),
        (NUMBERS.assign(d=3.0 * NUMBERS["y"]), "column 'd' alone predicts the target (100 %"),
        (NUMBERS.assign(y=range(60)), "target y holds 60 different whole numbers in 60 rows, read as values"),
        (NUMBERS.assign(y=[1.0, 3.0] * 30), "whole floats in y are read as 2 classes (1, 3)"),
    ],
)
def test_what_is_said_of_columns(tmp_path, frame, note):
    task = table(write(tmp_path, frame), "y")
    assert len([n for n in task.notes if note in n]) == 1, task.notes


def test_categories_that_training_did_not_know_are_said(tmp_path):
    times = np.arange(60)
    frame = NUMBERS.assign(t=times, c=np.where(times < 50, np.array(["u", "v"])[times % 2], "new"))
    task = table(write(tmp_path, frame), "y", time="t")
    assert any("column 'c': 10 of 60 rows have categories without a feature ('new')" in n for n in task.notes)


def test_groups_and_time(tmp_path):
    frame = NUMBERS.assign(g=np.arange(60) // 6, t=DAYS[::-1])
    path = write(tmp_path, frame, "a.parquet")
    task = table(path, "y", groups="g")
    held = [set(rows // 6) for rows in rows_of(task, frame, "a").values()]
    assert sum(map(len, held)) == 10
    assert task.preprocessing.feature_names == ("a", "b")
    assert sorted(rows_of(table(path, "y", drop=["g"], time="t"), frame, "a")["test"]) == list(range(12))


def test_codes_of_categories_and_many_of_them(tmp_path):
    frame = NUMBERS.assign(code=np.arange(60) % 3, many=[f"k{i % 25}" for i in range(60)])
    task = table(write(tmp_path, frame), "y", categorical=["code"])
    assert task.preprocessing.feature_names[2:6] == ("code=0", "code=1", "code=2", "many=k0")
    x = task.preprocessing.apply([[0.0, 0.0, 2, "k3"], [0.0, 0.0, 2.0, "k3"]])
    assert np.array_equal(x[0], x[1])


def test_without_standardisation_scales_are_warned_about(tmp_path):
    task = table(write(tmp_path), "kind", standardise=False)
    assert task.preprocessing.features is None
    assert any("features have a scale outside 0.1 to 10 (price: mean" in n for n in task.notes)


def test_balanced_losses_weigh_as_scikit_learn_does(tmp_path):
    from sklearn.utils.class_weight import compute_class_weight

    frame = NUMBERS.assign(y=np.where(np.arange(60) % 5 == 0, "rare", "usual"))
    task = table(write(tmp_path, frame), "y", balanced=True, metric="balanced_accuracy")
    y = task.splits()["train"].targets
    expected = compute_class_weight("balanced", classes=np.arange(2), y=y)
    assert task.class_weights == pytest.approx(expected)
    outputs = torch.randn(3, len(y), 2)
    reference = torch.nn.CrossEntropyLoss(torch.tensor(expected, dtype=torch.float32))
    losses = task.losses(outputs, torch.as_tensor(y)[None], ["a", "b", "c"])
    assert losses.tolist() == pytest.approx(
        [reference(o, torch.as_tensor(y)).item() for o in outputs], rel=1e-5
    )
