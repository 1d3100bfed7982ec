"""YAML in: what is no config, numbers as people write them, and overrides."""

import pytest

from evoact.config import load
from evoact.errors import ConfigError, UserError


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "a: [1, 2",
            "expected YAML, got something else at line 2, column 1: did not find expected ',' or ']' "
            "(while parsing a flow sequence at line 1, column 4)",
        ),
        ("a: 1\n  b: 2", "expected YAML, got something else at line 2"),
        (
            "a:\n\tb: 1",
            "expected YAML, got something else at line 2, column 1: a tab begins it; indent with spaces",
        ),
        ("a: @x", "expected YAML, got something else at line 1, column 4"),
        ("!!python/object:os.system {}", "expected YAML, got something else at line 1"),
        ("[a, b]", "expected keys and values, got ['a', 'b']"),
        ("relu", "expected keys and values, got 'relu'"),
        ("", "expected keys and values, got an empty file"),
        ("seed: 1\nseed: 2", "the key 'seed' is listed twice"),
        ("task: {name: faulty, name: digits}", "the key 'name' is listed twice"),
    ],
)
def test_not_a_config(text, sentence, tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(path)
    (problem,) = caught.value.problems
    assert sentence in problem
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "x.yaml: expected keys and values, got an empty file"),
        (b"\xff\xfe\x00", "x.yaml', which is not UTF-8 text"),
        (None, "x.yaml', which is a directory"),
        (
            b"types: {base: {}}\nfunctions: [relu]\nlearning_rate: {values: [0.1]}\n",
            "x.yaml: expected an experiment, got a search space; give the file of an experiment",
        ),
    ],
)
def test_files_that_are_no_experiment(tmp_path, content, sentence):
    path = tmp_path / "x.yaml"
    path.mkdir() if content is None else path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load(path)
    assert sentence in str(caught.value)
    assert "Errno" not in str(caught.value)


def test_not_a_file(tmp_path):
    with pytest.raises(UserError, match=r"expected a YAML file, got '.*no.yaml', which does not exist"):
        load(tmp_path / "no.yaml")
    with pytest.raises(UserError, match=r"expected a YAML file, got '.*', which is a directory"):
        load(tmp_path)
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"expected a YAML file, got '.*binary', which is not UTF-8 text"):
        load(tmp_path / "binary")


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 0.001), ("1E2", 100.0), ("2.5e-1", 0.25), ("1.e-1", 0.1), ("0.1", 0.1)]
)
def test_numbers_as_people_write_them(text, value, config_file):
    path = config_file(space__learning_rate={"low": "LOW", "high": 100.0, "per_decade": 1})
    path.write_text(path.read_text().replace("LOW", text))
    assert load(path).space.learning_rates[0] == value


def test_a_config_at_a_uri(config_file, tmp_path):
    """As `evoact search URI/config.yaml`, which the end of a run on another file system prints."""
    assert load(config_file().as_uri()).config == load(config_file()).config
    for place, reason in (
        ((tmp_path / "no.yaml").as_uri(), "which does not exist"),
        (tmp_path.as_uri(), "which (is a directory|cannot be read)"),
        ("nowhere://bucket/config.yaml", "pyarrow can open"),
    ):
        with pytest.raises(UserError, match=reason):
            load(place)


def test_yaml_anchors_and_merges(config_file):
    path = config_file()
    path.write_text(path.read_text() + "baselines: &none {replicates: 0}\n")
    assert load(path).baseline_networks == 0
    text = path.read_text().replace("confirm:\n", "confirm:\n  <<: {seeds: 7}\n").replace("  seeds: 2\n", "")
    path.write_text(text)
    assert load(path).config.confirm.seeds == 7


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("seed=3", lambda e: e.seed == 3),
        ("budget.networks=7", lambda e: e.networks == 7),
        ("training.optimizer={name: sgd, momentum: 0.9}", lambda e: e.training.optimizer == "sgd"),
        ("network.hidden=[4, 5]", lambda e: [s.neurons for s in e.network.sites] == [4, 5]),
        ("space.learning_rate.low=1e-3", lambda e: e.space.learning_rates[0] == 0.001),
        ("packs.timeout_seconds=2", lambda e: e.config.packs.timeout_seconds == 2.0),
        ("packs.timeout_seconds=null", lambda e: e.config.packs.timeout_seconds is None),
        ("name=a=b", lambda e: e.name == "a=b"),
    ],
)
def test_override(text, value, config_file):
    assert value(load(config_file(), [text]))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("seed", "expected --set key.path=value, got 'seed'"),
        ("=3", "expected --set key.path=value, got '=3'"),
        ("a..b=3", "expected --set key.path=value, got 'a..b=3'"),
        ("seed=[1", r"expected a YAML value in --set seed=..., got '\[1'"),
        ("seed.x=1", "expected --set seed.x to lead through sections, but 'seed' is 0"),
        ("seed=", "seed: expected an integer, got None"),
        ("sede=1", "sede: unknown key; did you mean 'seed'?"),
        ("training.stps=1", "training.stps: unknown key; did you mean 'steps'?"),
    ],
)
def test_wrong_override(text, sentence, config_file):
    with pytest.raises(ConfigError, match=sentence):
        load(config_file(seed=0), [text])


def test_all_wrong_overrides_at_once(config_file):
    with pytest.raises(ConfigError) as caught:
        load(config_file(), ["seed", "sede=1", "task.name=x"])
    assert len(caught.value.problems) == 3


def test_a_config_that_comes_with_evoact_is_known_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits_hulls").mkdir()  # a run directory of that name is no config
    assert load("digits_hulls").name == "digits_hulls"
    with pytest.raises(UserError, match=r"unknown config 'quickstrat'; did you mean 'quickstart'\?"):
        load("quickstrat")
    with pytest.raises(UserError, match=r"expected a YAML file, got 'quickstart.yaml', which does not exist"):
        load("quickstart.yaml")


def test_a_broken_value_on_the_command_line_is_said_once(config_file):
    with pytest.raises(ConfigError) as caught:
        load(config_file(), ["network={name: mlp, hidden: [64]"])
    (problem,) = caught.value.problems
    assert problem.startswith(
        "expected a YAML value in --set network=..., got '{name: mlp, hidden: [64]' at line 2, column 1: "
    )


@pytest.mark.parametrize("name", ["mine.csv", "mine.CSV.GZ", "s3://bucket/mine.parquet"])
def test_data_is_no_config(name):
    with pytest.raises(UserError, match=r"expected a config, a YAML file, got data, .*; give it as --data"):
        load(name)


def test_a_setting_of_what_is_a_name_alone(config_file):
    made = load(config_file(), ["strategy=evolution", "strategy.population=60", "training.optimizer=sgd"])
    assert dict(made.config.strategy.arguments)["population"] == 60
    with pytest.raises(ConfigError, match="to lead through sections, but 'name' is 'evolution'"):
        load(config_file(), ["strategy=evolution", "strategy.name.population=6"])
