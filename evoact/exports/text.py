"""Python source as text: calls that fit a line or are broken, and the definitions that a text needs."""

import ast
import re
import textwrap
from collections.abc import Container, Iterable
from itertools import groupby
from pathlib import Path

from evoact.errors import UserError

LINE = 100
TAKEN = "_of_export"  # behind a name that somebody's own text has taken
RULE = "# --- what follows is no part of the file above " + "-" * 52
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
            self._take(file.read_text(encoding="utf-8"))

    def _take(self, text: str) -> None:
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef):
                first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
                self.texts[node.name] = "\n".join(text.splitlines()[first - 1 : node.end_lineno])
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                self.texts[node.targets[0].id] = ast.get_source_segment(text, node) or ""
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                self.texts[node.target.id] = ast.get_source_segment(text, node) or ""
            elif isinstance(node, ast.Import):
                self.origins |= {a.asname or a.name: ("", _named(a)) for a in node.names}
            elif isinstance(node, ast.ImportFrom):
                module = "." * node.level + (node.module or "")
                self.origins |= {a.asname or a.name: (module, _named(a)) for a in node.names}

    def with_part(self, text: str, name: str) -> "Definitions":
        """Return these with one definition of another file, and all that it needs.

        Raises:
            UserError: if that is more than definitions and imports at the top of the file, or has names that are taken.
        """
        other = Definitions([])
        other._take(text)
        needed = dict.fromkeys(other.needed_by(name))
        own = {key: part for key, part in other.texts.items() if part in needed}
        used = {key for part in (name, *own.values()) for key in _names(part)}
        bound, imported = _bound(text)
        for key in sorted(used & (bound | imported.keys()) - own.keys() - other.origins.keys()):
            raise UserError(
                f"expected {name} to use definitions, assignments and imports at the top of its file alone, got {key}"
            )
        origins = {key: other.origins[key] for key in used & other.origins.keys()}
        for key, (module, what) in sorted(origins.items()):
            if (module or what).partition(".")[0] in ("", "evoact"):
                raise UserError(
                    f"expected {name} to be plain PyTorch, got {key} of {module or what}; write it out"
                )
        taken = [key for key, part in own.items() if self.texts.get(key, part) != part or key in self.origins]
        taken += [
            key for key, one in origins.items() if self.origins.get(key, one) != one or key in self.texts
        ]
        if taken:
            raise UserError(
                f"expected other names in the file of {name}, got {taken[0]}, which exports have already"
            )
        result = Definitions([])
        result.texts, result.origins = self.texts | own, self.origins | origins
        return result

    def needed_by(self, text: str) -> list[str]:
        """Return the definitions that a text needs, and those that these need, in the files' order."""
        found: set[str] = set()
        new = _names(text) & self.texts.keys()
        while new:
            found |= new
            new = {name for own in new for name in _names(self.texts[own]) & self.texts.keys()} - found
        return [self.texts[name] for name in self.texts if name in found]

    def imports_of(self, text: str, but: Container[str] = ()) -> str:
        """Return the import lines that bind names of a text, but for some, the standard library's first."""
        names = (_names(text) & self.origins.keys()) - {name for name in self.origins if name in but}
        used = sorted({self.origins[name] for name in names})
        lines = [f"import {name}" for module, name in used if not module]
        for module, names_of_one in groupby((u for u in used if u[0]), key=lambda u: u[0]):
            lines.append(f"from {module} import {', '.join(name for _, name in names_of_one)}")
        parts = [[line for line in lines if ("torch" in line) == foreign] for foreign in (False, True)]
        return "\n\n".join("\n".join(part) for part in parts if part)

    def file(self, text: str, own: str = "") -> str:
        """Return a text with the imports that it needs, behind somebody's own: names that this has taken, too, get a
        suffix.

        Raises:
            UserError: if it calls something else by the name of a module of PyTorch's or Python's.
        """
        if not own:
            return f"{self.imports_of(text)}\n\n\n{text}\n"
        defined, imported = _bound(own)
        for name in sorted(_names(text) & self.origins.keys() & (defined | imported.keys())):
            if imported.get(name) != self.origins[name]:
                module, what = self.origins[name]
                raise UserError(
                    f"expected the name {name} in the network's file to be {'.'.join(filter(None, (module, what)))}, "
                    "got something else; call that another name"
                )
        for name in sorted(_bound(text)[0] & (defined | imported.keys())):
            text = re.sub(rf"(?<!made = )(?<![.\w]){name}\b", name + TAKEN, text)
        lines = self.imports_of(text, imported)
        return "\n\n\n".join(part for part in (own.rstrip(), RULE, lines, text) if part) + "\n"


def _bound(text: str) -> tuple[set[str], dict[str, tuple[str, str]]]:
    """Return the names that a text defines, and those that it imports, with module and name."""
    defined, imported = set[str](), dict[str, tuple[str, str]]()
    left: list[ast.AST] = [ast.parse(text)]
    while left:
        node = left.pop()
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            defined.add(node.name)
            continue
        if isinstance(node, ast.Import):
            imported |= {a.asname or a.name: ("", _named(a)) for a in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported |= {a.asname or a.name: (node.module or "", _named(a)) for a in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        left += ast.iter_child_nodes(node)
    for name, origin in list(imported.items()):  # `import a.b as c` is `from a import b as c`
        module, dot, last = origin[1].partition(" as ")[0].rpartition(".")
        if not origin[0] and dot and " as " in origin[1]:
            imported[name] = module, f"{last} as {name}"
    return defined, imported


def _named(alias: ast.alias) -> str:
    return f"{alias.name} as {alias.asname}" if alias.asname else alias.name


def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
