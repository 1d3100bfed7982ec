"""The source of an object of somebody's program: its definition, and all that this needs."""

import ast
import builtins
import importlib
import inspect
import linecache
import symtable
import sys
import sysconfig
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

from evoact.errors import UserError, short

LITERALS = (int, float, str, bool, bytes, type(None))


class NoSource(UserError):
    """What has no source that could be written down, in one sentence."""


@dataclass
class Gathered:
    """What a function or class needs.

    `files` are the texts in which it is defined, by name; `parts` its parts, each after those that it needs: a
    definition by file and qualified name, or a line.
    """

    name: str
    files: dict[str, str] = field(default_factory=dict)
    parts: dict[str, tuple[str, str] | str] = field(default_factory=dict)

    def text(self, files: Mapping[str, str]) -> str:
        """Return the source, definitions as these texts of the files have them."""
        lines = sorted(
            {p for p in self.parts.values() if isinstance(p, str) and p.startswith(("import ", "from "))}
        )
        rest = [
            p if isinstance(p, str) else _segment(files[p[0]], p[1])
            for p in self.parts.values()
            if not (isinstance(p, str) and p in lines)
        ]
        return "\n\n\n".join(["\n".join(lines), *rest]) if lines else "\n\n\n".join(rest)


def gathered(thing: Any) -> Gathered:
    """Return what a function or class is made of.

    Raises:
        NoSource: if part of it is in no file, or is neither a definition, an import nor a constant.
    """
    if not isinstance(thing, FunctionType | type) or thing.__name__ == "<lambda>":
        what = "a lambda" if isinstance(thing, FunctionType) else f"a {type(thing).__name__}"
        raise NoSource(
            f"expected a function or a class of somebody's file, got {what}, whose source is not known"
        )
    found = Gathered(thing.__name__)
    _add(found, thing.__name__, thing)
    return found


def _add(found: Gathered, name: str, thing: Any) -> None:
    """Add a function or class of the program's own, after what it needs."""
    codes = list(_codes(thing))
    if not codes:
        raise NoSource(f"expected the source of {name}, got a {type(thing).__name__} without code of its own")
    file = codes[0].co_filename
    if any(code.co_freevars and code.co_freevars != ("__class__",) for code in codes):
        raise NoSource(
            f"expected {name} to be defined outside of functions, got one that uses their variables"
        )
    texts = [found.files[file]] if file in found.files else _texts(file)
    text = next((text for text in texts if _as_loaded(text, codes)), None)
    if text is None:
        why = "has changed since it was loaded" if texts else "is in no file"
        raise NoSource(f"expected the source of {name}, which {why}")
    found.files[file] = text
    found.parts[name] = ""  # it may need itself
    namespace = thing.__globals__ if isinstance(thing, FunctionType) else vars(sys.modules[thing.__module__])
    for needed in _globals_of(_segment(text, thing.__qualname__)):
        if needed in namespace:
            _need(found, needed, namespace[needed], text)
        elif not hasattr(builtins, needed) and needed not in ("__class__", "__name__", "__file__"):
            raise NoSource(f"expected {needed}, which {name} needs, to be defined, got nothing of this name")
    del found.parts[name]
    found.parts[name] = file, thing.__qualname__


def _need(found: Gathered, name: str, value: Any, text: str) -> None:
    """Add what a name stands for in a file of this text."""
    module = str(
        value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None) or ""
    )
    if module.partition(".")[0] == "evoact":
        raise NoSource(f"expected a network that needs nothing of evoact, got one that uses {module}.{name}")
    own = isinstance(value, FunctionType | type) and not _installed(module)
    line, called = _imported(text, name), getattr(value, "__name__", "")
    if own and value.__name__ == name:
        part: Any = found.parts.get(name)
        if part is None:
            _add(found, name, value)
        elif part and (part[0], part[1]) != (next(_codes(value)).co_filename, value.__qualname__):
            raise NoSource(f"expected one definition of {name}, got two in different files")
        return
    if own:
        _need(found, value.__name__, value, text)
        new = f"{name} = {value.__name__}"
    elif line and _installed(line.split()[1]):
        new = line
    elif isinstance(value, ModuleType) and _installed(module):
        new = f"import {module} as {name}" if module != name else f"import {name}"
    elif _installed(module) and getattr(importlib.import_module(module), called, None) is value:
        new = f"from {module} import {called}" + (f" as {name}" if called != name else "")
    elif _is_literal(value):
        new = f"{name} = {value!r}"
    else:
        raise NoSource(f"expected {name} to be a definition, an import or a constant, got {short(value)}")
    if found.parts.setdefault(name, new) != new:
        raise NoSource(f"expected one meaning of {name}, got {found.parts[name]!r} and {new!r}")


def _codes(thing: Any) -> Iterator[CodeType]:
    """Yield the code of a function, or of a class's methods."""
    if isinstance(thing, FunctionType):
        yield inspect.unwrap(thing).__code__
    elif isinstance(thing, type):
        for value in vars(thing).values():
            inner = value.__func__ if isinstance(value, classmethod | staticmethod) else value
            inner = inner.fget if isinstance(inner, property) else inner
            if isinstance(inner, FunctionType) and inner.__qualname__.startswith(f"{thing.__qualname__}."):
                yield inner.__code__


def _texts(file: str) -> list[str]:
    """Return what may be the text of code of this file: what Python knows of it, as of a cell of a notebook, and what
    is on the disk, for runs may have executed another text under its name."""
    texts = ["".join(linecache.getlines(file))]
    with suppress(OSError, UnicodeDecodeError):
        texts.append(Path(file).read_text("utf-8"))
    return [text for text in texts if text]


def _as_loaded(text: str, codes: list[CodeType]) -> bool:
    """Return whether a text still has this code."""
    try:
        left, there = [compile(text, "", "exec", dont_inherit=True)], set()
    except (SyntaxError, ValueError):
        return False
    while left:
        code = left.pop()
        there.add((code.co_qualname, code.co_code, code.co_names))
        left += [const for const in code.co_consts if isinstance(const, CodeType)]
    return all((code.co_qualname, code.co_code, code.co_names) in there for code in codes)


def _segment(text: str, qualified: str) -> str:
    """Return the lines of a definition, its decorators among them."""
    body: list[ast.stmt] = ast.parse(text).body
    node: Any = None
    for name in qualified.replace(".<locals>", "").split("."):
        every = [n for top in body for n in ast.walk(top)] if node is None else node.body
        same = [n for n in every if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == name]
        if not same:
            raise NoSource(f"expected the source of {qualified}, got a file without it")
        node = next((n for n in same if n in body), same[-1])
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return textwrap.dedent("\n".join(text.splitlines()[first - 1 : node.end_lineno]))


def _globals_of(segment: str) -> list[str]:
    """Return the names that a definition takes from its module, sorted.

    >>> _globals_of("def f(x, y=WIDTH):\\n    z = x\\n    return nn.Linear(z, y)")
    ['WIDTH', 'nn']
    """
    top = symtable.symtable(segment, "", "exec")
    found = {s.get_name() for s in top.get_symbols() if s.is_referenced() and not s.is_assigned()}
    left = list(top.get_children())
    while left:
        table = left.pop()
        found |= {s.get_name() for s in table.get_symbols() if s.is_global() and s.is_referenced()}
        left += table.get_children()
    return sorted(found - {s.get_name() for s in top.get_symbols() if s.is_assigned()})


def _imported(text: str, name: str) -> str:
    """Return the line that binds a name by an import; empty if none does."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Import | ast.ImportFrom):
            continue
        for alias in node.names:
            plain = isinstance(node, ast.Import) and alias.asname is None
            if (alias.asname or (alias.name.partition(".")[0] if plain else alias.name)) == name:
                renamed = f"{alias.name} as {alias.asname}" if alias.asname else alias.name
                return (
                    f"import {renamed}"
                    if isinstance(node, ast.Import)
                    else f"from {node.module} import {renamed}"
                )
    return ""


def _installed(module: str) -> bool:
    """Return whether a module is of Python's or an installed package's, and not evoact's."""
    top = module.partition(".")[0]
    if top in ("", "evoact", "__main__"):
        return False
    if top in sys.stdlib_module_names:
        return True
    origin = getattr(sys.modules.get(top), "__file__", None)
    return bool(origin) and {Path(str(origin)).parents[1], Path(str(origin)).parent} & _PLACES != set()


_PLACES = {Path(sysconfig.get_path(key)) for key in ("purelib", "platlib")} | {
    Path(importlib.import_module(name).__file__ or "").parents[1] for name in ("torch", "numpy")
}


def _is_literal(value: Any) -> bool:
    if isinstance(value, tuple | list | set | frozenset):
        return all(map(_is_literal, value))
    if isinstance(value, dict):
        return all(map(_is_literal, [*value, *value.values()]))
    return type(value) in LITERALS
