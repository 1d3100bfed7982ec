"""The architecture as a test: imports go down only, and each foreign framework has one place."""

import ast
import functools
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from evoact.genomes.kinds import KINDS
from evoact.strategies import STRATEGIES

ROOT = Path(__file__).parents[1] / "evoact"

LAYERS = [
    {"errors", "installation", "seeding", "temporary"},
    {"cache_directory", "code_text", "registry", "svg", "yaml_text"},
    {"plugins"},
    {"native"},
    {"genomes", "triton"},
    {"records"},
    {"activations"},
    {"nn"},
    {"networks", "tasks", "trackers"},
    {"training"},
    {"strategies", "leaderboard"},
    {"config"},
    {"analysis"},
    {"execution"},
    {"report", "studies"},
    {"exports"},
    {"api"},
    {"cli", "integrations", "sklearn"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}

# Which part of the package may import which foreign framework.
HOMES = {
    "ray": ["execution/cluster/", "integrations/ray_tune.py"],
    "deap": ["strategies/selection/breeding.py", "strategies/selection/pareto.py"],
    "optuna": [
        "integrations/optuna_study.py",
        "strategies/proposers/optuna_search.py",
        "report/optuna_study.py",
    ],
    "tensorboardX": ["report/tensorboard.py", "trackers/tensorboard.py"],
    "mlflow": ["trackers/mlflow.py"],
    "wandb": ["trackers/wandb.py"],
    "trackio": ["trackers/trackio.py"],
    "jinja2": ["report/page.py"],
    "starlette": ["report/server.py"],
    "uvicorn": ["report/server.py"],
    "sklearn": [
        "sklearn.py",
        "strategies/surrogate/gaussian_process.py",
        "strategies/surrogate/surrogate.py",
        "tasks/digits.py",
    ],
    "pyarrow": ["leaderboard/", "tasks/own/", "tasks/table.py"],
    "duckdb": ["leaderboard/"],
    "torch": [
        "native/",
        "triton/",
        "activations/",
        "analysis/",
        "networks/",
        "nn/",
        "tasks/",
        "training/",
        "execution/",
        "studies/",
        "exports/",
        "integrations/ray_tune.py",
    ],
    "triton": ["triton/"],
    "typer": ["cli/"],
    "rich": ["cli/", "api/progress.py"],
    "pydantic": ["config/"],
}

# Folders whose modules are siblings in a table, as many as there are.
TABLES = {"tasks", "activations/kinds", "cli/commands"}
MOST_MODULES = 16

MODULES = sorted(path for path in ROOT.rglob("*.py") if path != ROOT / "__init__.py")


@functools.cache
def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_no_file_imports_itself_by_way_of_others():
    """Lazy imports count; imports of the package itself do not."""
    names = {
        ".".join(p.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): p
        for p in MODULES
    }
    uses = {name: (imports(path) & set(names)) - {name} for name, path in names.items()}
    left = dict(uses)
    while free := [name for name, used in left.items() if not used & set(left)]:
        for name in free:
            del left[name]
    circle = [name for name in left if any(name in used for used in left.values())]
    assert not circle, f"these import each other: {', '.join(sorted(circle))}"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_below_imports_the_package_itself(path):
    assert "evoact" not in {name for name in imports(path) if name.count(".") == 0}


def test_folders_can_be_taken_in_at_a_glance():
    for folder in {p.parent for p in MODULES}:
        name = str(folder.relative_to(ROOT))
        modules = [p for p in folder.glob("*.py") if p.name != "__init__.py"]
        assert name in TABLES or len(modules) <= MOST_MODULES, f"{name} has {len(modules)} modules"


@pytest.mark.parametrize(
    "folder", sorted({p.parent for p in MODULES}), ids=lambda p: str(p.relative_to(ROOT))
)
def test_every_module_is_named_where_its_folder_is_described(folder):
    """In the folder's `__init__`, or in that of the folder above, where the tables of names are."""
    places = [folder / "__init__.py", folder.parent / "__init__.py"]
    if folder == ROOT:
        places = [ROOT.parent / "docs" / "architecture.md"]
    elif folder.name == "commands":  # each is imported under its own name
        places.append(ROOT / "cli" / "main.py")
    text = "\n".join(place.read_text() for place in places if place.is_file())
    missing = [p.stem for p in folder.glob("*.py") if not re.search(rf"\b{p.stem}\b", text)]
    assert not set(missing) - {"__init__", "__main__"}
    assert ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down_only(path):
    own = path.relative_to(ROOT).parts[0].removesuffix(".py")
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "evoact" and len(parts) > 1 and parts[1] in LEVEL and parts[1] != own:
            assert LEVEL[parts[1]] < LEVEL[own], f"{own} imports {name}, which is not below it"


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_each_framework_has_one_place(path):
    relative = str(path.relative_to(ROOT))
    for name in imports(path):
        homes = HOMES.get(name.split(".")[0])
        if homes is not None:
            assert any(relative.startswith(home) for home in homes), f"{relative} imports {name}"


KINDS_TOLD_APART = ("genomes/kinds.py", "genomes/activation.py", "activations/kinds/")
NO_KINDS = ("config/", "activations/routing/")


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_kinds_of_activations_are_told_apart_in_two_places(path):
    """A kind is asked through its record and its fields' options; config and routing do not even import one."""
    relative, classes = str(path.relative_to(ROOT)), {cls.__name__ for cls in KINDS.values()}
    if not relative.startswith(KINDS_TOLD_APART):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "isinstance"
            ):
                named = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)}
                assert not named & classes, f"{relative}:{node.lineno} tells a kind of activation apart"
            if isinstance(node, ast.MatchClass):
                assert getattr(node.cls, "id", "") not in classes, (
                    f"{relative}:{node.lineno} tells a kind apart"
                )
    if relative.startswith(NO_KINDS):
        found = {
            name.rpartition(".")[2] for name in imports(path) if name.startswith("evoact.genomes.kinds.")
        }
        assert not found & classes, f"{relative} names {found & classes}"


def test_strategies_are_listed_in_their_table_alone():
    """What others have to know of a strategy its class says, such as `from_space`."""
    for path in MODULES:
        if path == ROOT / "strategies" / "__init__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.Tuple, ast.List, ast.Set)):
                named = {n.value for n in node.elts if isinstance(n, ast.Constant)} & set(STRATEGIES)
                assert len(named) < 2, f"{path}:{node.lineno} lists strategies"
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "isinstance":
                classes = {attribute for _, attribute in STRATEGIES.values()}
                found = {n.id for n in ast.walk(node.args[1]) if isinstance(n, ast.Name)} & classes
                assert not found, f"{path}:{node.lineno} tells a strategy apart"


MOST_LINES = 45  # of a function's body
# Triton compiles them: a chain of branches by code, two lines for each base function, is its only form of a table.
SWITCHES = {"triton/functions.py: value", "triton/functions.py: slope"}


def test_texts_are_read_and_written_as_utf8():
    """Else what they are depends on the locale, and a name in another script ends a search on some machines."""

    def says_no_encoding(call: ast.AST) -> bool:
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            return False
        place = {"read_text": 0, "write_text": 1}.get(call.func.attr)
        said = [k.arg for k in call.keywords]
        return place is not None and len(call.args) <= place and "encoding" not in said

    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if says_no_encoding(node)
    ]
    assert found == []


def test_functions_can_be_read_at_a_glance():
    long = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
                if lines > MOST_LINES:
                    long.append(f"{path.relative_to(ROOT)}: {node.name}")
    assert set(long) == SWITCHES


def modules_loaded_by(code: str) -> set[str]:
    script = code + "\nimport sys; print('\\n'.join(m.split('.')[0] for m in sys.modules))"
    out = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(out.stdout.split())


@pytest.mark.parametrize(
    "code",
    ["import evoact", "from evoact.cli.main import app", "import evoact.strategies, evoact.genomes.space"],
)
def test_light_imports(code):
    heavy = {"torch", "ray", "pyarrow", "duckdb", "pandas"} | (
        {"optuna"} if "strategies" not in code else set()
    )
    assert not modules_loaded_by(code) & heavy


@pytest.mark.slow
def test_training_core_needs_torch_and_numpy_alone():
    loaded = modules_loaded_by("import evoact.training.loop")
    assert not loaded & {"ray", "optuna", "deap", "pyarrow", "duckdb", "pydantic", "typer"}
    assert not loaded & {"scipy", "sklearn", "PIL"}


TESTS = Path(__file__).parent
# Of no module: what every strategy or every order of results owes, how well strategies search, whole documents and
# folders of configs, damaged inputs, and this; and what a whole search on Ray owes, whatever happens to it.
OF_NO_MODULE = {
    "config/test_repository.py",
    "execution/cluster/test_leftovers.py",
    "execution/cluster/test_lost_workers.py",
    "execution/cluster/test_nodes.py",
    "execution/cluster/test_refusals.py",
    "execution/cluster/test_stops.py",
    "execution/cluster/test_unlike_nodes.py",
    "execution/test_commands.py",
    "execution/test_killed.py",
    "execution/test_order.py",
    "strategies/test_conformance.py",
    "strategies/test_efficiency.py",
    "strategies/test_landscapes.py",
    "test_benchmarks.py",
    "test_documentation.py",
    "test_documented.py",
    "test_fuzz.py",
    "test_layers.py",
}


def test_tests_are_where_their_module_is():
    """`a/b/test_c.py` tests `evoact/a/b/c.py`, or a folder c; `a/test_a.py` tests the folder itself."""

    def tests_something(path: Path) -> bool:
        name, folder = path.stem.removeprefix("test_"), ROOT / path.parent.relative_to(TESTS)
        return name == folder.name or name in {p.stem for p in folder.glob("*")}

    strays = {str(p.relative_to(TESTS)) for p in TESTS.rglob("test_*.py") if not tests_something(p)}
    assert strays == OF_NO_MODULE


def distributions(*names: str) -> list[importlib.metadata.Distribution]:
    """Installed distributions with all that they require."""
    found, left = dict[str, importlib.metadata.Distribution](), list(names)
    while left:
        name = left.pop()
        if name not in found:
            found[name] = importlib.metadata.distribution(name)
            required = [r for r in found[name].requires or [] if "extra ==" not in r]
            left += [m[0] for r in required if (m := re.match(r"[\w.-]+", r)) and _is_installed(m[0])]
    return list(found.values())


def _is_installed(name: str) -> bool:
    try:
        importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError:  # for another system or Python
        return False
    return True


@pytest.mark.slow
def test_the_training_core_runs_with_torch_and_numpy_alone(tmp_path):
    """A GPU machine without Ray, or a package registry, can check and measure packs."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for distribution in distributions("torch", "numpy"):
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            if not (packages / top).exists():
                (packages / top).symlink_to(distribution.locate_file(top))
    program = f"""
import importlib.util, runpy, sys
for name in {sorted({*HOMES, "yaml", "scipy", "pandas", "safetensors", "pydantic"} - {"torch", "triton", "jinja2"})!r}:
    assert importlib.util.find_spec(name) is None, name
sys.argv = ["gpu.py", "--device", "cpu", "--quick", "--json", {str(tmp_path / "gpu.json")!r}]
sys.path.insert(0, {str(ROOT.parent / "benchmarks")!r})
runpy.run_path({str(ROOT.parent / "benchmarks" / "gpu.py")!r}, run_name="__main__")
"""
    paths = os.pathsep.join([str(packages), str(ROOT.parent)])
    ran = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = {row["name"]: row["value"] for row in json.loads((tmp_path / "gpu.json").read_text())}
    assert rows["checks_failed"] == 0
    assert {
        "mlp_best",
        "lenet5_best",
        "resnet56_best",
        "four_functions",
        "search_networks_per_s",
    } <= rows.keys()
    assert not [name for name in rows if name.endswith("failed") and name != "checks_failed"]
