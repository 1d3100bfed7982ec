"""The compiled kernels: built once per machine into the user's cache, None if that is not possible.

Whoever can write to that folder, or change a file in it, can have this process run what they like: it is the user's
own, and a file is loaded only if its content has the digest in its name. One that has not is built again.

The sources lie beside this file. They need a C compiler (`cc`, or what the environment variable CC
names) and nothing else; EVOACT_NATIVE=0 leaves them out. Without them PyTorch computes the same.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from evoact.cache_directory import code_directory, is_private
from evoact.errors import UserError

SOURCES = Path(__file__).parent
FLAGS = [
    "-O3",
    "-std=gnu11",
    "-fPIC",
    "-shared",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-ffp-contract=off",
]
# The first that the compiler takes. Threads come from the OpenMP runtime that PyTorch has already loaded.
VARIANTS = [["-march=native", "-mprefer-vector-width=512", "-fopenmp"], ["-march=native", "-fopenmp"], []]
BUILD_SECONDS = 600  # a few on a machine that is not busy

NO_ROOM = -1  # as in shares.h
_POINTER, _SIZE, _INT = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
_FLOAT, _DOUBLE = ctypes.c_float, ctypes.c_double
# Result and arguments of each function in the sources.
SIGNATURES: dict[str, tuple[Any, list[Any]]] = {
    "evoact_function_name": (ctypes.c_char_p, [_INT]),
    "evoact_mixture_forward": (None, [_POINTER] * 5 + [_SIZE] * 3 + [_INT]),
    "evoact_mixture_backward": (None, [_POINTER] * 8 + [_SIZE] * 3 + [_INT]),
    "evoact_mixture_columns_forward": (None, [_POINTER] * 7 + [_SIZE] * 2 + [_INT]),
    "evoact_mixture_columns_backward": (None, [_POINTER] * 10 + [_SIZE] * 3 + [_INT]),
    "evoact_spline_forward": (None, [_POINTER] * 3 + [_SIZE] * 3 + [_FLOAT] * 2 + [_INT]),
    "evoact_spline_backward": (None, [_POINTER] * 5 + [_SIZE] * 4 + [_FLOAT] * 2 + [_INT]),
    "evoact_spline_curvature": (None, [_POINTER] * 8 + [_SIZE] * 4 + [_FLOAT] * 2 + [_INT]),
    "evoact_spline_value_slope": (None, [_POINTER] * 5 + [_SIZE] * 3 + [_FLOAT] * 2 + [_INT]),
    "evoact_spline_fold": (None, [_POINTER] * 2 + [_SIZE] * 3),
    "evoact_spline_tangent": (None, [_POINTER] * 7 + [_SIZE] * 4 + [_FLOAT] * 2 + [_INT]),
    "evoact_polynomials_fold": (None, [_POINTER] * 2 + [_SIZE] * 2),
    "evoact_splined_rows_forward": (None, [_POINTER] * 9 + [_SIZE] * 5 + [_FLOAT] * 2 + [_INT]),
    "evoact_splined_rows_backward": (None, [_POINTER] * 7 + [_SIZE] * 4 + [_FLOAT] * 2 + [_INT]),
    "evoact_subnetwork_forward": (None, [_POINTER] * 3 + [_SIZE] * 3 + [_INT]),
    "evoact_subnetwork_backward": (None, [_POINTER] * 5 + [_SIZE] * 3 + [_INT]),
    "evoact_subnetwork_fold": (None, [_POINTER] * 2 + [_SIZE] * 3),
    "evoact_max_pool": (_INT, [_POINTER] * 5 + [_SIZE] * 6 + [_INT] * 3),
    "evoact_max_pool_backward": (None, [_POINTER] * 3 + [_SIZE] * 6 + [_INT] * 3),
    "evoact_has_bf16": (_INT, []),
    "evoact_convolution": (_INT, [_POINTER] * 5 + [_INT]),
    "evoact_convolution_inputs": (_INT, [_POINTER] * 4 + [_INT]),
    "evoact_convolution_weights": (_INT, [_POINTER] * 5 + [_INT]),
    "evoact_batch_norm": (None, [_POINTER] * 5 + [_SIZE] * 2 + [_FLOAT, _INT]),
    "evoact_batch_norm_backward": (None, [_POINTER] * 7 + [_SIZE] * 2 + [_INT]),
    "evoact_normed": (None, [_POINTER] * 9 + [_SIZE] * 2 + [_FLOAT, _INT]),
    "evoact_normed_backward": (None, [_POINTER] * 14 + [_SIZE] * 2 + [_INT] * 2),
    "evoact_attention": (_INT, [_POINTER] * 5 + [_FLOAT, _POINTER]),
    "evoact_attention_backward": (_INT, [_POINTER] * 10 + [_FLOAT, _POINTER]),
    "evoact_piecewise": (None, [_POINTER] * 5 + [_SIZE] * 3 + [_INT]),
    "evoact_rational": (None, [_POINTER] * 3 + [_SIZE] * 4 + [_INT]),
    "evoact_rational_backward": (None, [_POINTER] * 5 + [_SIZE] * 4 + [_INT]),
    "evoact_hinges": (None, [_POINTER] * 3 + [_SIZE] * 3 + [_INT]),
    "evoact_hinges_backward": (None, [_POINTER] * 5 + [_SIZE] * 3 + [_INT]),
    "evoact_dense": (_INT, [_POINTER] * 2 + [_SIZE, _INT] + [_POINTER] * 2 + [_SIZE] * 4 + [_INT] * 2),
    "evoact_dense_backward": (
        _INT,
        [_POINTER] * 3 + [_SIZE, _INT] + [_POINTER] * 3 + [_SIZE] * 4 + [_INT] * 2,
    ),
    "evoact_cross_entropy": (None, [_POINTER] * 2 + [_SIZE] + [_POINTER] * 2 + [_SIZE] * 3),
    "evoact_mlp": (_INT, [_POINTER, _SIZE] * 3 + [_POINTER] + [_SIZE] * 2 + [_INT] * 2),
    "evoact_pieces": (_INT, [_POINTER] * 4 + [_SIZE] * 4 + [_INT]),
    "evoact_pieces_backward": (_INT, [_POINTER] * 6 + [_SIZE] * 4 + [_INT]),
    "evoact_largest": (None, [_POINTER] * 3 + [_SIZE] * 3 + [_INT]),
    "evoact_largest_backward": (None, [_POINTER] * 3 + [_SIZE] * 3 + [_INT]),
    "evoact_adam": (None, [_POINTER] * 5 + [_SIZE] * 2 + [_DOUBLE] * 2 + [_FLOAT] * 2 + [_INT]),
    "evoact_rmsprop": (None, [_POINTER] * 4 + [_SIZE] * 2 + [_DOUBLE] + [_FLOAT] * 2 + [_INT]),
}


def left_out() -> bool:
    """Return whether the user wants no kernels."""
    return os.environ.get("EVOACT_NATIVE") == "0"


@functools.lru_cache(maxsize=1)
def library() -> ctypes.CDLL | None:
    """Return the kernels, or None."""
    if left_out():
        return None
    compiler = shlex.split(os.environ.get("CC", "cc"))
    if not compiler or not shutil.which(compiler[0]):
        return None
    try:
        loaded = ctypes.CDLL(str(_built(compiler)))
    except (OSError, subprocess.SubprocessError, UserError):
        return None
    for name, (result, arguments) in SIGNATURES.items():
        function = getattr(loaded, name)  # attribute access keeps the function, indexing does not
        function.restype, function.argtypes = result, arguments
    return loaded


def why_missing() -> str:
    """Return why there are no kernels, after "expected kernels, got"; empty if there are."""
    if library() is not None:
        return ""
    if left_out():
        return "left out by EVOACT_NATIVE=0"
    compiler = os.environ.get("CC", "cc")
    there = compiler.split() and shutil.which(compiler.split()[0])
    return f"none, the compiler {compiler!r} {'fails or takes too long' if there else 'is not there'}"


def call(name: str, *arguments: Any) -> Any:
    """Return what a function of the kernels returns, for a caller that knows that there are some; tensors and arrays,
    which must be contiguous and live until it returns, go in as pointers, None as a null pointer.

    Raises:
        MemoryError: if there is no memory for what the function works in.
    """
    found = library()
    assert found is not None
    result = getattr(found, name)(*[_plain(argument) for argument in arguments])
    if result == NO_ROOM:
        raise MemoryError(
            f"expected memory for the kernel {name} to work in, got none: train fewer networks at once"
        )
    return result


def _plain(argument: Any) -> Any:
    if isinstance(argument, Tensor):
        return argument.data_ptr()
    return argument.ctypes.data if isinstance(argument, np.ndarray) else argument


def _built(compiler: list[str]) -> Path:
    """The shared library of these sources, this compiler and this processor; built if it is not there, or not whole."""
    folder, name = code_directory("native"), f"kernels-{_digest(compiler)}"
    for found in sorted(folder.glob(f"{name}-*.so")):
        if is_private(found) and _named(name, found) == found.name:
            return found
        found.unlink(missing_ok=True)
    sources = sorted(str(path) for path in SOURCES.glob("*.c"))
    with tempfile.TemporaryDirectory(dir=folder) as beside:
        made = Path(beside) / "kernels.so"
        error: subprocess.CalledProcessError | None = None
        for variant in VARIANTS:
            command = [*compiler, *FLAGS, *variant, "-o", str(made), *sources, "-lm"]
            try:
                subprocess.run(command, check=True, capture_output=True, timeout=BUILD_SECONDS)
            except subprocess.CalledProcessError as raised:
                error = raised  # and not for want of time: what was built then would be kept, and slower
                continue
            made.chmod(0o700)
            target = folder / _named(name, made)
            made.replace(target)  # at once and whole: other processes may be building the same
            return target
    raise error or subprocess.SubprocessError("no variant was tried")


def _named(name: str, made: Path) -> str:
    """How a library is called, by the digest of its bytes."""
    return f"{name}-{hashlib.sha256(made.read_bytes()).hexdigest()[:32]}.so"


def _digest(compiler: list[str]) -> str:
    """Changes with the sources, the compiler and the processor (`-march=native`)."""
    version = subprocess.run([*compiler, "--version"], check=True, capture_output=True, timeout=BUILD_SECONDS)
    parts = [path.read_bytes() for path in sorted(SOURCES.iterdir()) if path.suffix in (".c", ".h")]
    parts += [version.stdout, repr((FLAGS, VARIANTS)).encode(), _processor().encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return "\n".join(sorted({line for line in lines if line.startswith(("model name", "flags", "Features"))}))
