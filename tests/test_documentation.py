"""Every block of code in the README and the documentation is right.

Python runs as it stands, in a folder that holds what the pages speak of, on small searches. Of command lines the
program itself reads the options, and the config with what is set in it; YAML is checked by the schema of configs.
"""

import contextlib
import re
import shlex
import shutil
import textwrap
from itertools import pairwise
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

import evoact
from evoact.cli.main import app
from evoact.config import load, load_comparison, shipped, yaml_files
from evoact.config.json_schema import json_schema, space_schema

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
SMALL = """
strategy: {name: random}
budget: {networks: 16}
training: {steps: 20}
packs: {size: 16}
execution: {backend: local}
"""


def blocks(language):
    """The code in this language, page by page, as parameters of a test."""
    found = [
        (
            page,
            [textwrap.dedent(code) for _, kind, code in FENCE.findall(page.read_text()) if kind == language],
        )
        for page in PAGES
    ]
    return [pytest.param(page, codes, id=page.stem) for page, codes in found if codes]


def command_lines(code):
    """The words of each command of a block, with the variables that it sets put in."""
    variables, begun = {}, ""
    for line in code.replace("\\\n", " ").splitlines():
        begun += re.sub(r"\$(\w+)", lambda m: variables.get(m[1], m[0]), line) + "\n"
        try:
            words = shlex.split(begun, comments=True)
        except ValueError:  # a quotation goes on in the next line
            continue
        begun = ""
        if words and words[0] == "evoact":
            yield words[1:]
        elif words and "=" in words[0] and len(words) == 1:
            name, _, value = words[0].partition("=")
            variables[name] = value


@pytest.mark.parametrize(("page", "codes"), blocks(""))
def test_command_lines(page, codes, monkeypatch):
    monkeypatch.chdir(ROOT)
    for words in (words for code in codes for words in command_lines(code)):
        ended = CliRunner().invoke(app, [*words, "--help"])
        assert ended.exit_code == 0, f"evoact {' '.join(words)}: {ended.output}"
        command, *arguments = words
        named = arguments[:1] != ["configs/CONFIG.yaml"] and not arguments[0].startswith("-")
        if command in ("search", "compare") and named:
            overrides = [after for word, after in pairwise(words) if word == "--set"]
            (load if command == "search" else load_comparison)(arguments[0], overrides)


@pytest.mark.parametrize(("page", "codes"), blocks("yaml"))
def test_yaml(page, codes):
    config, space = json_schema() | {"required": []}, space_schema() | {"required": []}
    for data in map(yaml.safe_load, codes):
        jsonschema.validate(data, space if data.keys() <= space["properties"].keys() else config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder as the pages assume it: `configs`, made small, and a finished run `runs/first`."""
    folder = tmp_path_factory.mktemp("documentation")
    (folder / "configs").mkdir()
    whole = yaml.safe_load((ROOT / "configs" / "quickstart.yaml").read_text())
    small = {key: {**whole.get(key, {}), **value} for key, value in yaml.safe_load(SMALL).items()}
    (folder / "configs" / "quickstart.yaml").write_text(yaml.safe_dump(whole | small))
    with contextlib.chdir(folder):
        evoact.search("configs/quickstart.yaml", "runs/first")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(("page", "codes"), blocks("python"))
def test_python(page, codes, folder, tmp_path, monkeypatch):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    small = {"quickstart": folder / "configs" / "quickstart.yaml"}
    monkeypatch.setattr(yaml_files, "shipped", lambda of: small if of == "configs" else shipped(of))
    names = {}
    for code in codes:
        exec(compile(re.sub(r"minutes=\d+", "minutes=0.1", code), page.name, "exec"), names)
