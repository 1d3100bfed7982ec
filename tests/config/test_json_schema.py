"""The schema for editors: what is shipped keeps it, and it refuses what configs refuse."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from evoact.config import read_yaml
from evoact.config.json_schema import json_schema, space_schema

ROOT = Path(__file__).parents[2]
CONFIGS = jsonschema.Draft202012Validator(json_schema())
SPACES = jsonschema.Draft202012Validator(space_schema())


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_configs_of_the_repository_keep_the_schema(path):
    CONFIGS.validate(read_yaml(path))


@pytest.mark.parametrize("path", sorted((ROOT / "search_spaces").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_search_spaces_of_the_repository_keep_the_schema(path):
    SPACES.validate(read_yaml(path))


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("trainin: {steps: 5}", []),
        ("training: {steps: 0}", ["training", "steps"]),
        ("training: {optimizer: [adam]}", ["training", "optimizer"]),
        ("budget: {networks: many}", ["budget", "networks"]),
        ("confirm: {distinct: everything}", ["confirm", "distinct"]),
        ("network: {hidden: [5]}", ["network"]),
        ("learning_rate: {lowest: 1}", ["learning_rate"]),
    ],
)
def test_mistakes_are_found_where_they_are(text, where):
    good = read_yaml(ROOT / "configs" / "quickstart.yaml")
    (error,) = CONFIGS.iter_errors(good | yaml.safe_load(text))
    assert list(error.absolute_path) == where


def test_the_schemas_of_the_repository_are_these():
    """`make schema` writes them."""
    assert json.loads((ROOT / "configs" / "schema.json").read_text()) == json_schema()
    assert json.loads((ROOT / "search_spaces" / "schema.json").read_text()) == space_schema()


def test_names_of_tables_complete():
    names = json_schema()["properties"]["strategy"]["anyOf"][0]["anyOf"][0]["enum"]
    assert {"random", "evolution", "optuna"} <= set(names)
