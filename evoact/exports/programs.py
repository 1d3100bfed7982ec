"""A plain network as programs that need no Python source: `torch.export` and ONNX."""

import importlib.util
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import torch
from torch import Tensor, nn

from evoact.errors import shortened

PROGRAM, ONNX = "model.pt2", "model.onnx"
LOGGERS = ("torch", "torch.export", "torch.fx", "torch.onnx")
NEEDED = ("onnx", "onnxscript", "onnxruntime")


def missing_for_onnx() -> list[str]:
    """Return which packages of the extra `export` are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def write_programs(network: nn.Module, example: Tensor, folder: Path) -> dict[str, str]:
    """Write `model.pt2`, and `model.onnx` if its packages are there, for batches of any size; return why there is
    none, by file.

    Args:
        network: in evaluation mode
        example: prepared inputs, two or more
    """
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        try:
            program = _exported(network, example)
        except Exception as error:  # exporters raise anything
            return {PROGRAM: _why(error), ONNX: _without_packages() or _why(error)}
        torch.export.save(program, folder / PROGRAM)
        if missing := _without_packages():
            return {ONNX: missing}
        try:
            made = torch.onnx.export(
                program,
                (example,),
                dynamo=True,
                verbose=False,
                input_names=["inputs"],
                output_names=["outputs"],
            )
            assert made is not None
            made.save(folder / ONNX)
        except Exception as error:  # an operation that ONNX does not have, for one
            (folder / ONNX).unlink(missing_ok=True)
            return {ONNX: _why(error)}
        return {}


def _without_packages() -> str:
    missing = missing_for_onnx()
    return f"it wants {', '.join(missing)}: `pip install 'evoact[export]'`" if missing else ""


def _exported(network: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    batch = ({0: torch.export.Dim("batch")},)
    try:
        return torch.export.export(network, (example,), dynamic_shapes=batch)
    except Exception as error:  # of derivatives within a forward pass, for one
        try:
            return torch.export.export(_derived(network, example), (example,), dynamic_shapes=batch)
        except Exception:
            raise error from None


def _why(error: Exception) -> str:
    """Return in a sentence what hinders PyTorch's exporters."""
    if "specialized" in str(error):
        return (
            "its forward fixes the number of examples, as `len(x)` does and `x.shape[0]` does not; write that and "
            "search again"
        )
    while error.__cause__ is not None:  # ONNX's exporter says at first which of its steps failed
        error = error.__cause__  # type: ignore[assignment]
    first = next(iter(str(error).strip().splitlines()), type(error).__name__).rstrip(".")
    return f"PyTorch cannot write such a forward as a program: {shortened(first, 300)}"


def _derived(network: nn.Module, example: Tensor) -> nn.Module:
    """Return the operations that a network computes, its derivatives among them written out."""
    from torch.fx.experimental.proxy_tensor import make_fx

    with torch.no_grad():
        return make_fx(network, tracing_mode="symbolic", _allow_non_fake_inputs=True)(example)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporters from telling that torchvision is not installed, and from printing what they raise."""
    before = {logger: logger.level for logger in map(logging.getLogger, LOGGERS)}
    try:
        for logger in before:
            logger.setLevel(logging.CRITICAL)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        for logger, level in before.items():
            logger.setLevel(level)
