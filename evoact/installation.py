"""Which evoact this is: its version, and the folder from which it is imported."""

from pathlib import Path

VERSION = "0.1.0"
FOLDER = Path(__file__).parents[1]
