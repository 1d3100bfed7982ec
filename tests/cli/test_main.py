"""The command as its users meet it: help, listings, refusals, exit codes, what is printed where."""

import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from evoact.activations.functions.base_functions import BASE_FUNCTIONS
from evoact.cli.main import main
from evoact.config import experiment
from evoact.execution.run import search
from evoact.genomes.kinds import KINDS
from evoact.networks import NETWORKS
from evoact.strategies import STRATEGIES
from evoact.tasks import TASKS
from evoact.training.optimizers import OPTIMIZERS
from evoact.training.schedules import SCHEDULES
from tests.conftest import change_record

ROOT = Path(__file__).parents[2]
COMMANDS = ("search", "resume", "leaderboard", "list", "validate")


@pytest.fixture
def run(capsys, monkeypatch, tmp_path):
    """The command in this process: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        return exit_.value.code or 0, out, err

    return call


# --- help ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments", [["--help"], ["search", "--help"], ["leaderboard", "--help"], ["--version"]]
)
def test_help_loads_nothing_heavy(arguments):
    script = (
        "import sys\n"
        "from evoact.cli.main import main\n"
        f"try: main({arguments})\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'ray', 'optuna', 'pyarrow', 'duckdb', 'pandas', 'numpy', 'deap'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, timeout=120)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command, run):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"Example: evoact {command}" in out
    assert "--help" in out


def test_help_names_every_command(run):
    code, out, _ = run("--help")
    assert code == 0
    assert all(command in out for command in COMMANDS)
    assert run()[1] == out, "without arguments: the help"


def test_version(run):
    import evoact

    assert run("--version") == (0, f"evoact {evoact.__version__}\n", "")


# --- refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["serch"], "No such command 'serch'. Did you mean 'search', 'serve'? See `evoact --help`."),
        (
            ["search"],
            "expected a config, or data, to search on, got neither; for example `evoact search quick",
        ),
        (["search", "a.yaml", "--outptu", "b"], "No such option: --outptu"),
        (["search", "a.yaml", "--set"], "Option '--set' requires an argument; see `evoact "),
        (
            ["list", "function"],
            "Invalid value for 'kind': 'function' is not one of 'functions', 'activations'",
        ),
        (
            ["list", "tasks", "--format", "xml"],
            "Invalid value for '--format': 'xml' is not one of 'table', 'json'",
        ),
        (
            ["search", "mine.csv"],
            "expected a config, a YAML file, got data, 'mine.csv'; give it as --data, or as ",
        ),
        (
            ["search", "a.yaml", "--steps", "5"],
            "; a key of a config is set by --set training.steps=VALUE; see `evoact search",
        ),
        (
            ["search", "a.yaml", "--networks=5"],
            "a key of a config is set by --set budget.networks=VALUE; see `evoact",
        ),
        (["inspect", "no.csv"], "expected a table, CSV (.csv, .tsv), Parquet, Feather, npz, or a folder of "),
        (["search", "no.yaml"], "expected a YAML file, got 'no.yaml', which does not exist"),
        (["search", "no.yaml", "--dry-run"], "expected a YAML file, got 'no.yaml', which does not exist"),
        (["validate", "no.yaml"], "expected a YAML file, got 'no.yaml', which does not exist"),
        (["resume", "nothing"], "expected a run directory, got 'nothing' without config.yaml"),
        (["resume", "."], "expected a run directory, got '.' without config.yaml"),
        (["leaderboard", "nothing"], "nothing: expected a run directory, got nothing there"),
    ],
)
def test_a_mistake_is_one_sentence_and_exit_code_2(arguments, sentence, run):
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert len(err.splitlines()) == 1


def test_a_deleted_working_directory_is_said_by_name(run, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setenv("PWD", str(gone))
    gone.rmdir()
    code, _, err = run("validate", "quickstart")
    assert code == 2
    assert err.startswith(f"expected a working directory that is there, got {str(gone)!r} (")


def test_all_mistakes_of_a_config_are_printed_before_anything_is_made(run, config_file, tmp_path):
    config = config_file(sede=1, strategy={"name": "evolutoin"}, budget={"networks": 0})
    code, out, err = run("search", config, "-o", "run")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 3
    assert all(line.startswith(f"{config}: ") for line in err.splitlines())
    assert not (tmp_path / "run").exists()


def test_a_run_directory_is_not_searched_into_twice(run, config_file, tmp_path):
    config = config_file(training__steps=1, confirm__candidates=0)
    assert run("search", config, "-o", "a run")[0] == 0
    code, out, err = run("search", config, "-o", "a run")
    assert (code, out) == (2, "")
    assert err.startswith("expected a new run directory, got 'a run', which holds a run;")
    assert "`evoact resume 'a run'`" in err
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_no_traceback_in_a_process_of_its_own(evoact, config_file):
    done = evoact("search", config_file(task={"name": "mnst1d"}), "-o", "run")
    assert done.returncode == 2
    assert "unknown task 'mnst1d'; did you mean 'mnist1d'?" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


def test_disk_errors_are_one_sentence(run, config_file, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").mkdir()  # something stands where the run would write
    code, _, err = run("search", config_file(), "-o", "run")
    assert code == 2
    assert err == (
        "expected a file that can be written, got 'run/run.json', which is a directory; choose another\n"
    )


# --- list ---------------------------------------------------------------------------------------

LISTED = {
    "functions": (BASE_FUNCTIONS, {"name", "formula", "source", "E[f]"}),
    "activations": (KINDS, {"kind", "fields", "meaning"}),
    "networks": (NETWORKS, {"name", "arguments", "parameters"}),
    "tasks": (TASKS, {"name", "input_shape", "outputs", "metric", "data", "arguments"}),
    "strategies": (STRATEGIES, {"name", "arguments", "meaning"}),
    "optimizers": (OPTIMIZERS, {"name", "arguments", "meaning"}),
    "schedules": (SCHEDULES, {"name", "arguments", "meaning"}),
    "spaces": (
        [f.stem for f in (ROOT / "search_spaces").glob("*.yaml")],
        {"name", "functions", "description"},
    ),
}


@pytest.mark.parametrize("kind", LISTED)
def test_list_as_json(kind, run):
    names, keys = LISTED[kind]
    code, out, _ = run("list", kind, "--format", "json")
    rows = json.loads(out)
    assert code == 0
    assert sorted(row.get("name", row.get("kind")) for row in rows) == sorted(names)
    assert all(row.keys() >= keys for row in rows)


@pytest.mark.parametrize("kind", LISTED)
def test_list_as_table(kind, run, monkeypatch):
    names, _ = LISTED[kind]
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run("list", kind)
    assert code == 0
    lines = out.splitlines()
    assert all(len(line) <= 80 for line in lines)
    for name in names:  # whole, at the start of a line
        assert any(f"{line} ".startswith(f"{name} ") for line in lines), name


def test_listings_on_narrow_and_wide_terminals(run, monkeypatch):
    """Headings and words whole, sentences to their end, defaults as YAML has them."""
    monkeypatch.setenv("COLUMNS", "80")
    functions = run("list", "functions")[1].splitlines()
    assert functions[0].split() == ["name", "monotone", "f(0)", "f'(0)", "near", "identity", "E[f]", "E[f^2]"]
    assert "formula: max(0, x)" in [line.strip() for line in functions]
    assert "source: Maas et al. 2013" in [line.strip() for line in functions]
    networks = run("list", "networks")[1]
    assert "hidden: [100, 100]" in networks
    tasks = run("list", "tasks")[1]
    assert "data: null, download: false, verify: true" in tasks
    assert "a test aid" in tasks.partition("faulty")[2].partition("henon_heiles")[0]
    monkeypatch.setenv("COLUMNS", "1000")
    strategies = run("list", "strategies")[1].splitlines()
    assert len(strategies) == 1 + len(STRATEGIES)
    assert all(line.endswith(".") for line in strategies[1:])


def test_parameter_counts_are_right(run):
    rows = json.loads(run("list", "networks", "--format", "json")[1])
    counts = {row["name"]: row["parameters"] for row in rows}
    # Three stages of two blocks, 3 x 3 convolutions without biases, 1 x 1 where the width changes; batch norms; head.
    convolutions = 9 * (3 * 16 + 4 * 16**2 + 16 * 32 + 3 * 32**2 + 32 * 64 + 3 * 64**2) + 16 * 32 + 32 * 64
    residual = convolutions + 2 * (5 * 16 + 5 * 32 + 5 * 64) + 64 * 10 + 10
    # Four blocks of width 64: attention, an MLP of four times the width, two layer norms; a last norm; head.
    block = 4 * (64 * 64 + 64) + 64 * 256 + 256 + 256 * 64 + 64 + 2 * 2 * 64
    encoder = 4 * block + 2 * 64 + 64 * 10 + 10
    assert counts == {
        "mlp": {"40 to 10": 40 * 100 + 100 + 100 * 100 + 100 + 100 * 10 + 10},
        "lenet5": {"1x28x28 to 10": 431_080, "3x32x32 to 10": 657_080},
        "kerasnet": {"1x28x28 to 10": 889_834, "3x32x32 to 10": 1_250_858},
        "resnet56": {"3x32x32 to 10": 857_706},
        "alexnet": {"3x227x227 to 1000": 60_965_224},
        "hamiltonian": {"4 to 4": 600, "2 to 2": 400},
        "resnet": {"3x32x32 to 10": residual},
        "transformer": {
            "3x32x32 to 10": 48 * 64 + 64 + 64 * 64 + encoder,
            "100x8 to 10": 8 * 64 + 64 + 100 * 64 + encoder,
        },
        "gru": {"100x8 to 10": 3 * (64 * 8 + 64 * 64 + 2 * 64) + 64 * 10 + 10},
        "own": {},
    }


# --- validate and dry runs ----------------------------------------------------------------------


@pytest.mark.slow
def test_validate_good_files(run):
    files = [*(ROOT / "configs").glob("*.yaml"), *(ROOT / "search_spaces").glob("*.yaml")]
    code, out, err = run("validate", *files)
    assert code == 0
    assert all(line.startswith("pendulum_clock: the ") for line in err.splitlines())  # which clock it is
    lines = out.splitlines()
    assert [line for line in lines if not line.startswith("  ")] == [f"{file}: valid" for file in files]
    understood = [line for line in lines if "examples (train / validation / test" in line]
    unread = [line for line in lines if line.startswith("  data not read: task ")]
    assert len(understood) + len(unread) == len(list((ROOT / "configs").glob("*.yaml")))


def test_validate_says_what_was_understood_and_what_trains_badly(run, config_file, tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 2)) * [1, 1e3]
    np.savez(tmp_path / "own.npz", x=x, y=np.arange(40) % 2 + 1.0)
    task = {"name": "arrays", "path": str(tmp_path / "own.npz")}
    config = config_file(task=task, training__batch_size=8)
    code, out, err = run("validate", config)
    assert (code, err) == (0, "")
    said = out.splitlines()
    assert said[1].startswith(
        "  arrays: 24 / 8 / 8 examples (train / validation / test) of 2 features, standard deviat"
    )
    assert said[2].startswith(
        "  whole floats in y are read as 2 classes (1, 2); if they are values, set task.problem"
    )
    assert said[3].startswith("  1 of 2 features have a scale outside 0.1 to 10 (feature 1: mean")
    code, _, err = run("validate", config_file(task=task, training__batch_size=32))
    assert code == 2
    assert "expected training.batch_size of at most 24, the training examples, got 32" in err


def test_validate_names_every_mistake_of_every_file(run, tmp_path, config_file, tiny):
    good = config_file()
    bad = tmp_path / "bad.yaml"
    bad.write_text(yaml.safe_dump(tiny(sede=1, budget={"networks": 0})))
    space = tmp_path / "space.yaml"
    space.write_text("functions: [rleu]\ntypes: {base: {}}\nlearning_rate: {low: 0.1, high: 1}\n")
    code, out, err = run("validate", good, bad, space, "gone.yaml")
    assert code == 2
    assert out.startswith(
        f"{good}: valid\n  faulty: 400 / 400 / 400 examples (train / validation / test) of 2 features"
    )
    assert out.count("\n") == 2
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        [str(bad), "budget.networks"],
        [str(bad), "sede"],
        [str(space), "functions"],
        ["expected a YAML file, got 'gone.yaml', which does not exist"],
    ]


def test_dry_run_says_what_it_would_cost_and_makes_nothing(run, config_file, tmp_path):
    config = config_file()
    code, out, err = run("search", config, "--dry-run", "-o", "run")
    assert (code, err) == (0, "")
    said = {line.split("  ")[0].strip() or line.split()[0]: line.split() for line in out.splitlines()}
    assert out.splitlines()[0].split() == ["networks", str(6 + 16 + 6 + 2)]
    assert said["gradient-examples"][1] == f"{30 * 20 * 32:.4g}"
    assert "less than one" in out
    assert "MB a pack" in out
    assert sorted(tmp_path.iterdir()) == [config]


def test_dry_run_counts_the_largest_network_of_the_space(run, config_file):
    config = config_file(space__types={"base": {}, "maxout": {"pieces": [2, 3]}})
    code, out, _ = run("search", config, "--dry-run")
    assert code == 0
    weights = 3 * (2 * 8 + 8) + 8 * 2 + 2
    assert f"parameters          at most {weights} weights and biases a network" in out


def test_gpus_that_are_not_there(run, config_file, monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    config = config_file(execution={"backend": "local", "gpus_per_pack": 1})
    code, out, err = run("search", config, "--dry-run")
    assert code == 0
    assert "minutes" in out
    assert err.startswith("execution.gpus_per_pack is 1, and this is a ")
    code, out, err = run("search", config, "-o", "run")
    assert (code, out) == (2, "")
    assert err.startswith("expected a GPU for execution.gpus_per_pack 1, got a machine without one;")
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_dry_run_of_a_search_limited_by_time(run, config_file):
    code, out, _ = run("search", config_file(budget={"minutes": 3}), "--dry-run")
    assert code == 0
    assert "as many as the time allows" in out
    assert "about 3 on this machine" in out


# --- what a search prints -----------------------------------------------------------------------


def test_a_search_prints_plain_lines_where_there_is_no_terminal(run, config_file, tmp_path):
    code, out, err = run("search", config_file(), "-o", "run")
    assert code == 0
    lines = err.splitlines()
    assert lines[0].startswith("Searching faulty with evolution in this process: ")
    assert lines[0].endswith("run directory run")
    assert lines[1].startswith("faulty: 400 / 400 / 400 examples (train / validation / test) of 2 features, ")
    assert [line.split()[0] for line in lines[2:]] == sorted(
        [line.split()[0] for line in lines[2:]], key=["baseline", "search", "confirm", "judge"].index
    )
    assert any(
        line.split()[:2] == ["search", "16/16"] and re.search(r"best \d+\.\d median \d+\.\d %", line)
        for line in lines
    )
    assert "\x1b" not in err + out
    assert "\r" not in err + out
    assert "he winner" in out
    for step in ("leaderboard run --top 20", 'leaderboard run --sql "SELECT', "search run/config.yaml --set"):
        assert f"evoact {step}" in out


@pytest.mark.slow
def test_the_next_steps_work(run, config_file):
    _, out, _ = run("search", config_file(), "-o", "a run")
    steps = [line.strip() for line in out.partition("Next:")[2].splitlines() if line.strip()]
    assert len(steps) == 5
    for step in steps:
        name, *arguments = shlex.split(step)
        assert Path(name).name == "evoact"
        code, out, err = run(*arguments, *(["--dry-run"] if arguments[0] == "search" else []))
        assert (code, err) == (0, "")
        assert out
    assert Path("a run-winner/model.py").is_file()


def test_a_search_that_the_clock_ended_goes_on_with_more_minutes(run, config_file):
    """More networks would change nothing: the search ends at the first limit."""
    _, out, _ = run("search", config_file(budget={"minutes": 0.01}), "-o", "run")
    last = out.strip().splitlines()[-1]
    assert last.endswith("search run/config.yaml --set seed=1 --minutes 10")
    code, out, _ = run(*shlex.split(last)[1:], "--dry-run")
    assert code == 0
    assert "10" in next(line for line in out.splitlines() if line.startswith("minutes"))


def test_a_shell_completes_commands_and_options(run, monkeypatch):
    monkeypatch.setenv("_EVOACT_COMPLETE", "complete_bash")
    for words, place, found in (("evoact in", "1", "inspect"), ("evoact search --mi", "2", "--minutes")):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", place)
        code, out, err = run("--help")
        assert (code, out.split(), err) == (0, [found], "")


def test_failures_are_counted(run, config_file):
    task = {"name": "faulty", "raises": 0.2, "nan": 0.1}
    _, out, err = run("search", config_file(task=task), "-o", "run")
    assert " failed" in err
    assert " failed." in out
    assert " diverged." in out


def test_resume_of_a_finished_run_says_so(run, tiny, tmp_path):
    search(experiment(tiny(training__steps=1)), tmp_path / "run")
    (tmp_path / "run").rename(tmp_path / "a run")
    code, out, err = run("resume", "a run")
    assert (code, err) == (0, "")
    assert out == "a run has finished already; see `evoact leaderboard 'a run'`.\n"  # to be copied


def test_resume_of_a_finished_run_names_what_is_damaged(run, tiny, tmp_path):
    search(experiment(tiny(training__steps=1)), tmp_path / "run")
    (tmp_path / "run" / "leaderboard" / "part-torn.parquet").write_bytes(b"PAR1")
    code, out, err = run("resume", "run")
    assert code == 0
    assert "has finished already" in out
    assert len(err.splitlines()) == 1
    assert "part-torn.parquet: expected a Parquet file" in err
    for part in (tmp_path / "run" / "leaderboard").iterdir():
        part.write_bytes(b"PAR1")
    code, out, err = run("resume", "run")
    assert (code, out) == (2, "")
    assert "run: expected at least one readable part, got none" in err
    for part in (tmp_path / "run" / "leaderboard").iterdir():
        part.unlink()
    code, out, err = run("resume", "run")
    assert (code, out) == (2, "")
    assert "run: expected the rows of a finished run, got none" in err


@pytest.mark.parametrize("content", [b"task: [unclosed", b"\xff\xfe", b"", b"text", b"{}"])
@pytest.mark.parametrize("name", ["config.yaml", "run.json"])
def test_resume_says_which_file_of_the_run_is_damaged(name, content, run, tiny, tmp_path):
    home = tmp_path / "run"
    home.mkdir()
    (home / "config.yaml").write_text(yaml.safe_dump(tiny()))
    (home / "run.json").write_text('{"finished_at": null}')
    (home / name).write_bytes(content)
    code, out, err = run("resume", "run")
    assert (code, out) == (2, "")
    assert all(line.startswith(f"run/{name}: ") for line in err.splitlines())
    assert content == b"{}" or len(err.splitlines()) == 1


def test_resume_without_a_record(run, tiny, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text(yaml.safe_dump(tiny()))
    code, _, err = run("resume", "run")
    assert code == 2
    assert err.startswith("run/run.json: expected the record that the search wrote, got nothing there;")


def test_a_directory_of_something_else_is_not_searched_into(run, config_file, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    code, out, err = run("search", config_file(), "-o", "mine")
    assert (code, out) == (2, "")
    assert err.startswith("expected a new or empty run directory, got 'mine', which holds 'thesis.tex'")
    assert [f.name for f in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_resume_names_a_torn_part_in_one_sentence(run, tiny, tmp_path):
    search(experiment(tiny(training__steps=1)), tmp_path / "run")
    change_record(tmp_path / "run", finished_at=None)
    (tmp_path / "run" / "leaderboard" / "part-torn.parquet").write_bytes(b"PAR1")
    code, _, err = run("resume", "run")
    assert code == 0
    assert "part-torn.parquet: expected a Parquet file, got a damaged or foreign one" in err.splitlines()[0]
    assert "Warning" not in err


def test_resolved_config_and_record_are_in_the_run_directory(run, config_file, tmp_path):
    run("search", config_file(training__steps=1), "-o", "run", "--set", "seed=7")
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (config["seed"], config["training"]["steps"], config["replicates"]) == (7, 1, 10)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["finished_at"] >= record["started_at"]
    assert record["networks"] > 22
    assert {"torch", "ray", "numpy"} <= record["machine"]["packages"].keys()


def test_data_alone_is_searched(run, tiny, tmp_path):
    rows = [f"{i % 7},{'yes' if i % 7 > 3 else 'no'}" for i in range(60)]
    (tmp_path / "mine.csv").write_text("\n".join(["size,big", *rows]))
    keys = ["space=four_functions", "learning_rate={values: [0.03]}", "strategy=random", "training.steps=7"]
    keys += [
        "budget.networks=4",
        "confirm={candidates: 1, baselines: 1, seeds: 1}",
        "execution.backend=local",
    ]
    asked = ["--data", "mine.csv", "--target", "big", *(word for key in keys for word in ("--set", key))]
    code, out, err = run("search", *asked)
    assert code == 0, err
    assert "on the test split" in out
    (made,) = (tmp_path / "runs").iterdir()
    config = yaml.safe_load((made / "config.yaml").read_text())
    assert (config["training"]["steps"], config["training"]["batch_size"]) == (7, 36)
    assert config["budget"] == {"networks": 4}
    assert made.name.startswith("mine-")
    assert run("search", "--data", "mine.csv")[0] == 2


def test_default_run_directory(run, config_file, tmp_path):
    assert run("search", config_file(training__steps=1, confirm__candidates=0))[0] == 0
    (made,) = (tmp_path / "runs").iterdir()
    assert made.name.startswith("tiny-20")
