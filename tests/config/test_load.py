"""Configs and search spaces in files."""

import numpy as np
import pytest
import yaml

from evoact.config import experiment, load, load_space
from evoact.errors import ConfigError


def test_named_space_beside_the_config_or_in_the_repository(config_file, tiny):
    path = config_file(space="here.yaml")
    (path.parent / "here.yaml").write_text(yaml.safe_dump(tiny()["space"]))
    assert load(path).space.functions == ("relu", "tanh", "sin")
    path = config_file(space="quickstart", network__hidden=[64])
    assert "gaussian" in load(path).space.functions


def test_mistakes_of_a_space_stand_beside_those_of_its_config(config_file):
    with pytest.raises(ConfigError) as caught:
        load(config_file(space="quikstart", sede=1))
    unknown, key = caught.value.problems
    assert unknown.startswith("space: unknown search space 'quikstart'; did you mean 'quickstart'?")
    assert key.startswith("sede: unknown key")
    path = config_file(space="here.yaml", sede=1)
    (path.parent / "here.yaml").write_text("functions: [relu")
    with pytest.raises(ConfigError, match=r"here.yaml: expected YAML, got something else[^\n]*\n.*sede"):
        load(path)


def test_override_inside_a_named_space(config_file):
    path = config_file(space="quickstart", network__hidden=[64])
    made = load(
        path, ["space.functions=[relu, sin]", "space.types.hull.sizes=[2]", "space.types_per_layer=[1, 2]"]
    )
    assert made.space.functions == ("relu", "sin")
    assert made.space.learning_rates == load(path).space.learning_rates


def test_later_overrides_win_and_may_choose_the_space(config_file):
    path = config_file(network__hidden=[64])
    made = load(path, ["space=quickstart", "space.types_per_layer=[2, 2]", "seed=1", "seed=2"])
    assert (made.space.types_per_layer, made.seed) == ((2, 2), 2)


def test_another_name_with_keys_left_over_says_how_to_replace_the_section(config_file):
    config = config_file()
    with pytest.raises(ConfigError) as caught:
        load(config, ["network.name=lenet5"])
    assert "network: unknown key 'hidden'" in caught.value.problems[0]
    assert caught.value.problems[0].endswith("use --set 'network={name: lenet5}'")
    with pytest.raises(ConfigError) as caught:
        load(config, ["network.hiden=[3]"])
    assert "--set" not in str(caught.value)


def test_wrong_search_space_file(tmp_path):
    path = tmp_path / "space.yaml"
    path.write_text("functions: [rleu]\ntypes: {}\nlearning_rate: {low: 1, high: 0.1}\n")
    with pytest.raises(ConfigError) as caught:
        load_space(path)
    assert [p.split(":")[0] for p in caught.value.problems] == ["functions", "types", "learning_rate"]


def test_name_is_that_of_the_file_unless_given(config_file, tiny):
    path = config_file()
    assert load(path).name == "tiny"
    path = path.rename(path.with_name("other.yaml"))
    data = tiny()
    del data["name"]
    path.write_text(yaml.safe_dump(data))
    assert load(path).name == "other"


def test_a_mapping_takes_a_space_by_name(tiny):
    assert "gaussian" in experiment(tiny(space="quickstart", network__hidden=[64])).space.functions


def test_learning_rates_may_stand_in_a_key_of_their_own(tiny):
    assert experiment(tiny(learning_rate={"values": [0.5]})).space.learning_rates == (0.5,)


def test_arrays_file(tiny, tmp_path):
    path = tmp_path / "data.npz"
    np.savez(path, x=np.zeros((10, 3)), y=np.arange(10) % 2)
    made = experiment(tiny(task={"name": "arrays", "path": str(path)}))
    assert made.task.input_shape == (3,)
