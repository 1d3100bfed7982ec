"""Python source as text: calls that fit a line or are broken, and the definitions that a text needs."""

import ast
import textwrap
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

LINE = 100
# What texts use that no file of theirs imports: module and name.
STANDARD = {
    "json": ("", "json"),
    "OrderedDict": ("collections", "OrderedDict"),
    "Path": ("pathlib", "Path"),
}


def call(name: str, *arguments: str) -> str:
    """Return the text of a call, or of a list if the name is `[`, broken where it does not fit a line.

    >>> call("f", "x", "y=1"), call("[", "1", "2")
    ('f(x, y=1)', '[1, 2]')
    """
    opening, closing = ("[", "]") if name == "[" else (f"{name}(", ")")
    line = f"{opening}{', '.join(arguments)}{closing}"
    if len(line) <= LINE - 12 and "\n" not in line:
        return line
    return opening + "\n" + textwrap.indent(",\n".join(arguments), "    ") + f",\n{closing}"


class Definitions:
    """The top-level definitions of some files, each with the names that it uses."""

    def __init__(self, files: Iterable[Path]):
        self.texts: dict[str, str] = {}
        self.origins = dict(STANDARD)
        for file in files:
            text = file.read_text(encoding="utf-8")
            for node in ast.parse(text).body:
                segment = ast.get_source_segment(text, node) or ""
                if isinstance(node, ast.ClassDef | ast.FunctionDef):
                    self.texts[node.name] = segment
                elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                    self.texts[node.targets[0].id] = segment
                elif isinstance(node, ast.Import):
                    self.origins |= {a.asname or a.name: ("", _named(a)) for a in node.names}
                elif isinstance(node, ast.ImportFrom):
                    self.origins |= {a.asname or a.name: (node.module or "", _named(a)) for a in node.names}

    def needed_by(self, text: str) -> list[str]:
        """Return the definitions that a text needs, and those that these need, in the files' order."""
        found: set[str] = set()
        new = _names(text) & self.texts.keys()
        while new:
            found |= new
            new = {name for own in new for name in _names(self.texts[own]) & self.texts.keys()} - found
        return [self.texts[name] for name in self.texts if name in found]

    def imports_of(self, text: str) -> str:
        """Return the import lines that bind names of a text, the standard library's first."""
        used = sorted({self.origins[name] for name in _names(text) & self.origins.keys()})
        lines = [f"import {name}" for module, name in used if not module]
        for module, names in groupby((u for u in used if u[0]), key=lambda u: u[0]):
            lines.append(f"from {module} import {', '.join(name for _, name in names)}")
        parts = [[line for line in lines if ("torch" in line) == foreign] for foreign in (False, True)]
        return "\n\n".join("\n".join(part) for part in parts if part)


def _named(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
