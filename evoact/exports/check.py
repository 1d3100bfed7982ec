"""Whether what was written computes what evoact does, in an interpreter that has no evoact."""

import io
import math
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from evoact.errors import UserError
from evoact.exports.model_py import entry
from evoact.exports.module import TrainedNetwork
from evoact.tasks.metrics import metric_values
from evoact.tasks.task import Split, Task
from evoact.training.batches import evaluation_parts

SOURCE = "model.py"
CLOSE = 1e-5  # outputs, where they are larger than 1 relative to the largest of a batch
CLOSE_ERROR = 1e-6  # a mean squared error, relative
BATCH, NUMBERS = 500, 2**21  # examples at a time, of large ones fewer

# Reads arrays from stdin, each after a line with its length, and answers with the outputs of every part.
PROGRAM = """
import io, sys
sys.modules["evoact"] = None  # whoever imports it fails
folder = sys.argv[1]
sys.path.insert(0, folder)
import numpy as np, torch
from pathlib import Path

parts = {}
if sys.argv[2]:
    import model
    network = getattr(model, sys.argv[2])()
    parts["model.py"] = lambda x: network(torch.as_tensor(x)).detach().numpy()
if (program := Path(folder, "model.pt2")).exists():
    exported = torch.export.load(program).module()
    parts["model.pt2"] = lambda x: exported(torch.as_tensor(x)).detach().numpy()
if (onnx := Path(folder, "model.onnx")).exists():
    import onnxruntime
    session = onnxruntime.InferenceSession(onnx, providers=["CPUExecutionProvider"])
    parts["model.onnx"] = lambda x: session.run(None, {"inputs": x})[0]
while length := int(sys.stdin.buffer.readline() or 0):
    x = np.load(io.BytesIO(sys.stdin.buffer.read(length)))
    answer = io.BytesIO()
    np.savez(answer, **{name: part(x) for name, part in parts.items()})
    sys.stdout.buffer.write(b"%d\\n" % answer.getbuffer().nbytes + answer.getvalue())
    sys.stdout.buffer.flush()
"""


def check(folder: Path, network: TrainedNetwork, task: Task) -> dict[str, float]:
    """Return by how much the outputs of each part differ at most from evoact's on the test split.

    Raises:
        UserError: if one differs by more than 1e-5, or the metric is not that of the network's row.
    """
    split = task.splits()["test"]
    worst: dict[str, float] = {}
    outputs, targets = [], []
    with _Child(folder) as child:
        for x, y in _batches(task, split):
            with torch.no_grad():
                expected = network(torch.as_tensor(x)).numpy()
            found = child(x)
            scale = max(1.0, float(np.abs(expected).max()))
            for name, values in found.items():
                off = float(np.abs(values - expected).max()) / scale
                worst[name] = max(worst.get(name, 0.0), off if math.isfinite(off) else math.inf)
            outputs.append(next(iter(found.values())))
            targets.append(y)
    for name, off in worst.items():
        if not off <= CLOSE:
            raise UserError(
                f"expected {name} to agree with evoact to {CLOSE:g} on the test split, got a difference of {off:.2g}; "
                "nothing was written"
            )
    _check_metric(next(iter(worst)), np.concatenate(outputs), np.concatenate(targets), task, split, network)
    return worst


def _check_metric(
    name: str, outputs: np.ndarray, targets: np.ndarray, task: Task, split: Split, network: TrainedNetwork
) -> None:
    expected = network.rows[0]["test_metric"]
    pair = torch.as_tensor(outputs)[None], torch.as_tensor(targets)
    got = float(metric_values(task.metric, *pair, split)[0])
    same = got == expected if task.metric == "accuracy" else math.isclose(got, expected, rel_tol=CLOSE_ERROR)
    if not same:
        raise UserError(
            f"expected {name} to give the {task.metric} of its row on the test split, {expected!r}, got {got!r}; "
            "nothing was written"
        )


def _batches(task: Task, split: Split) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    size = max(1, min(BATCH, NUMBERS // math.prod(task.input_shape)))
    for inputs, targets in evaluation_parts(task, split, size, torch.device("cpu"), torch.float32):
        yield inputs[0].numpy(), targets.numpy()


class _Child:
    """A Python without evoact that computes what is in a folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        source = folder / SOURCE
        self.load = entry(source.read_text(encoding="utf-8"), "load") if source.exists() else ""

    def __enter__(self) -> "_Child":
        self.errors = (self.folder / ".errors").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-c", PROGRAM, str(self.folder), self.load],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
        )
        return self

    def __call__(self, x: np.ndarray) -> Mapping[str, np.ndarray]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        sent = io.BytesIO()
        np.save(sent, x)
        try:
            self.process.stdin.write(b"%d\n" % sent.getbuffer().nbytes + sent.getvalue())
            self.process.stdin.flush()
            length = int(self.process.stdout.readline() or 0)
        except BrokenPipeError:
            length = 0
        if not length:
            self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().decode(errors="replace").strip().splitlines()[-1:]
            raise UserError(
                f"expected the written files to compute without evoact, got {''.join(last)!r}; nothing was written"
            )
        with np.load(io.BytesIO(self.process.stdout.read(length))) as found:
            return dict(found)

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()
        (self.folder / ".errors").unlink()
