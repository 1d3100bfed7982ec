"""Networks, tasks and functions of other people's, by names with a colon: `my_models:gru`.

Before the colon stands a module that a config lists under `plugins`, or an installed package that offers entry points
in the groups `evoact.networks`, `evoact.tasks` and `evoact.functions`; behind it a name in that module, or of an entry
point. A file's text goes into the config and is all that is executed; of a package the config holds name and version.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evoact.code_text import executed, read, said
from evoact.errors import UserError, short
from evoact.registry import unknown

if TYPE_CHECKING:  # reading what is installed takes a moment, and nearly no command does
    from importlib.metadata import EntryPoint

GROUPS: Mapping[str, str] = {
    "network": "evoact.networks",
    "task": "evoact.tasks",
    "function": "evoact.functions",
}
NAME = re.compile(r"(?<![\w.:])([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*):([A-Za-z_]\w*)(?![\w:])")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class Plugin:
    """A module that stands before the colon under `name`: the `text` of a `file`, or what an installed `package` of a
    `version` has."""

    name: str
    file: str = ""
    text: str = ""
    package: str = ""
    version: str = ""

    @property
    def described(self) -> str:
        """What people call it."""
        return f"{self.package} {self.version}" if self.package else Path(self.file).name


def is_plugged(name: object) -> bool:
    """Return whether a name is one of a plugin.

    >>> is_plugged("my_models:gru"), is_plugged("mlp")
    (True, False)
    """
    return isinstance(name, str) and NAME.fullmatch(name) is not None


def names_in(data: Any) -> Iterator[tuple[str, str]]:
    """Yield each name with a colon, in two parts, in the texts of plain data.

    >>> list(names_in({"functions": ["relu", "2*my_models:bump(3*x)"]}))
    [('my_models', 'bump')]
    """
    left = [data]
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield from NAME.findall(value)
        elif isinstance(value, Mapping):
            left += value.values()
        elif isinstance(value, list | tuple):
            left += value


# --- what is installed --------------------------------------------------------------------------------


def entry_points(kind: str) -> "dict[str, EntryPoint]":
    """Return what installed packages offer of a kind, by name with a colon; nothing is imported."""
    from importlib.metadata import entry_points

    return {
        f"{_prefix(point.dist.name)}:{point.name}": point
        for point in entry_points(group=GROUPS[kind])
        if point.dist is not None
    }


def _prefix(package: str) -> str:
    return re.sub(r"[-_.]+", "_", package).lower()


def offering(prefix: str) -> Plugin | None:
    """Return the installed package that has entry points under this prefix, if one does."""
    for kind in GROUPS:
        for name, point in entry_points(kind).items():
            if name.partition(":")[0] == prefix and point.dist is not None:
                return Plugin(prefix, package=point.dist.name, version=point.dist.version)
    return None


def located(text: str, beside: Path) -> Plugin:
    """Return what an entry of `plugins` names: a file of Python, relative to `beside`, or an importable module. One
    that no package brought is known by its text, as a file is.

    Raises:
        UserError: if there is neither.
    """
    if text.endswith(".py") or "/" in text:
        name = Path(text).stem
        if not name.isidentifier():
            raise UserError(f"expected a file whose name is a name in Python, got {text!r}; rename it")
        return Plugin(name, file=text, text=read(text, beside))
    if not _MODULE.fullmatch(text):
        raise UserError(f"expected a module, such as my_models, or a file, my_models.py, got {short(text)}")
    try:
        spec = find_spec(text)
    except Exception:  # a package above it raises whatever it does
        spec = None
    if spec is None:
        if found := offering(text):
            return found
        file = Path(*text.split(".")).with_suffix(".py")
        hint = (
            f"name the file, {file}"
            if (beside / file).is_file()
            else "install it, or name a file, relative to here"
        )
        raise UserError(
            f"expected an importable module as plugin, got {text!r}, which is not installed; {hint}"
        )
    if package := _package_of(text):
        return Plugin(text, package=package[0], version=package[1])
    if spec.origin is None or not spec.origin.endswith(".py") or spec.submodule_search_locations is not None:
        raise UserError(
            f"expected an installed package or a single file as plugin, got {text!r} at {spec.origin}; install it with "
            "pip, so that workers can be asked for its version"
        )
    return Plugin(text, file=spec.origin, text=read(spec.origin))


def _package_of(module: str) -> tuple[str, str] | None:
    """The package that brought a module, and its version."""
    from importlib.metadata import distribution, packages_distributions

    found = packages_distributions().get(module.partition(".")[0])
    if not found:
        return None
    package = distribution(found[0])
    return package.name, package.version


# --- what is behind a name ----------------------------------------------------------------------------


def check_here(plugin: Plugin) -> None:
    """Check that a package is installed here in the version with which a run began.

    Raises:
        UserError: if not.
    """
    from importlib.metadata import PackageNotFoundError, version

    if not plugin.package:
        return
    try:
        got = version(plugin.package)
    except PackageNotFoundError:
        got = "none"
    if got != plugin.version:
        raise UserError(
            f"expected the package {plugin.described} of plugin {plugin.name}, as when this run began, got {got}; "
            "install that version here"
        )


def loaded(plugin: Plugin, kind: str, name: str) -> Any:
    """Return what a plugin has under a name behind the colon; this executes its code.

    Args:
        kind: network, task or function

    Raises:
        UserError: if its code raises, it has no such thing, or the package is not here in its version.
    """
    check_here(plugin)
    points = entry_points(kind) if plugin.package else {}
    if point := points.get(f"{_prefix(plugin.package)}:{name}"):
        try:
            return point.load()
        except Exception as error:  # whatever anybody's code raises
            raise UserError(f"expected {plugin.name}:{name} to be importable, got {said(error)}") from None
    module = module_of(plugin)
    found = getattr(module, name, None)
    if not callable(found):
        own = [full.partition(":")[2] for full in points if full.startswith(f"{_prefix(plugin.package)}:")]
        public = [n for n, value in vars(module).items() if callable(value) and n[0] != "_"] if module else []
        made_there = [n for n in public if getattr(vars(module)[n], "__module__", "") == module.__name__]
        raise UserError(unknown(f"{kind} of plugin {plugin.name}", name, {*own, *(made_there or public)}))
    return found


def module_of(plugin: Plugin) -> Any:
    """Return a plugin's module, which this executes; None for a package that is known by its entry points alone.

    Raises:
        UserError: if its code raises, or the package is not here in its version.
    """
    if not plugin.package:
        return executed(plugin.file, plugin.text)
    check_here(plugin)
    try:
        return importlib.import_module(plugin.name) if find_spec(plugin.name) else None
    except Exception as error:  # whatever anybody's code raises
        raise UserError(f"expected plugin {plugin.name} to be importable, got {said(error)}") from None


def found(plugins: Mapping[str, Plugin], kind: str, name: str) -> Any:
    """Return what stands behind a name with a colon, of these plugins by their names.

    Raises:
        UserError: as `loaded`, or if no plugin is called so.
    """
    return loaded(known(plugins, name), kind, name.partition(":")[2])


def known(plugins: Mapping[str, Plugin], name: str) -> Plugin:
    """Return the plugin of a name with a colon.

    Raises:
        UserError: if no plugin is called so.
    """
    prefix = name.partition(":")[0]
    if prefix not in plugins:
        problem = unknown("plugin", prefix, plugins) if plugins else f"unknown plugin {prefix!r}"
        raise UserError(f"{problem}; list it under plugins, or install a package with entry points")
    return plugins[prefix]
