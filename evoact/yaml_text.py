"""YAML as version 1.2 reads it (its core schema, section 10.3.2 of the specification), within bounds.

PyYAML reads version 1.1: `010` is 8, `1:30` is 90 and `no` is false there. Here `010` is 10 and `1:30` a text, and the
bare words that 1.1 takes for true or false are refused, because either reading would surprise somebody. `dumps` writes
so that both versions read the same.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import yaml

from evoact.errors import ConfigError, short

MOST_BYTES = 16 * 2**20
MOST_VALUES = 100_000  # keys and values, each as often as aliases repeat it
DEEPEST = 50  # sections within sections
NOT_YAML = "expected YAML, got something else"  # then where, and why
LONGEST_NUMBER = 64  # characters

# libyaml's parser is ten times as fast, if PyYAML has it.
_FAST_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG = "tag:yaml.org,2002:"
_BARE = "!bare"


def _integer(text: str) -> int:
    return int(text, 8 if text.startswith("0o") else 16 if text.startswith("0x") else 10)


# How each type of value is written, by which characters it can start, and how it is read.
_CORE: Mapping[str, tuple[str, str, Callable[[str], Any]]] = {
    _TAG + "null": (r"~|null|Null|NULL|", "~nN", lambda text: None),
    _TAG + "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text.lower() == "true"),
    _TAG + "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789", _integer),
    _TAG + "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
        lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
    ),
    _TAG + "merge": (r"<<", "<", str),
    _BARE: (r"yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF", "yYnNoO", str),
}


class _Loader(_FAST_LOADER):
    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}
    yaml_constructors: ClassVar[dict[Any, Any]] = {}

    def __init__(self, text: str | bytes):
        super().__init__(text)
        self.problems: list[str] = []


class _Dumper(yaml.SafeDumper):
    """Quotes every text that version 1.1 or 1.2 would read as something else."""


def _text(dumper: _Dumper, text: str) -> yaml.Node:
    # PyYAML folds rare line breaks within single quotes, and loses some of them. Code is read line by line.
    style = '"' if re.search("[\x85\u2028\u2029]", text) else "|" if text.count("\n") > 1 else None
    return dumper.represent_scalar(_TAG + "str", text, style)


def _scalar(loader: _Loader, node: yaml.Node) -> Any:
    pattern, _, read = _CORE[node.tag]
    if not isinstance(node, yaml.ScalarNode) or not re.fullmatch(pattern, node.value):
        loader.problems.append(f"expected a value for the tag !!{node.tag.removeprefix(_TAG)}{_at(node)}")
    elif node.tag == _BARE:
        loader.problems.append(
            f"expected true, false or quoted text{_at(node)}, got the bare word {node.value}, which YAML 1.1 "
            f"reads as true or false and YAML 1.2 as text; write '{node.value}' if you mean text"
        )
    else:
        # Of few characters in hexadecimal, it may have more when it is written again.
        value = read(node.value) if len(node.value) <= LONGEST_NUMBER else None
        length = len(node.value) if value is None else len(str(value))
        if length <= LONGEST_NUMBER:
            return value
        loader.problems.append(
            f"expected numbers of at most {LONGEST_NUMBER} characters, got one of {length:,}{_at(node)}"
        )
    return None


def _mapping(loader: _Loader, node: yaml.Node) -> dict[Any, Any]:
    if not isinstance(node, yaml.MappingNode):
        loader.problems.append(f"expected a section of keys and values for the tag !!map{_at(node)}")
        return {}
    named = [key for key, _ in node.value if key.tag != _TAG + "merge"]
    for key in named:
        if not isinstance(key, yaml.ScalarNode):
            loader.problems.append(f"expected text as the key, got a list or section{_at(key)}")
            return {}
    # By what they are: the number 1 and the text "1" are two keys, 1 and 0x1 are one.
    times = Counter(loader.construct_object(key) for key in named)
    loader.problems += [
        f"the key {short(str(key))} is listed twice{_at(node)}" for key, n in times.items() if n > 1
    ]
    merged: dict[Any, Any] = yaml.SafeLoader.construct_mapping(loader, node, deep=True)
    return merged


def _sequence(loader: _Loader, node: yaml.SequenceNode) -> list[Any]:
    return loader.construct_sequence(node, deep=True)


for _tag, (_pattern, _first, _) in _CORE.items():
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))
    _Loader.add_constructor(_tag, _scalar)
_Loader.add_implicit_resolver(_TAG + "null", re.compile("^$"), [""])
_Loader.add_constructor(_TAG + "str", yaml.SafeLoader.construct_yaml_str)
_Loader.add_constructor(_TAG + "map", _mapping)
_Loader.add_constructor(_TAG + "seq", _sequence)
_Dumper.add_representer(str, _text)
_Loader.add_constructor(None, yaml.SafeLoader.construct_undefined)


def loads(text: str | bytes, source: str, most_values: int = MOST_VALUES) -> Any:
    """Return the plain data of a YAML document.

    Args:
        text: at most 16 MiB
        source: what messages begin with, such as the name of the file
        most_values: keys and values, each as often as aliases repeat it

    Raises:
        ConfigError: if it is not YAML, has a mistake that only the text shows, or is larger than the bounds.

    >>> loads("{steps: 0100, name: 1:30, rate: 1e-3}", "text")
    {'steps': 100, 'name': '1:30', 'rate': 0.001}
    >>> loads("name: no", "text")
    Traceback (most recent call last):
    ...
    evoact.errors.ConfigError: text: expected true, false or quoted text at line 1, column 7, got the bare word \
no, which YAML 1.1 reads as true or false and YAML 1.2 as text; write 'no' if you mean text
    """
    if len(text) > MOST_BYTES:
        raise ConfigError(source, [f"expected at most {MOST_BYTES:,} bytes of YAML, got {len(text):,}"])
    try:
        problem = _too_large(text, most_values)
        if problem:
            raise ConfigError(source, [problem])
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        problem = oversize(node, _inside_node, most_values)
        if problem:
            raise ConfigError(source, [problem])
        data = loader.construct_document(node)
    except (yaml.YAMLError, ValueError) as error:  # also data that is not UTF-8 text
        raise ConfigError(source, [f"{NOT_YAML}{_what(error, text)}"]) from None
    if loader.problems:
        raise ConfigError(source, dict.fromkeys(loader.problems))
    return data


def dumps(data: Any) -> str:
    """Return the YAML text that `loads` reads as the same data, keys in their order.

    >>> dumps({"name": "no", "start": "010", "time": "1:30", "rate": 1e-5})
    "name: 'no'\\nstart: '010'\\ntime: '1:30'\\nrate: 1.0e-05\\n"
    """
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


def check_size(data: Any, source: str) -> None:
    """Check that plain data keeps to the bounds of a YAML file.

    Raises:
        ConfigError: if it does not.
    """
    problem = oversize(data, inside)
    if problem:
        raise ConfigError(source, [problem])


def oversize(root: Any, inside: Callable[[Any], Sequence[Any]], most_values: int = MOST_VALUES) -> str:
    """Return what is wrong with the size of nested data, each part counted as often as it occurs; empty if
    nothing.

    Parts that are there many times are looked at once, so that this takes no longer than the text is long.
    """
    sizes: dict[int, tuple[int, int] | None] = {}  # by identity: values and depth, None while it is looked at
    stack = [root]
    while stack:
        part = stack[-1]
        parts = inside(part)
        nested = [each for each in parts if inside(each)]
        if id(part) not in sizes:
            if len(parts) > most_values:
                return _too_many(most_values, len(parts))
            sizes[id(part)] = None
            stack.extend(nested)
            continue
        stack.pop()
        if sizes[id(part)] is None:
            known = [size for size in map(sizes.get, map(id, nested)) if size is not None]
            if len(known) < len(nested):
                return "expected values without cycles, got one that contains itself"
            values = 1 + len(parts) - len(nested) + sum(n for n, _ in known)
            sizes[id(part)] = values, 1 + max((d for _, d in known), default=0)
    whole = sizes[id(root)]
    assert whole is not None
    values, depth = whole
    if depth > DEEPEST:
        return f"expected sections nested at most {DEEPEST} deep, got {depth:,}"
    return _too_many(most_values, values) if values > most_values else ""


def _too_many(most: int, values: int) -> str:
    got = f"{values:,}" if values < 10**15 else "more than 10**15"
    return f"expected at most {most:,} keys and values, aliases repeated, got {got}"


def _inside_node(node: yaml.Node) -> Sequence[Any]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def inside(value: Any) -> Sequence[Any]:
    """Return the keys and values of a part of plain data."""
    if value is None or isinstance(value, (str, int, float)):  # as nearly all are
        return ()
    if isinstance(value, Mapping):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, (list, tuple)) else ()


def _too_large(text: str | bytes, most_values: int) -> str:
    """Problems of the size of a text as written, before a node is made of any part of it.

    libyaml's composer calls itself without looking at the stack.
    """
    depth = values = 0
    for event in yaml.parse(text, Loader=_FAST_LOADER):
        if isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
            continue
        depth += isinstance(event, yaml.CollectionStartEvent)
        values += isinstance(event, yaml.NodeEvent)
        if depth > DEEPEST:
            return f"expected sections nested at most {DEEPEST} deep, got more{_place(event.start_mark)}"
        if values > most_values:
            return f"expected at most {most_values:,} keys and values, got more{_place(event.start_mark)}"
    return ""


def _what(error: Exception, text: str | bytes) -> str:
    """Where a text is wrong, and how the parser says so."""
    mark, began = getattr(error, "problem_mark", None), getattr(error, "context_mark", None)
    what = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be parsed"
    lines = text.split("\n") if isinstance(text, str) else []
    if mark and mark.line < len(lines) and lines[mark.line][mark.column : mark.column + 1] == "\t":
        what = "a tab begins it; indent with spaces"
    while_ = f" ({error.context}{_place(began)})" if began and error.context else ""  # type: ignore[attr-defined]
    return f"{_place(mark) if mark else ''}: {what}{while_}"


def _at(node: yaml.Node) -> str:
    return _place(node.start_mark)


def _place(mark: Any) -> str:
    return f" at line {mark.line + 1}, column {mark.column + 1}"
