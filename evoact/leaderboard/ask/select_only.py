"""Whether a text is exactly one harmless SELECT over the tables of a run, judged on DuckDB's parse tree.

Only node types in the lists below and the functions of `sql_functions` pass, so that what a later DuckDB adds is
refused until somebody has looked at it. The statement's type alone would not do: `WITH a AS (COPY ...) SELECT 1` is
a SELECT.
"""

import json
from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

from evoact.leaderboard.ask.sql_functions import FUNCTIONS, TABLE_FUNCTIONS

TABLES = ("leaderboard", "curves")
TOO_DEEP = "a query nested too deeply"

_QUERIES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
_TABLES = {"BASE_TABLE", "SUBQUERY", "JOIN", "EXPRESSION_LIST", "EMPTY", "PIVOT", "TABLE_FUNCTION"}
_ORDERS = {"ORDER_DEFAULT", "ASCENDING", "DESCENDING"}
_MODIFIERS = {"ORDER_MODIFIER", "LIMIT_MODIFIER", "LIMIT_PERCENT_MODIFIER", "DISTINCT_MODIFIER"}
_NODES = _QUERIES | _TABLES | _ORDERS | _MODIFIERS
_EXPRESSIONS = {
    *("BETWEEN", "CASE", "CAST", "COLLATE", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT"),
    *("FUNCTION", "LAMBDA", "LAMBDA_REF", "OPERATOR", "POSITIONAL_REFERENCE", "STAR", "SUBQUERY", "TYPE"),
    "WINDOW",
}
# These are functions even without parentheses.
_BARE = {"current_catalog", "current_role", "current_schema", "current_user", "session_user", "user"}


class Refused(Exception):
    """Why a query is not run: the words after "got"."""


def check(serialized: str) -> Any:
    """Return the parse tree of the one SELECT in the output of DuckDB's `json_serialize_sql`.

    Raises:
        Refused: if it is anything else than one SELECT over these tables.
    """
    try:
        tree = json.loads(serialized)
        if tree["error"]:
            message = tree["error_message"]
            if "expression depth" in message:
                raise Refused(TOO_DEEP)
            if tree["error_type"] == "not implemented":
                raise Refused("another kind of statement")
            raise Refused(f"{'an' if message[:1] in 'aeiou' else 'a'} {message}")
        if len(tree["statements"]) != 1:
            raise Refused(f"{len(tree['statements'])} statements")
        _walk(tree["statements"][0], frozenset(TABLES))
    except RecursionError:
        raise Refused(TOO_DEEP) from None
    return tree["statements"][0]


def tables_read(tree: Any) -> set[str]:
    """Return those of the tables that a checked query can touch: all whose names stand in it."""
    return {name for name in TABLES if f'"{name}"' in json.dumps(tree).lower()}


def columns_read(tree: Any, known: Iterable[str]) -> list[str]:
    """Return those of the known columns that a checked query can touch: all if it names a whole row, or columns by
    their place, as in `leaderboard AS l(a, b)`.

    Any string in the tree that equals a column's name counts, so at worst a column too many is read.
    """
    known = list(known)
    strings: set[str] = set()
    rows = set(TABLES)
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, list):
            stack.extend(node)
        elif isinstance(node, str):
            strings.add(node.lower())
        elif isinstance(node, dict):
            if (
                node.get("class") in ("STAR", "POSITIONAL_REFERENCE")
                or node.get("ref_type") == "NATURAL"
                or node.get("type") == "PIVOT"
                or node.get("column_name_alias")
            ):
                return known
            if isinstance(node.get("type"), str) and node["type"] in _TABLES and node.get("alias"):
                rows.add(node["alias"].lower())
            stack.extend(node.values())
    if any(name in rows for name in _single_names(tree)):
        return known
    return [name for name in known if name in strings]


def _single_names(tree: Any) -> set[str]:
    """Column references of one part: one that names a table stands for its whole row."""
    found: set[str] = set()
    stack = [tree]
    while stack:
        node = stack.pop()
        if isinstance(node, dict):
            if node.get("class") == "COLUMN_REF" and len(node["column_names"]) == 1:
                found.add(node["column_names"][0].lower())
            stack.extend(node.values())
        elif isinstance(node, list):
            stack.extend(node)
    return found


def _walk(node: Any, tables: frozenset[str]) -> None:
    """Checks a node and all below it; `tables` are the names that may stand after FROM here."""
    if isinstance(node, list):
        for item in node:
            _walk(item, tables)
    elif isinstance(node, dict):
        _check_node(node, tables)
        if node.get("type") == "RECURSIVE_CTE_NODE":
            tables |= {node["cte_name"].lower()}
        # In the order written: a common table expression sees those before it, and not itself.
        for entry in (node.get("cte_map") or {}).get("map", ()):
            _walk(entry["value"], tables)
            tables |= {entry["key"].lower()}
        for key, value in node.items():
            if key != "cte_map":
                _walk(value, tables)


def _check_node(node: dict[str, Any], tables: frozenset[str]) -> None:
    kind = node.get("type")
    if "class" in node:
        _check_expression(node)
    elif isinstance(kind, str) and kind not in _NODES and not kind.endswith("_TYPE_INFO"):
        raise Refused(f"the clause {kind}")
    elif kind == "BASE_TABLE":
        path = [node.get("catalog_name"), node.get("schema_name"), node["table_name"]]
        name = ".".join(part for part in path if part)
        if name.lower() not in tables:
            raise Refused(f"the table {name!r}")
    elif kind == "TABLE_FUNCTION":
        name = node["function"].get("function_name", "")
        if name.lower() not in TABLE_FUNCTIONS:
            raise Refused(f"the table function {name!r}")


def _check_expression(node: dict[str, Any]) -> None:
    if node["class"] not in _EXPRESSIONS:
        raise Refused(f"the expression {node['class']}")
    if node["class"] in ("FUNCTION", "WINDOW"):
        name = node["function_name"].lower()
        if node.get("schema") or node.get("catalog") or name not in FUNCTIONS:
            near = get_close_matches(name, FUNCTIONS, 1)
            name = ".".join(part for part in (node.get("catalog"), node.get("schema"), name) if part)
            raise Refused(f"the function {name!r}" + (f" (did you mean {near[0]!r}?)" if near else ""))
    if node["class"] == "COLUMN_REF" and node["column_names"][-1].lower() in _BARE:
        raise Refused(f"the function {node['column_names'][-1]!r}")
