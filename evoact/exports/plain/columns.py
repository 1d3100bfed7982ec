"""Columns of tables as plain functions."""

import math
from typing import Any

# How people write that a value is missing.
MISSING = {
    *("", "?", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "-NaN", "-nan"),
    *("NULL", "null", "<NA>", "None", "NaT"),
}


def number(value: Any) -> float:
    """Return a value of a column of numbers; NaN if it is missing."""
    return math.nan if value is None or str(value) in MISSING else float(value)


def category(value: Any) -> str | None:
    """Return the name of a category; None if it is missing."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return None if value is None or str(value) in MISSING else str(value)
