"""Which evoact this is: its version, the folder from which it is imported, and the packages that it runs on."""

from pathlib import Path

VERSION = "0.1.0"
FOLDER = Path(__file__).parents[1]
PACKAGES = ("torch", "ray", "optuna", "deap", "numpy", "pyarrow", "duckdb")


def package_versions() -> dict[str, str]:
    """Return the versions of the packages that what a search finds may depend on."""
    from importlib import metadata  # not whenever evoact is imported

    return {name: metadata.version(name) for name in PACKAGES}
