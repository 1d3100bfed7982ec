"""Captured activation curves as files: `grid` and `values` in safetensors, with metadata in JSON.

A name is looked up in `curves/` of the current folder, then in the folder of the environment variable
EVOACT_CURVES; what ends in .safetensors is a path. `name@digest` asks for exactly this content: the first 12
digits of the SHA-256 of grid and values, which a genome pins so that it says what was trained.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from evoact.errors import UserError
from evoact.genomes.field_options import LEAST_POINTS
from evoact.genomes.kinds import Tabulated
from evoact.registry import unknown

SUFFIX = ".safetensors"
_KNOWN: dict[str, "Curve"] = {}  # by `name@digest`, which means the same curve in every process


@dataclass(frozen=True, eq=False)
class Curve:
    """y = values at x = grid, both float64 [n] with the grid strictly increasing, and what is known of it.

    Raises:
        UserError: if that does not hold.
    """

    grid: np.ndarray
    values: np.ndarray
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("grid", "values"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.grid.ndim != 1 or self.grid.shape != self.values.shape:
            raise UserError(
                "expected a curve's grid and values as two lists of equal length, "
                f"got shapes {list(self.grid.shape)} and {list(self.values.shape)}"
            )
        for name in ("grid", "values"):
            array = getattr(self, name)
            for i in np.flatnonzero(~np.isfinite(array))[:1]:
                raise UserError(
                    f"expected finite numbers as a curve's {name}, got {array[i]} at position {i}"
                )
        falls = np.flatnonzero(np.diff(self.grid) <= 0)
        if len(falls):
            a, b = self.grid[falls[0] : falls[0] + 2]
            raise UserError(
                f"expected a curve's grid to increase, got {a:g} before {b:g} at position {falls[0]}"
            )
        if len(self.grid) < 2:
            raise UserError(f"expected a curve of at least 2 points, got {len(self.grid)}")

    @property
    def digest(self) -> str:
        content = b"".join(a.astype("<f8").tobytes() for a in (self.grid, self.values))
        return hashlib.sha256(content).hexdigest()[:12]


def check_points(curve: Curve, interpolation: str) -> None:
    """Raise UserError if the curve has too few points for this interpolation."""
    least = LEAST_POINTS[interpolation]
    if len(curve.grid) < least:
        raise UserError(
            f"expected at least {least} points for {interpolation} interpolation, got {len(curve.grid)}"
        )


def save_curve(path: str | Path, curve: Curve) -> Path:
    """Write a curve, to a temporary name first; make its folder, and add the suffix if it is missing.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = save_curve(Path(folder) / "bend", Curve([-1, 0, 1], [0, 0, 1], {"source": "by hand"}))
    ...     curve = load_curve(str(path))
    >>> path.name, curve.values.tolist(), curve.metadata
    ('bend.safetensors', [0.0, 0.0, 1.0], {'source': 'by hand'})
    """
    from safetensors.numpy import save_file

    path = Path(path)
    if path.suffix != SUFFIX:
        path = path.with_name(path.name + SUFFIX)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    tensors = {"grid": np.array(curve.grid), "values": np.array(curve.values)}
    save_file(tensors, partial, {"curve": json.dumps(dict(curve.metadata))})
    partial.replace(path)
    return path


def load_curve(name: str) -> Curve:
    """Return the curve of that name, `name@digest` or path.

    Raises:
        UserError: if there is none, it is no curve, or it has another digest than the name says.
    """
    if name in _KNOWN:
        return _KNOWN[name]
    plain, digest = _split(name)
    path = _find(plain)
    status = path.stat()
    curve = _read(path, status.st_mtime_ns, status.st_size)
    if digest and digest != curve.digest:
        raise UserError(
            f"expected the curve {plain!r} with digest {digest}, got {curve.digest} in {str(path)!r}; "
            "it was overwritten since, so restore it or give the new one another name"
        )
    return curve


def remember(name: str, curve: Curve) -> None:
    """Let `load_curve` find a curve in this process without its file: a run's config brings its own.

    Raises:
        UserError: if the name is not `name@digest` with the curve's digest.

    >>> curve = Curve([-1, 0, 1], [0, 0, 1])
    >>> remember(f"bend@{curve.digest}", curve)
    >>> load_curve(f"bend@{curve.digest}").values.tolist()
    [0.0, 0.0, 1.0]
    """
    plain, digest = _split(name)
    if digest != curve.digest:
        raise UserError(f"expected the name {(plain or name)!r}@{curve.digest} for this curve, got {name!r}")
    _KNOWN[name] = curve


def resolve(activation: Tabulated) -> Tabulated:
    """Return the activation with its curve pinned as `name@digest`.

    Raises:
        UserError: as `load_curve`, or if the curve has too few points for the interpolation.
    """
    curve = load_curve(activation.curve)
    check_points(curve, activation.interpolation)
    return replace(activation, curve=f"{_split(activation.curve)[0]}@{curve.digest}")


def _split(name: str) -> tuple[str, str]:
    plain, at, digest = name.rpartition("@")
    return (plain, digest) if at else (name, "")


def curve_folders() -> list[Path]:
    """Return the folders in which names are looked up, in order."""
    named = os.environ.get("EVOACT_CURVES")
    return [Path("curves"), *([Path(named)] if named else [])]


def _find(name: str) -> Path:
    if name.endswith(SUFFIX):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"expected a curve, got {name!r}, which does not exist")
        return path.absolute()
    folders = curve_folders()
    for folder in folders:
        path = folder / (name + SUFFIX)
        if path.is_file():
            return path.absolute()
    known = [file.stem for folder in folders for file in folder.glob("*" + SUFFIX)]
    looked = " and ".join(repr(str(folder)) for folder in folders)
    raise UserError(
        f"{unknown('curve', name, known) if known else f'unknown curve {name!r}'}; looked in {looked}"
    )


@lru_cache(maxsize=256)
def _read(path: Path, mtime: int, size: int) -> Curve:
    """The file's curve; its time and size are in the key, so that a changed file is read again."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            missing = {"grid", "values"} - set(file.keys())
            if missing:
                raise UserError(f"expected grid and values in {str(path)!r}, got {sorted(file.keys())}")
            metadata = json.loads((file.metadata() or {}).get("curve", "{}"))
            grid, values = file.get_tensor("grid"), file.get_tensor("values")
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"expected a curve in {str(path)!r}, which cannot be read: {error}") from None
    try:
        return Curve(grid, values, metadata)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
