"""A plain network as programs that need no Python source: `torch.export` and ONNX."""

import importlib.util
import logging
import warnings
from pathlib import Path

import torch
from torch import Tensor, nn

PROGRAM, ONNX = "model.pt2", "model.onnx"
NEEDED = ("onnx", "onnxscript", "onnxruntime")


def missing_for_onnx() -> list[str]:
    """Return which packages of the extra `export` are not installed."""
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def write_programs(network: nn.Module, example: Tensor, folder: Path) -> None:
    """Write `model.pt2`, and `model.onnx` if its packages are there, for batches of any size.

    Args:
        network: in evaluation mode
        example: prepared inputs, two or more
    """
    batch = ({0: torch.export.Dim("batch")},)
    with warnings.catch_warnings(), _quiet():
        warnings.simplefilter("ignore")
        try:
            program = torch.export.export(network, (example,), dynamic_shapes=batch)
        except Exception:  # exporters raise anything, of derivatives within a forward pass, for one
            program = torch.export.export(_derived(network, example), (example,), dynamic_shapes=batch)
        torch.export.save(program, folder / PROGRAM)
        if not missing_for_onnx():
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


def _derived(network: nn.Module, example: Tensor) -> nn.Module:
    """Return the operations that a network computes, its derivatives among them written out."""
    from torch.fx.experimental.proxy_tensor import make_fx

    with torch.no_grad():
        return make_fx(network, tracing_mode="symbolic", _allow_non_fake_inputs=True)(example)


class _quiet:
    """Keeps the exporter from telling that torchvision is not installed."""

    def __enter__(self) -> None:
        self.logger = logging.getLogger("torch.onnx")
        self.before = self.logger.level
        self.logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        self.logger.setLevel(self.before)
