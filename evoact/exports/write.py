"""Writing a trained network so that it can be used without evoact."""

import hashlib
import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from evoact.analysis.activation_curves import activation_curves
from evoact.errors import UserError
from evoact.exports.check import SOURCE, check
from evoact.exports.gathered import NoSource
from evoact.exports.load import FACTS, WEIGHTS, Found, find, module
from evoact.exports.model_py import model_py
from evoact.exports.module import TrainedNetwork
from evoact.exports.plain_network import fill, plain
from evoact.exports.programs import PROGRAM, write_programs
from evoact.exports.readme import readme
from evoact.genomes.genome import to_json
from evoact.installation import VERSION
from evoact.leaderboard.location import Location
from evoact.networks.network import Network

FORMAT = 1
NO_SOURCE = "no_source"  # the fact why there is no model.py
NO_PROGRAM = "no_program"  # the fact why there is no model.pt2 or model.onnx, by file


def export(
    run_dir: str | Path,
    directory: str | Path,
    candidate: int | None = None,
    seed: int | None = None,
    arm: str = "",
    repeat: int = 0,
) -> Path:
    """Write a confirmed network of a run into a new directory; see `evoact.export`."""
    target = new_directory(directory)
    if seed is not None and (not isinstance(seed, int) or isinstance(seed, bool)):
        raise UserError(
            f"expected one fresh seed to export, got {seed!r}; an ensemble is loaded from its run directory"
        )
    found = find(run_dir, candidate, seed, arm, repeat, data=True)
    return write(target, found, module(found))


def new_directory(directory: str | Path) -> Path:
    """Return the absolute path of a directory to write.

    Raises:
        UserError: if something is there already, or it is no place on a disk.
    """
    target = Location.of(directory).local
    if target is None:
        raise UserError(
            f"expected a directory on this machine to export into, got {str(directory)!r}; export to a disk, then copy "
            "it there"
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UserError(
            f"expected a new directory to export into, got {str(directory)!r}, which is there; name another"
        )
    return target


def write(target: Path, found: Found, network: TrainedNetwork) -> Path:
    """Write one network, whose row and origin `found` says, under its name only when it is whole and checked."""
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    partial.mkdir()
    try:
        _write(partial, target, found, network)
        if target.exists():
            target.rmdir()
        partial.rename(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return target


def _write(folder: Path, target: Path, found: Found, network: TrainedNetwork) -> None:
    from safetensors.torch import save

    task, own, row = found.experiment.task, found.experiment.network, network.rows[0]
    tensors = {name: t[0].detach().numpy() for name, t in network.tensors().items()}
    title = f"{network.genome.label}: candidate {row['candidate']}, seed {row['seed']}, of {row['run']}."
    module, made = plain(own, network.genome)
    fill(module, own, network.genome, tensors)
    module.eval()
    state = {name: tensor.contiguous() for name, tensor in module.state_dict().items()}
    (folder / WEIGHTS).write_bytes(save(state))
    text: str | NoSource = made if isinstance(made, NoSource) else ""
    if not isinstance(made, NoSource):
        text = model_py(title, made, task, found.preprocessing, state)
        (folder / SOURCE).write_text(text, encoding="utf-8")
    without = write_programs(module, torch.zeros(2, *task.input_shape), folder)
    if isinstance(text, NoSource) and PROGRAM in without:
        raise UserError(
            f"expected a network of which {SOURCE} or {PROGRAM} can be written, got neither: {text}; {without[PROGRAM]}"
        )
    facts = _facts(found, network, own, tensors)
    facts[NO_SOURCE] = str(text) if isinstance(text, NoSource) else None
    facts[NO_PROGRAM] = without
    (folder / FACTS).write_text(_json(facts), encoding="utf-8")
    worst = check(folder, network, task)
    facts["checked"] = worst
    facts["digests"] |= {
        file.name: _digest(file) for file in sorted(folder.glob("model.*")) if file.name != FACTS
    }
    (folder / FACTS).write_text(_json(facts), encoding="utf-8")
    (folder / "README.md").write_text(
        readme(found, network, worst, target.name, text, without), encoding="utf-8"
    )


def _facts(
    found: Found, network: TrainedNetwork, own: Network, tensors: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Return what `model.json` says."""
    named, task = found.experiment.config.network, found.experiment.config.task
    curves = [
        {"site": c.site, "type": c.label, "neurons": c.count, "x": _short(c.x), "y": [_short(y) for y in c.y]}
        for c in activation_curves(network.genome, tensors)
    ]
    return {
        "format": FORMAT,
        "label": network.genome.label,
        "network": {"name": named.name, "arguments": dict(named.arguments)},
        "plugins": [vars(plugin) for plugin in found.experiment.plugins.values()],
        "sites": [{"site": s.name, "neurons": s.neurons, "symmetry": s.symmetry} for s in own.sites],
        "genome": to_json(network.genome),
        "task": {
            "name": task.name,
            "arguments": dict(task.arguments),
            "metric": found.experiment.task.metric,
            "input_shape": list(found.experiment.task.input_shape),
            "n_outputs": found.experiment.task.n_outputs,
        },
        "preprocessing": found.preprocessing and found.preprocessing.to_json(),
        "row": {name: value for name, value in network.rows[0].items() if name != "genome"},
        "curves": curves,
        "versions": {"evoact": VERSION, "torch": torch.__version__, "run": found.record.get("evoact")},
        "digests": {"data": found.record.get("digest")},
    }


def _short(values: np.ndarray) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _json(facts: dict[str, Any]) -> str:
    """Return readable JSON, with each list of numbers on one line."""
    text = json.dumps(facts, indent=1)
    return re.sub(r"\[[-+\d.eE,\s]+\]", lambda found: " ".join(found[0].split()), text)


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
