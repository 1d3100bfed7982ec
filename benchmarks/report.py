"""How long the report of a large leaderboard takes to write, and how large the file is.

    python benchmarks/report.py [--quick] [--json FILE]

A search and a comparison, each of 100,000 networks (with --quick 10,000) that were proposed and confirmed but not
trained: their metrics are drawn. The time is that of the whole process `evoact report`, imports included; the median
of three. If there is a Chromium, the page's table of 10,000 candidates is sorted, filtered and grouped in it, until the
new rows are laid out; the slowest of each kind.
"""

import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from reporting import Row, arguments, report
from strategy_overhead import tanh_neurons

from evoact.config import Experiment, Plan, comparison, load, load_comparison
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, write_record
from evoact.leaderboard.store.write import write_part
from evoact.records import COMPLETED, Proposal, Result, TrainResult
from evoact.strategies import create

NETWORKS, QUICK_NETWORKS = 100_000, 10_000
REPEATS, CONFIRMED, SEEDS = 10, 3, 10
ARMS = ("random mixtures", "discretised", "evolution", "optuna", "hybrid")
RUNS, QUICK_RUNS = 3, 1
IN_A_PART = 500

CONFIGS = Path(__file__).parents[1] / "configs"


def main() -> None:
    options = arguments(__doc__)
    networks = QUICK_NETWORKS if options.quick else NETWORKS
    rows = []
    for name, plan in (("search", Plan.of(searched(networks))), ("comparison", compared(networks))):
        with tempfile.TemporaryDirectory(prefix="evoact-benchmark-") as directory:
            home = Path(directory) / name
            make(plan, home)
            command = [str(Path(sys.executable).with_name("evoact")), "report", str(home)]
            seconds = [timed(command) for _ in range(QUICK_RUNS if options.quick else RUNS)]
            rows.append(Row(f"{name}_seconds", statistics.median(seconds), "s", 10, "lower"))
            size = (home / "report.html").stat().st_size / 1e6
            rows.append(Row(f"{name}_megabytes", size, "MB", 5, "lower"))
            rows += asked(name, home / "report.html")
    report(options, rows)


def timed(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def clicked(column: str) -> str:
    heads = "[...document.querySelectorAll('table[data-sortable] th button')]"
    return f"{heads}.find(button => button.textContent === {column!r}).click()"


def set_to(value: str, event: str, selector: str, place: int = 0) -> str:
    field = f"document.querySelectorAll({selector!r})[{place}]"
    return f"(e => {{e.value = {value!r}; e.dispatchEvent(new Event({event!r}));}})({field})"


# What readers do with the table.
QUESTIONS = {
    "sort": [clicked("validation"), clicked("activations")],
    "filter": [set_to(asked, "input", "[data-filter]") for asked in ("tanh validation > 0.6", "")],
    "group": [
        set_to("learning rate", "change", "[data-group]"),
        set_to("activations", "change", "[data-group]", 1),
        clicked("n"),
    ],
}


def asked(name: str, page: Path) -> list[Row]:
    """Milliseconds of each kind of question to the page's table; nothing without a browser."""
    sys.path.append(str(CONFIGS.parent))
    from tests.report.browser import Browser, find_browser

    binary = find_browser()
    if binary is None:
        return []
    browser = Browser(binary)
    try:
        browser.screen(1400, 900)
        browser.open(page)
        timed = (
            "(() => {{const start = performance.now(); {}; document.body.offsetHeight; "
            "return performance.now() - start;}})()"
        )
        return [
            Row(
                f"{name}_{kind}",
                max(browser.run(timed.format(event)) for event in events),
                "ms",
                200,
                "lower",
            )
            for kind, events in QUESTIONS.items()
        ]
    finally:
        browser.close()


def searched(networks: int) -> Experiment:
    return load(
        CONFIGS / "mnist1d_evolution.yaml", ["strategy={name: random}", f"budget.networks={networks}"]
    )


def compared(networks: int) -> Plan:
    """The shipped comparison of some arms, with random networks in place of those that each would train."""
    overrides = [
        f"budget.networks={networks // (len(ARMS) * REPEATS)}",
        f"repeats={REPEATS}",
        "confirm.judge=0",
    ]
    whole = load_comparison(CONFIGS / "compare_mnist1d.yaml", overrides)
    data = whole.plain()
    return comparison(
        data | {"arms": {name: data["arms"][name] for name in ARMS}, "reference": ARMS[0], "scaled": None}
    )


def make(plan: Plan, home: Path) -> None:
    """A run directory as a search leaves it."""
    home.mkdir()
    (home / CONFIG).write_text(plan.to_yaml())
    when = "2026-01-01T00:00:00+00:00"
    write_record(
        Location.of(home),
        {"evoact": "0.1.0", "started_at": when, "finished_at": when, "machine": {"packages": {}}},
    )
    results = [
        result for arm, repeat in plan.parts() for result in drawn(plan.part(arm, repeat), arm, repeat)
    ]
    for i in range(0, len(results), IN_A_PART):
        write_part(home, results[i : i + IN_A_PART], run="benchmark", task="mnist1d", network="mlp")


def drawn(e: Experiment, arm: str, repeat: int) -> Iterator[Result]:
    """The results of one search, then of the confirmation of its first candidates."""
    strategy = create("random", e.space, seed=e.seed, networks=e.config.budget.networks or 1, steps=e.steps)
    proposals = strategy.ask(e.config.budget.networks or 1)
    for p in proposals:
        yield result(p, arm, repeat, "search", p.seed)
    for p in proposals[:CONFIRMED]:
        for seed in range(SEEDS):
            yield result(p, arm, repeat, "confirm", 1000 + seed)


def result(p: Proposal, arm: str, repeat: int, phase: str, seed: int) -> Result:
    """The more tanh the better, with noise."""
    draw = random.Random(f"{arm} {repeat} {p.index} {seed}")
    metric = min(1.0, max(0.0, draw.gauss(0.6 + 0.0005 * tanh_neurons(p.genome), 0.02)))
    placed = replace(p, seed=seed, phase=phase, arm=arm, repeat=repeat)
    return TrainResult(
        placed, COMPLETED, "accuracy", "maximize", metric, metric, metric, draw.random(), 5110,
        steps_run=p.steps,
        gradient_examples=100 * p.steps, train_seconds=1.0, pack=f"{phase}-{p.index // IN_A_PART}", pack_size=IN_A_PART,
        device="cpu", started_at=1.77e9 + p.index, finished_at=1.77e9 + p.index + 1,
    )  # fmt: skip


if __name__ == "__main__":
    main()
