"""Plugins: where they are found, what a run keeps of them, and who executes them."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

import evoact
from evoact import plugins
from evoact.code_text import executed
from evoact.config import experiment, load
from evoact.config.stored_plan import plan_of
from evoact.errors import ConfigError, UserError
from evoact.execution.run import search
from evoact.plugins import Plugin, located
from evoact.report.run import read_run
from tests import plugin_models
from tests.conftest import change_record
from tests.plugin_models import config, install, text


def write(folder, name, mark=None, **changes):
    (folder / f"{name}.py").write_text(text(mark))
    file = folder / "config.yaml"
    file.write_text(yaml.safe_dump(config(name, **changes)))
    return file


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """An installed package `dotted_models`, whose folder is on the path."""
    monkeypatch.syspath_prepend(str(install(tmp_path / "site", "dotted_models")))
    yield tmp_path / "site"
    plugin_models.forget("dotted_models")


# --- a file of one's own ------------------------------------------------------------------------------


def test_a_run_keeps_a_file_and_executes_nothing_else(tmp_path, monkeypatch):
    mark = tmp_path / "executed"
    made = load(write(tmp_path, "kept", mark))
    finished = search(made, tmp_path / "run")
    assert finished.summary.winner is not None
    (tmp_path / "kept.py").unlink()
    executed.cache_clear()
    mark.unlink()

    run = read_run(tmp_path / "run")
    assert [p.name for p in run.plan.first.plugins.values()] == ["kept"]
    assert "kept:bump" in {
        f for r in evoact.Leaderboard(tmp_path / "run").to_arrow().to_pylist() for f in labels(r)
    }
    assert not mark.exists()  # of reading

    assert plan_of(tmp_path / "run").first.network.parameters
    assert mark.exists()  # of training


def labels(row):
    return json.dumps(json.loads(row["genome"])).replace('"', " ").replace(",", " ").split()


RUN = "import sys; from evoact.cli.main import main; sys.exit(main())"


def test_a_report_is_drawn_without_the_code(tmp_path):
    """In a process that has never executed it."""
    mark = tmp_path / "executed"
    search(load(write(tmp_path, "drawn", mark)), tmp_path / "run")
    (tmp_path / "drawn.py").unlink()
    mark.unlink()
    for command in ("report", "leaderboard"):
        done = subprocess.run(
            [sys.executable, "-c", RUN, command, str(tmp_path / "run")],
            capture_output=True,
            text=True,
        )
        assert (done.returncode, mark.exists()) == (0, False), done.stderr
    page = (tmp_path / "run" / "report.html").read_text()
    assert "drawn:bump" in page
    assert "SHA-256" in page


def test_another_text_is_refused(tmp_path):
    search(load(write(tmp_path, "other_text")), tmp_path / "run")
    stored = tmp_path / "run" / "config.yaml"
    stored.write_text(stored.read_text().replace("SHARP: float = 1.0", "SHARP: float = 2.0"))
    change_record(tmp_path / "run", finished_at=None)
    code = "import sys, evoact; evoact.resume(sys.argv[1])"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "run")], capture_output=True, text=True)
    assert "expected plugins with digest" in done.stderr.splitlines()[-1]


def test_a_process_knows_one_function_by_a_name(tmp_path):
    file = write(tmp_path, "one_text")
    load(file)
    (tmp_path / "one_text.py").write_text(text().replace("SHARP: float = 1.0", "SHARP: float = 2.0"))
    with pytest.raises(
        ConfigError, match=r"the function one_text:bump with which this process began, got another text"
    ):
        load(file)


def test_without_what_is_known_of_its_task_a_run_is_not_read(tmp_path):
    mark = tmp_path / "executed"
    search(load(write(tmp_path, "stripped", mark)), tmp_path / "run")
    change_record(tmp_path / "run", task=None)
    mark.unlink()
    executed.cache_clear()
    with pytest.raises(UserError, match="expected the outline of the task, got none; restore the file"):
        read_run(tmp_path / "run")
    assert not mark.exists()


def test_all_arms_of_a_comparison_have_the_plugins(tmp_path):
    (tmp_path / "armed.py").write_text(text())
    plain = config(
        "armed", repeats=1, arms={"random": {"strategy": "random"}, "evolution": {"strategy": "evolution"}}
    )
    del plain["strategy"]
    plain["confirm"] = {"candidates": 1, "seeds": 1, "judge": 1}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(plain))
    made = evoact.config.load_comparison(tmp_path / "c.yaml")
    again = evoact.config.read_plan(yaml.safe_load(made.to_yaml()))
    assert {arm.network.sites for arm in again.arms.values()} == {made.first.network.sites}
    assert [entry.name for entry in again.config.plugins] == ["armed"]
    assert again.to_yaml() == made.to_yaml()


# --- an installed package -----------------------------------------------------------------------------


def test_a_package_is_known_by_its_version(installed, tmp_path):
    made = experiment(config("dotted_models", listed=False))
    assert made.plugins == {"dotted_models": Plugin("dotted_models", package="dotted-models", version="1.0")}
    assert [site.neurons for site in made.network.sites] == [4, 4]
    search(made, tmp_path / "run")
    network = evoact.load(tmp_path / "run")
    assert network.predict([[0.1, 0.2, 0.3]]).shape == (1,)
    shutil.rmtree(installed / "dotted_models-1.0.dist-info")
    with pytest.raises(
        UserError, match=r"the package dotted-models 1.0 of plugin dotted_models, as when .*, got none"
    ):
        plan_of(tmp_path / "run")
    install(installed, "dotted_models", "2.0")
    with pytest.raises(UserError, match=r"as when this run began, got 2.0; install that version here"):
        plan_of(tmp_path / "run")
    assert (
        read_run(tmp_path / "run").plan.first.plugins["dotted_models"].version == "1.0"
    )  # who reads needs none


def test_a_module_of_a_package_can_be_listed(installed):
    made = experiment(config("dotted_models_code", listed=False) | {"plugins": ["dotted_models_code"]})
    assert made.plugins["dotted_models_code"].package == "dotted-models"
    assert len(made.network.sites) == 2


def test_entry_points_are_listed(installed):
    rows = {kind: evoact_list(kind) for kind in ("networks", "tasks", "functions")}
    assert rows["networks"]["dotted_models:net"]["arguments"] == {"hidden": 5}
    assert rows["tasks"]["dotted_models:dots"]["package"] == "dotted-models 1.0"
    bump = rows["functions"]["dotted_models:bump"]
    assert (bump["formula"], bump["f(0)"], bump["f'(0)"]) == ("x exp(-x^2)", 0, 1)


def evoact_list(kind):
    from evoact.cli.commands.listing import ROWS, Kind

    return {row["name"]: row for row in ROWS[Kind(kind)]()}


def test_a_package_that_cannot_be_imported_is_listed_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(install(tmp_path, "broken_models", code="1 / 0")))
    row = evoact_list("networks")["broken_models:net"]
    assert "to be importable, got ZeroDivisionError" in row["problem"]


def test_its_function_is_a_layer_of_anybodys(installed):
    import torch

    from evoact.nn import MixedActivation

    act = MixedActivation("2 dotted_models:bump + 1 2*dotted_models:bump(3*x)", dim=-1)
    x = torch.tensor([[0.5, 1.0, 1.0]])
    expected = torch.tensor([[0.5, 1.0, 6.0]]) * torch.exp(-torch.tensor([[0.25, 1.0, 9.0]]))
    assert torch.allclose(act(x), expected)


@pytest.mark.ray
@pytest.mark.slow
def test_on_ray_a_file_travels_and_a_package_that_is_not_there_is_named(tmp_path, installed):
    """Workers are processes of their own: the file is on none of their paths, and neither is the package."""
    ray = {"execution": {"backend": "ray_tune", "workers": 1}}
    file = load(write(tmp_path, "travelling", **ray))
    (tmp_path / "travelling.py").unlink()
    finished = search(file, tmp_path / "run")
    local = search(load(write(tmp_path, "travelling")), tmp_path / "local")
    assert finished.summary.winner == local.summary.winner
    with pytest.raises(
        UserError, match=r"cannot train this: .*the package dotted-models 1.0 of plugin dotted_models"
    ):
        search(experiment(config("dotted_models", listed=False, **ray)), tmp_path / "package")
    assert not (tmp_path / "package" / "config.yaml").exists()


# --- mistakes -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"plugins": ["nowhere.py"]}, "plugins.0: expected a Python file, got '.*nowhere.py': No such file"),
        (
            {"plugins": ["no_such_module"]},
            "expected an importable module as plugin, got 'no_such_module', which is not",
        ),
        ({"plugins": ["faulted"]}, "which is not installed; name the file, faulted.py"),
        ({"plugins": ["a b"]}, "expected a module, such as my_models, or a file, my_models.py, got 'a b'"),
        ({"plugins": ["1x.py"]}, "expected a file whose name is a name in Python, got '1x.py'; rename it"),
        ({"plugins": ["math"]}, "expected an installed package or a single file as plugin, got 'math'"),
        ({"plugins": ["faulted.py", "faulted.py"]}, "plugins: 'faulted' is listed twice"),
        ({"plugins": "faulted.py"}, "plugins: expected a list, got 'faulted.py'"),
        ({"plugins": [3]}, "plugins.0: expected a section of keys and values, got 3"),
        (
            {"network": {"name": "faulted:nett"}},
            "unknown network of plugin faulted 'nett'; did you mean 'net'",
        ),
        (
            {"network": {"name": "fault:net"}},
            "unknown plugin 'fault'; did you mean 'faulted'.*; list it under plugins",
        ),
        (
            {"network": {"name": "faulted:net", "hiden": 4}},
            "network: unknown key 'hiden'; did you mean 'hidden'",
        ),
        ({"network": {"name": "faulted:squeezed"}}, "unknown key|network.x: expected a value, got none"),
        ({"task": {"name": "faulted:net", "hidden": 3}}, "task.input_shape: expected a value, got none"),
        ({"task": {"name": "faulted:dots", "n": -1}}, "expected faulted:dots to make a task, got ValueError"),
        ({"task": {"name": "faulted:bump", "x": 1.0}}, "expected faulted:bump to make a task, got TypeError"),
    ],
    ids=lambda value: None if isinstance(value, str) else str(value),
)
def test_mistakes_are_named(changes, words, tmp_path):
    file = write(tmp_path, "faulted", **changes)
    with pytest.raises(ConfigError, match=words):
        load(file)


def test_a_file_that_is_not_importable_is_named_once_and_for_all(tmp_path):
    file = write(tmp_path, "unimportable")
    (tmp_path / "unimportable.py").write_text("import no_such_package_here\n")
    with pytest.raises(
        ConfigError, match=r"expected unimportable\.py to be importable, got ModuleNotFoundError"
    ):
        load(file)


def test_a_base_function_that_no_plugin_has_is_answered_by_the_nearest(tmp_path):
    plain = config("nearest")
    plain["space"]["functions"] = ["relu", "nearest:bumb"]
    (tmp_path / "nearest.py").write_text(text())
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(plain))
    with pytest.raises(ConfigError, match="unknown function of plugin nearest 'bumb'; did you mean 'bump'"):
        load(tmp_path / "c.yaml")
    plain["space"]["functions"] = ["relu", "elsewhere:bump"]
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(plain))
    with pytest.raises(ConfigError, match="expected elsewhere among the plugins of the config"):
        load(tmp_path / "c.yaml")


def test_a_module_that_no_package_brought_is_known_by_its_text(tmp_path, monkeypatch):
    (tmp_path / "loose_module.py").write_text(text())
    monkeypatch.syspath_prepend(str(tmp_path))
    found = located("loose_module", tmp_path / "elsewhere")
    assert (found.name, found.text, found.package) == ("loose_module", text(), "")


def test_names_are_found_in_plain_data():
    data = {
        "a": ["x:y", "2*m.n:f(3*x)", "convex(a:b,relu)"],
        "b": {"c": "time: now", "d": 3, "e": "s3://x:y:z"},
    }
    found = set(plugins.names_in(data))
    assert {("x", "y"), ("m.n", "f"), ("a", "b")} <= found
    assert ("time", "now") not in found
