"""The file `model.py` of an export: plain PyTorch that needs nothing else."""

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from evoact.exports.module import classifies
from evoact.exports.plain_network import PLAIN, Source
from evoact.exports.text import TAKEN
from evoact.tasks.images import ImageTask
from evoact.tasks.own.preprocessing import Preprocessing
from evoact.tasks.task import Task

# As safetensors writes them.
DTYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
HEAD = """{title}

Plain PyTorch: this file, model.safetensors beside it, and torch.

    from model import load, predict
    network = load()
    predict(network, x)  # {example}
"""

LOAD = '''def load() -> nn.Module:
    """Return the trained network, for prepared inputs [batch, {shape}] and with outputs [batch, {outputs}]."""
    network = build()
    network.load_state_dict(tensors(Path(__file__).with_name("model.safetensors")))
    return network.eval()'''

TENSORS = '''def tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file: the length of a header, the header in JSON, the numbers."""
    data = path.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        dtype = {{dtypes}}[entry["dtype"]]
        numbers = torch.frombuffer(bytearray(data[start + first : start + last]), dtype=dtype)
        found[name] = numbers.reshape(entry["shape"])
    return found'''

AS_IT_IS = '''def prepare(x) -> Tensor:
    """Return what the network takes, [n, {shape}], of inputs as the data has them."""
    return torch.as_tensor(x).float()'''

STANDARDISED = '''def prepare(x) -> Tensor:
    """Return what the network takes, [n, {shape}], of inputs as the data has them: to mean 0 and deviation 1."""
    x = torch.as_tensor(x).double()
    {scaling}'''

PIXELS = '''def prepare(x) -> Tensor:
    """Return what the network takes, [n, {shape}], of pixels from 0 to 255: their centre, scaled by channel."""
    x = torch.as_tensor(x).float()
    top, left = (x.shape[-2] - {height}) // 2, (x.shape[-1] - {width}) // 2
    x = x[..., top : top + {height}, left : left + {width}]
    mean = torch.tensor({mean}, dtype=torch.float64).view(-1, 1, 1) * 255
    scale = torch.tensor({scale}, dtype=torch.float64).view(-1, 1, 1) * 255
    return (x - mean.float()) / scale.float()'''

TABLE = '''def prepare(table) -> Tensor:
    """Return what the network takes, [n, {shape}], of a table: a DataFrame, or lists of values by column."""
    parts = []
    for column in FACTS["preprocessing"]["columns"]:
        try:
            values = list(table[column["name"]])
        except (KeyError, IndexError, TypeError):
            wanted = ", ".join(one["name"] for one in FACTS["preprocessing"]["columns"])
            raise ValueError(f"expected the columns {wanted}, got none called {column['name']!r}") from None
        if column["kind"] == "category":
            names = [category(value) for value in values]
            parts += [torch.tensor([float(name == one) for name in names]) for one in column["categories"]]
        else:
            x = torch.tensor([number(value) for value in values], dtype=torch.float64)
            parts.append(torch.where(x.isnan(), column["fill"], x))
            if column["indicated"]:
                parts.append(x.isnan())
    x = torch.stack([part.double() for part in parts], dim=1)
    {scaling}'''

SCALING = """scaling = FACTS["preprocessing"]["features"]
    mean, scale = (torch.tensor(scaling[key], dtype=torch.float64) for key in ("mean", "scale"))
    return ((x - mean) / scale).float()"""

CLASSES = '''@torch.no_grad()
def predict(network: nn.Module, x) -> Tensor:
    """Return the class of each example, by number [n], for inputs as the data has them."""
    return network(prepare(x)).argmax(1)'''

LABELS = '''@torch.no_grad()
def predict(network: nn.Module, x) -> list:
    """Return the label of each example for inputs as the data has them."""
    return [FACTS["preprocessing"]["classes"][i] for i in network(prepare(x)).argmax(1).tolist()]'''

VALUES = '''@torch.no_grad()
def predict(network: nn.Module, x) -> Tensor:
    """Return values [n, {outputs}] for inputs as the data has them."""
    return network(prepare(x))'''

SCALED_VALUES = '''@torch.no_grad()
def predict(network: nn.Module, x) -> Tensor:
    """Return values [n, {outputs}], in the targets' own units, for inputs as the data has them."""
    scaling = FACTS["preprocessing"]["targets"]
    mean, scale = (torch.tensor(scaling[key], dtype=torch.float64) for key in ("mean", "scale"))
    return network(prepare(x)).double() * scale + mean'''

FACTS = 'FACTS = json.loads(Path(__file__).with_name("model.json").read_text(encoding="utf-8"))'


def model_py(
    title: str,
    made: Source,
    task: Task,
    preprocessing: Preprocessing | None,
    state: Mapping[str, Tensor],
) -> str:
    """Return the file's text.

    Args:
        title: what it is, one line
        made: what makes the network
        task: whose inputs and outputs the network has
        preprocessing: of people's own data, None for a task by name
        state: the network's
    """
    known = preprocessing or Preprocessing(None, None, ())
    classes = classifies(preprocessing, task.metric)
    places: dict[str, Any] = {
        "title": title,
        "example": f"{'classes' if classes else 'values'}, for inputs as the data has them",
        "shape": ", ".join(map(str, task.input_shape)),
        "outputs": task.n_outputs,
        "scaling": SCALING if known.features else "return x.float()",
        "dtypes": ", ".join(sorted({f'"{DTYPES[t.dtype]}": {t.dtype}' for t in state.values()})),
    }
    prepare = TABLE if known.columns else STANDARDISED if known.features else AS_IT_IS
    if isinstance(task, ImageTask):
        prepare, (_, height, width) = PIXELS, task.input_shape
        places |= {"height": height, "width": width, "mean": task.mean, "scale": task.scale}
    predict = (
        (LABELS if known.classes else CLASSES) if classes else SCALED_VALUES if known.targets else VALUES
    )
    ends = "\n\n\n".join(filled(text, places) for text in (LOAD, prepare, predict, TENSORS))
    needed = "\n\n\n".join(PLAIN.needed_by(ends))
    facts = filled(FACTS, places) if "FACTS" in ends else ""
    body = made.plain.file("\n\n\n".join(part for part in (facts, needed, made.text, ends) if part), made.own)
    if not made.own:
        return f'"""{filled(HEAD, places)}"""\n\n{body}'
    head = filled(HEAD, places).rstrip()
    for name in ("load", "predict"):
        head = re.sub(rf"\b{name}\b", entry(body, name), head)
    return "".join(f"# {line}".rstrip() + "\n" for line in head.splitlines()) + "\n" + body


def entry(text: str, name: str) -> str:
    """Return the name that a function of this module's, such as `load`, has in a file."""
    return name + TAKEN if f"\ndef {name}{TAKEN}(" in text else name


def filled(text: str, places: Mapping[str, Any]) -> str:
    """Return a text with values for the names in braces; other braces are left as they are."""
    for name, value in places.items():
        text = text.replace(f"{{{name}}}", str(value))
    return text
