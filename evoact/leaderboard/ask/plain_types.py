"""Which columns of an answer are written as text, because not every format can hold their type."""

from collections.abc import Sequence
from typing import Any

# DuckDB's types that a table, CSV, JSON and Parquet can all hold; what is not among them, such as intervals, bytes and
# times with a zone, becomes the text that DuckDB makes of it.
HELD = {
    *("boolean", "tinyint", "smallint", "integer", "bigint", "hugeint", "float", "double", "decimal"),
    *("utinyint", "usmallint", "uinteger", "ubigint", "varchar", "enum", "uuid", "null", "sqlnull", '"null"'),
    *("date", "time", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone"),
}


def plain_type(kind: Any) -> str:
    """Return the type, as SQL, that a column of a DuckDB type is converted to: its own if every format can hold it."""
    name = kind.id
    if name in ("list", "array"):
        inner, size = kind.children[0][1], "" if name == "list" else kind.children[1][1]
        return f"{plain_type(inner)}[{size}]"
    if name == "struct":
        fields = ", ".join(f"{quoted(field)} {plain_type(inner)}" for field, inner in kind.children)
        return f"STRUCT({fields})"
    if name == "map":
        return f"MAP({', '.join(plain_type(inner) for _, inner in kind.children)})"
    return str(kind) if name in HELD else "VARCHAR"


def distinct(names: Sequence[str]) -> list[str]:
    """Return the names, numbered if one is listed twice.

    >>> distinct(["a", "a", "a_2", "b"])
    ['a', 'a_3', 'a_2', 'b']
    """
    found: list[str] = []
    for name in names:
        new, number = name, 1
        while new in found or (number > 1 and new in names):
            number += 1
            new = f"{name}_{number}"
        found.append(new)
    return found


def quoted(name: str) -> str:
    """Return a name as SQL has it."""
    return '"' + name.replace('"', '""') + '"'


def projection(names: Sequence[str], kinds: Sequence[Any]) -> str | None:
    """Return what to select of an answer so that every format can hold it; None if it is so already."""
    wanted = [plain_type(kind) for kind in kinds]
    labels = distinct(names)
    if labels == list(names) and wanted == [str(kind) for kind in kinds]:
        return None
    columns = [
        f"#{i} AS {quoted(label)}" if new == str(old) else f"#{i}::{new} AS {quoted(label)}"
        for i, (label, new, old) in enumerate(zip(labels, wanted, kinds, strict=True), 1)
    ]
    return ", ".join(columns)
