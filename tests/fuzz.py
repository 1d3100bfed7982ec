"""Inputs that nobody would write: whatever comes, evoact answers or says in one sentence what is wrong.

    python -m tests.fuzz --cases 10000 --seed 1 --json fuzz.json

Each case takes a shipped config, search space, genome, curve, record of a run or any file of one, damages it in one to
four places, and hands it to what reads it. A case fails if anything but a `UserError` comes out, a message is longer
than 4 kB or a problem longer than a line, or it takes more than 2 s of processor time or 500 MB of memory; and if a
damaged run answers otherwise than before without a word.
"""

import argparse
import atexit
import copy
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from evoact.activations.curves import Curve, load_curve, save_curve
from evoact.config import comparison, experiment, load, load_comparison, load_space, read_yaml
from evoact.config.load import inline_space
from evoact.config.stored_plan import plan_of
from evoact.errors import ConfigError, UserError
from evoact.execution.run import search
from evoact.execution.running.status import status_of
from evoact.execution.warm_start import warm_genomes
from evoact.genomes.activation_json import from_json as activation_from_json
from evoact.genomes.genome import dumps, loads
from evoact.genomes.kinds import KINDS
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, RECORD, record_of
from evoact.networks import NETWORKS
from evoact.report.number_format import unit_of
from evoact.report.run import read_run
from evoact.report.sections import provenance
from evoact.strategies import STRATEGIES
from evoact.tasks import TASKS
from evoact.training.optimizers import OPTIMIZERS
from evoact.yaml_text import dumps as to_yaml
from evoact.yaml_text import inside, oversize
from evoact.yaml_text import loads as read_text
from tests.conftest import TINY

ROOT = Path(__file__).parents[1]
SECONDS, BYTES, MESSAGE = 2.0, 500 * 10**6, 4096


def _nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def _bomb() -> Any:
    value: Any = ["x"]
    for _ in range(30):
        value = [value] * 10
    return value


NUMBERS = (
    0,
    1,
    -1,
    2,
    3,
    0.0,
    -0.0,
    0.5,
    1.0,
    1e-3,
    1e300,
    1e-300,
    float("inf"),
    float("nan"),
    2**31,
    2**63,
    10**12,
)
NUMBERS += (10**12, 10**30, 10**400, -(10**30))
TEXTS = (
    "",
    " ",
    "no",
    "1",
    "1e5",
    "\x00",
    "a\nb",
    "\ud800",
    "é" * 50,
    "../..",
    "auto",
    "all",
    "base",
    "convex",
    "layer",
)
TEXTS += (
    "relu",
    "sin(3*x)",
    "absent",
    "zero",
    "normalised(relu)",
    "normalised(zero)",
    "1e999*sin(x)",
    "sin(" * 20,
)
TEXTS += (*STRATEGIES, *NETWORKS, *TASKS, *OPTIMIZERS)
OTHERS = (
    None,
    True,
    False,
    [],
    {},
    [[]],
    [{}],
    ["relu", "relu"],
    [1, "a", None],
    [0.1, 0.01],
    {1: 2},
    {None: None},
)
OTHERS += ({"": ""}, {"name": "x"}, {"name": None}, {"name": ["relu"]})
LARGE: tuple[Callable[[], Any], ...] = (
    lambda: "x" * 10**6,
    lambda: "9" * 5000,
    lambda: list(range(10**6)),
    lambda: list(range(10**4)),
    lambda: ["relu"] * 10**4,
    lambda: [f"{i}*sin(x)" for i in range(1, 3000)],
    lambda: {f"key{i}": i for i in range(10**4)},
    lambda: _nested(200),
    lambda: _nested(10**5),
    _bomb,
    lambda: 10**5000,
)


def damaged(data: Any, draw: random.Random) -> Any:
    """Plain data with one to four of its parts replaced, left out, repeated, renamed or moved."""
    data = copy.deepcopy(data)
    for _ in range(draw.randint(1, 4)):
        places = list(_places(data))
        if not places:
            return _odd(draw)
        inside, key = draw.choice(places)
        how = draw.randrange(7)
        if how == 0:
            del inside[key]
        elif how == 1 and isinstance(inside, dict):
            inside[draw.choice((f"{key}x", 1, None, "name", "types", "neurons"))] = inside.pop(key)
        elif how == 2 and isinstance(inside, dict):
            inside[draw.choice(sorted(_words()))] = _odd(draw)
        elif how == 3:
            inside[key] = [inside[key]] * draw.choice((1, 2, 50))
        elif how == 4:
            other, there = draw.choice(places)
            inside[key] = other[there] if _still(other, there) else _odd(draw)
        elif how == 5 and isinstance(inside[key], (int, float)):
            factor = draw.choice((-1, 10, 0.5, 10**6, 10**9, 10**18))
            # An integer beyond the range of floats is halved as an integer.
            inside[key] = (
                inside[key] // 2 if factor == 0.5 and abs(inside[key]) > 1e300 else inside[key] * factor
            )
        else:
            inside[key] = _odd(draw)
    return data


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Every part near the top, as what it is in and its key there; what is there many times once."""
    places: list[tuple[Any, Any]] = []
    sections, seen = [data], set()
    while sections and len(places) < 10**4:
        section = sections.pop()
        if id(section) in seen or not isinstance(section, (dict, list)):
            continue
        seen.add(id(section))
        keys = list(section) if isinstance(section, dict) else range(min(50, len(section)))
        places += [(section, key) for key in keys]
        sections += [section[key] for key in keys]
    return places


def _still(inside: Any, key: Any) -> bool:
    return key in inside if isinstance(inside, dict) else key < len(inside)


def _odd(draw: random.Random) -> Any:
    return (
        draw.choice(LARGE)()
        if draw.random() < 0.1
        else copy.deepcopy(draw.choice(draw.choice((NUMBERS, TEXTS, OTHERS))))
    )


def cut(text: str, draw: random.Random) -> str:
    """A text with pieces left out, repeated or put in."""
    pieces = (
        "[",
        "]",
        "{",
        "}",
        ":",
        "- ",
        "\n",
        "  ",
        "'",
        '"',
        "&a ",
        "*a",
        "!!int ",
        "<<: ",
        "no",
        "010",
        "1:30",
        "\t",
        "\x00",
    )
    for _ in range(draw.randint(1, 4)):
        i, j = sorted(draw.randrange(len(text) + 1) for _ in range(2))
        j = min(j, i + 200)
        text = draw.choice(
            (
                text[:i] + text[j:],
                text[:i] + draw.choice(pieces) * draw.choice((1, 1, 1, 3, 2000)) + text[i:],
                text[:j] + text[i:j] * draw.choice((1, 3)) + text[j:],
            )
        )
    return text


@cache
def _configs() -> list[tuple[str, dict[str, Any]]]:
    found = [("search", TINY)]
    for path in sorted((ROOT / "configs").glob("*.yaml")):
        data = read_yaml(path)
        for section in (data, *data.get("arms", {}).values()):
            inline_space(section, path.parent)
        found.append(("compare" if "arms" in data else "search", data))
    return found


@cache
def _words() -> set[str]:
    """Every key of the shipped configs, and every field of an activation."""
    found = {field for kind in KINDS.values() for field in kind.__dataclass_fields__}
    for _, data in _configs():
        found |= {str(key) for inside, key in _places(data) if isinstance(inside, dict)}
    return found


def _data(draw: random.Random, which: str) -> dict[str, Any]:
    return draw.choice([data for kind, data in _configs() if kind == which])


# --- what is tried: each takes a source of chance and a folder, and hands what it made to evoact --------


def searches(draw: random.Random, folder: Path) -> None:
    _accepted(experiment(damaged(_data(draw, "search"), draw)))


def variations(draw: random.Random, folder: Path) -> None:
    """One number of a config by a small factor: most are accepted, and go further."""
    data = copy.deepcopy(_data(draw, "search"))
    section, key = draw.choice([(s, k) for s, k in _places(data) if type(s[k]) in (int, float)])
    section[key] = type(section[key])(section[key] * draw.choice((0, 0.1, 0.5, 2, 3, 10)))
    made = experiment(data)
    _accepted(made)
    for _ in range(3):
        genome = made.space.sample(draw)
        assert loads(dumps(genome)) == genome
        assert not made.space.objection(genome)


def _accepted(made: Any) -> None:
    """What is accepted can be counted, and reads back as it was written."""
    assert made.gradient_examples > 0
    again = experiment(read_text(made.to_yaml(), "resolved"))
    assert again.config == made.config


def comparisons(draw: random.Random, folder: Path) -> None:
    made = comparison(damaged(_data(draw, "compare"), draw))
    made.check_budgets()
    assert comparison(read_text(made.to_yaml(), "resolved")).to_yaml() == made.to_yaml()


def texts(draw: random.Random, folder: Path) -> None:
    which = draw.choice(("search", "compare"))
    path = folder / "config.yaml"
    path.write_text(cut(to_yaml(_data(draw, which)), draw), encoding="utf-8", errors="replace")
    (load if which == "search" else load_comparison)(path)


def spaces(draw: random.Random, folder: Path) -> None:
    path = folder / "space.yaml"
    data = read_yaml(draw.choice(sorted((ROOT / "search_spaces").glob("*.yaml"))))
    path.write_text(_json(damaged(data, draw)), encoding="utf-8", errors="replace")
    load_space(path)


def overrides(draw: random.Random, folder: Path) -> None:
    path = folder / "config.yaml"
    path.write_text(to_yaml(TINY))
    keys = [draw.choice(sorted(_words())) for _ in range(draw.randint(1, 3))]
    known = (
        "space.learning_rate",
        "space.types.given",
        "strategy",
        "network.hidden",
        "budget.networks",
        "space",
        "training",
    )
    key = draw.choice((".".join(keys), draw.choice(known)))
    value = draw.choice((cut("{name: mlp, hidden: [8, 8]}", draw), _json(_odd(draw))))
    load(path, [draw.choice((f"{key}={value}", cut(f"{key}={value}", draw)))])


def genomes(draw: random.Random, folder: Path) -> None:
    made = experiment(TINY)
    sample = json.loads(dumps(made.space.sample(random.Random(draw.randrange(1000)))))
    if draw.random() < 0.3:
        genome = loads(cut(json.dumps(sample), draw))
    else:
        data = damaged(sample, draw)
        genome = loads(_json(data))
    made.space.objection(genome)
    dumps(genome)


def activations(draw: random.Random, folder: Path) -> None:
    kind = draw.choice(sorted(KINDS))
    fields = {name: _odd(draw) for name in KINDS[kind].__dataclass_fields__ if draw.random() < 0.9}
    activation_from_json(_odd(draw) if draw.random() < 0.1 else {"kind": kind, **fields})


def warm_starts(draw: random.Random, folder: Path) -> None:
    sample = [json.loads(dumps(experiment(TINY).space.sample(random.Random(i)))) for i in range(2)]
    warm = {"run": "x", "candidates": 2, "genomes": sample, "surrogates": [[0.5] * 5, [0.5] * 8]}
    made = experiment(TINY | {"warm_start": damaged(warm, draw)})
    warm_genomes(made)


def curves(draw: random.Random, folder: Path) -> None:
    curve = Curve(np.linspace(-1, 1, 5), np.arange(5.0), {"source": "fuzz"})
    if draw.random() < 0.5:
        path = save_curve(folder / "bend", curve)
        content = bytearray(path.read_bytes())
        for _ in range(draw.randint(1, 20)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        path.write_bytes(bytes(content[: draw.choice((len(content), draw.randrange(len(content))))]))
        load_curve(str(path))
    else:
        data = {f"bend@{curve.digest}": {"grid": curve.grid.tolist(), "values": curve.values.tolist()}}
        experiment(TINY | {"curves": damaged(data, draw)})


def records(draw: random.Random, folder: Path) -> None:
    record = {
        "evoact": "0.1.0",
        "started_at": "2026-01-01T00:00:00+00:00",
        "finished_at": "2026-01-01T00:00:00+00:00",
        "networks": 3,
        "machine": {"packages": {"torch": "2"}, "platform": "x", "processors": 2, "kernels": True},
    }
    config = to_yaml(TINY)
    if draw.random() < 0.5:
        data = damaged(record, draw)
        text = _json(data)
    else:
        text = cut(json.dumps(record), draw)
        config = cut(config, draw)
    (folder / RECORD).write_text(text, encoding="utf-8", errors="replace")
    (folder / CONFIG).write_text(config, encoding="utf-8", errors="replace")
    home = Location.of(folder)
    plan = plan_of(home)
    run = SimpleNamespace(home=home, plan=plan, record=record_of(home), arms={})
    provenance.section(run, unit_of("accuracy"))  # type: ignore[arg-type]


def runs(draw: random.Random, folder: Path) -> None:
    """A run, one of whose files was cut at a kilobyte or has other bits."""
    source, expected = _run()
    place = folder / "run"
    shutil.copytree(source, place)
    file = draw.choice(sorted(path for path in place.rglob("*") if path.is_file()))
    content = bytearray(file.read_bytes())
    if draw.random() < 0.5:
        content = content[: 1024 * draw.randrange(1 + len(content) // 1024)]
    for _ in range(draw.randint(1, 3) if content else 0):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    file.write_bytes(content)
    found, said = _answers(place)
    assert said or found == expected, file.name


@cache
def _run() -> tuple[Path, str]:
    """A finished run, and what it answers."""
    place = Path(tempfile.mkdtemp(prefix="evoact-fuzz-"))
    atexit.register(shutil.rmtree, place)
    search(experiment(TINY | {"training": {"steps": 6, "batch_size": 32, "curve_every": 2}}), place / "run")
    return place / "run", _answers(place / "run")[0]


def _answers(place: Path) -> tuple[str, list[str]]:
    """What a run says of its rows, curves and weights, and what of it is damaged, as far as it says so."""
    said: list[str] = []
    board = Leaderboard(place, report=said.append)
    status_of(place)
    run = read_run(place)
    weights = [run.tensors(name) for name in run.rows["artifact"].dropna()]
    learned = [{name: array.tolist() for name, array in sorted(of.items())} for of in weights]
    answer = repr((board.top(5).drop_columns("run").to_pylist(), board.curves().to_pylist(), learned))
    return answer, [*said, *run.problems]


def _json(data: Any) -> str:
    """JSON, which is YAML, too, and faster to write; aliases for what repeats itself without end."""
    try:
        if not oversize(data, inside, 2 * 10**6):
            return json.dumps(data)
        if any(len(inside(section[key])) > 10**5 for section, key in _places(data)):
            return (
                f"[{'1, ' * 2 * 10**6}]"  # as large, and PyYAML would write for longer than a case may take
            )
        return to_yaml(data)
    except (ValueError, TypeError, RecursionError):
        return "[" * 10**5


TRIED = (
    searches,
    variations,
    comparisons,
    texts,
    spaces,
    overrides,
    genomes,
    activations,
    warm_starts,
    curves,
    records,
    runs,
)


@dataclass(frozen=True)
class Outcome:
    """What came of a case; `wrong` is empty where all is well."""

    tried: str
    wrong: str
    refused: bool
    seconds: float


def attempt(draw: random.Random) -> Outcome:
    """One case."""
    tried = draw.choice(TRIED)
    wrong, refused = "", False
    if tried is runs:
        _run()  # once, in no case's time
    with tempfile.TemporaryDirectory() as folder:
        before, peak = time.process_time(), _peak()
        signal.signal(signal.SIGPROF, _stop)
        signal.setitimer(signal.ITIMER_PROF, 4 * SECONDS)
        try:
            tried(draw, Path(folder))
        except UserError as error:
            refused, wrong = True, _message(error)
        except (Exception, Stuck):
            wrong = traceback.format_exc(limit=-8)[-3000:]
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
        seconds, grown = time.process_time() - before, _peak() - peak
    if not wrong and seconds > SECONDS:
        wrong = f"took {seconds:.1f} s"
    if not wrong and grown > BYTES:
        wrong = f"took {grown / 1e6:.0f} MB"
    return Outcome(tried.__name__, wrong, refused, seconds)


class Stuck(BaseException):
    """Says where a case was that takes far too long."""


def _stop(*_: Any) -> None:
    raise Stuck


def _message(error: UserError) -> str:
    """What is wrong with a message."""
    text = str(error)
    if len(text.encode()) > MESSAGE:
        return f"a message of {len(text.encode())} bytes: {text[:500]}"
    problems = error.problems if isinstance(error, ConfigError) else (text,)
    if not problems or not all(p.strip() for p in problems) or any("\n" in p for p in problems):
        return f"not one sentence for each problem: {text[:500]!r}"
    return ""


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="*", help="these cases alone")
    parser.add_argument("--json", type=Path, help="where to write what was found")
    chosen = parser.parse_args()
    os.environ["EVOACT_OFFLINE"] = "1"
    counts: Counter[str] = Counter()
    failures, slowest = [], 0.0
    for case in chosen.only or range(chosen.cases):
        print(f"\r{case}", end="", file=sys.stderr)  # says which one took the process down
        outcome = attempt(random.Random(f"{chosen.seed}-{case}"))
        counts[f"{outcome.tried} {'refused' if outcome.refused else 'taken'}"] += 1
        slowest = max(slowest, outcome.seconds)
        if outcome.wrong:
            failures.append({"seed": chosen.seed, "case": case, **asdict(outcome)})
            print(f"\nseed {chosen.seed} case {case} {outcome.tried}: {outcome.wrong}", flush=True)
    found = {
        "cases": sum(counts.values()),
        "failures": len(failures),
        "slowest_seconds": round(slowest, 3),
        "peak_megabytes": _peak() // 10**6,
        "counts": dict(sorted(counts.items())),
        "failed": failures,
    }
    print("\n" + json.dumps({k: v for k, v in found.items() if k != "failed"}, indent=2))
    if chosen.json:
        chosen.json.write_text(json.dumps(found, indent=2))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
