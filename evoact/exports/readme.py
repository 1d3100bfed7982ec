"""The `README.md` of an export: what it is, how good, and how to load it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import scipy.stats

from evoact.analysis.candidates import LARGE, SPLITS, TEST
from evoact.analysis.verdicts import FEWEST, LEVEL
from evoact.errors import counted
from evoact.exports.check import SOURCE
from evoact.exports.gathered import NoSource
from evoact.exports.load import AGAIN, Found, find
from evoact.exports.model_py import entry
from evoact.exports.module import TrainedNetwork, classifies
from evoact.exports.programs import ONNX, PROGRAM
from evoact.report.comparison_text import verdict_sentences
from evoact.report.run import read_run
from evoact.report.search_text import verdict
from evoact.tasks.metrics import in_percent

MOST_NAMES = 12  # of columns

TEXT = """# {label}

{kind} that `evoact` {version} found for the task `{task}`, trained by gradient descent: candidate {candidate} of the
run `{run}`, on fresh seed {seed}. Inputs are [batch, {shape}], outputs [batch, {outputs}]; {parameters:,} numbers.

## How good it is

| {metric} | validation | {split} |
| --- | --- | --- |
{figures}

{verdict}

## Load it

In this directory, with `torch` alone:

```python
{how}
```

{columns}`evoact.load("{directory}"{given})` gives the same network, with `predict`, where evoact is installed.

## What is here

| file | content |
| --- | --- |
{source}
| `model.safetensors` | its weights, by the names of its `state_dict` |
{programs}
| `model.json` | genome, sites, curves of the types, preprocessing, the row of the leaderboard, versions, digests |

Compared with evoact on the whole test split: {checked}; `{first}` gives the {metric} of the row.
"""
FROM_SOURCE = """from model import {names}

network = {load}()  # a torch.nn.Module in evaluation mode
{predict}(network, x)  # for x as the data has it, {gives}"""
PROBABILITIES = """
network({prepare}(x)).softmax(1)  # the probability of each class"""
FROM_PROGRAM = """import torch

network = torch.export.load("model.pt2").module()
network(x)  # for inputs x prepared as model.json says under preprocessing, [batch, {shape}] in float32"""


def readme(
    found: Found,
    network: TrainedNetwork,
    worst: dict[str, float],
    directory: str,
    text: str | NoSource,
    without: Mapping[str, str],
) -> str:
    """Return the text; `worst` says by how much each part differs from evoact's outputs at most, `text` is that of
    `model.py`, or why there is none, `without` why there is no program, by file."""
    row, task = network.rows[0], found.experiment.task
    split = LARGE if row[LARGE] is not None else TEST
    classes = classifies(found.preprocessing, task.metric)
    gives = "the class of each example" if classes else "values in the targets' units"
    shape = ", ".join(map(str, task.input_shape))
    if isinstance(text, NoSource):
        how, source = FROM_PROGRAM.format(shape=shape), f"| no `{SOURCE}` | {text} |"
    else:
        names = {name: entry(text, name) for name in ("load", "predict", "prepare")}
        wanted = ", ".join(names.values() if classes else list(names.values())[:2])
        how, source = (
            FROM_SOURCE.format(gives=gives, names=wanted, **names)
            + (PROBABILITIES.format(**names) if classes else ""),
            f"| `{SOURCE}` | the network in plain PyTorch |",
        )
    return TEXT.format(
        label=network.genome.label,
        kind=f"A network (`{found.experiment.config.network.name}`)",
        version=found.record.get("evoact"),
        task=found.experiment.config.task.name,
        candidate=row["candidate"],
        run=row["run"],
        seed=row["seed"],
        shape=shape,
        outputs=task.n_outputs,
        parameters=sum(p.numel() for p in network.parameters()),
        metric=task.metric,
        split=SPLITS[split],
        figures="\n".join(_figures(found, row, split)),
        verdict="\n\n".join(_verdict(found)),
        how=how,
        columns=_columns(found),
        source=source,
        first=next(iter(worst)),
        directory=directory,
        given=", model=MODEL" if "given" in found.experiment.config.network.arguments else "",
        programs="\n".join(_programs(text, without)),
        checked=", ".join(f"`{name}` to {off:.1g}" for name, off in worst.items()),
    )


def _columns(found: Found) -> str:
    """Return a paragraph about the columns of a table; nothing of other data."""
    known = found.preprocessing
    if known is None or not known.columns:
        return ""
    names = [f"`{column.name}`" for column in known.columns]
    if len(names) > MOST_NAMES:
        names = [*names[:MOST_NAMES], f"{counted(len(names) - MOST_NAMES, 'other')} (`model.json` has all)"]
    listed = f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]
    return f"`x` is a DataFrame, or lists of values by column, with {listed}.\n\n"


def _programs(text: str | NoSource, without: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the table of files about programs."""
    prepared = "as `model.json` says" if isinstance(text, NoSource) else f"`prepare` of `{SOURCE}`"
    as_for = prepared if PROGRAM in without else f"as for `{PROGRAM}`"
    uses = {
        PROGRAM: f'`torch.export.load("{PROGRAM}").module()(x)`, for prepared inputs ({prepared})',
        ONNX: f"inputs `inputs`, outputs `outputs`, any batch, prepared {as_for}",
    }
    for file, use in uses.items():
        yield f"| no `{file}` | {without[file]} |" if file in without else f"| `{file}` | {use} |"


def _figures(found: Found, row: Mapping[str, Any], split: str) -> Iterator[str]:
    """Yield the lines of the table: this network, then the mean over the run's fresh seeds with its interval."""
    again = f", trained again for {counted(row['steps'], 'step')}" if row["phase"] == AGAIN else ""
    on_all = " on training and validation split" if row["val_metric"] is None else ""
    values = [[] if row[column] is None else [row[column]] for column in ("val_metric", split)]
    yield _line(f"this network (seed {row['seed']}{again}{on_all})", values, row["metric"])
    arm, repeat = row["arm"], row["repeat"]
    every = find(found.home, row["candidate"], "all", arm, repeat, data=False).rows
    rows = [r for r in every if r["phase"] == "judge"] or every
    which = "on which it was judged" if rows is not every else "on which it was confirmed"
    columns = [[r["val_metric"] for r in rows], [r[split] for r in rows]]
    yield _line(f"mean over the {counted(len(rows), 'seed')} {which}", columns, row["metric"])


def _line(name: str, columns: Sequence[Sequence[float]], metric: str) -> str:
    scale, unit = (100, " %") if in_percent(metric) else (1, "")
    cells = []
    for values in columns:
        text = f"{scale * np.mean(values):.4g}{unit}" if values else ""
        if len(values) >= FEWEST:
            error = scipy.stats.sem(values)
            width = scale * error * scipy.stats.t.ppf((1 + LEVEL) / 2, len(values) - 1)
            text += f" ± {width:#.2g} (95 % interval)"
        cells.append(text)
    return f"| {' | '.join([name, *cells])} |"


def _verdict(found: Found) -> list[str]:
    run = read_run(found.home.text)
    return verdict_sentences(run) if found.plan.compares else verdict(run.summary).split("\n")
