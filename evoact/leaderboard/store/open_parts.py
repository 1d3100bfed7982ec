"""From a path that a user gives to the Parquet files behind it, as they are at one moment."""

import time
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pyarrow import fs

from evoact.errors import UserError
from evoact.leaderboard.curves import CURVES
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG
from evoact.leaderboard.schema import LEADERBOARD, Table
from evoact.leaderboard.store.merge import merged, of_part, places
from evoact.leaderboard.store.parts import Part, Unreadable, inspect_all, read
from evoact.leaderboard.store.write import PARTS, parquet_of
from evoact.temporary import Temporary

_ATTEMPTS = 10


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a part lies: in a run directory, or, `mixed`, in a place that may hold parts of several runs."""

    directory: str
    mixed: bool


def origin_of(place: Location, part: Part) -> Origin:
    """Return the origin of a part that was opened by way of this place."""
    if place.local is None:
        return Origin(place.text, not place.child(CONFIG).exists())
    directory = part.path.resolve().parent
    mixed = not (directory.parent / CONFIG).is_file()
    return Origin(str(directory if mixed else directory.parent), mixed)


def open_parts(place: Location, owner: object) -> tuple[list[Part], list[Unreadable]]:
    """Return the readable parts of a run directory, a directory of parts or one file, and the others.

    Parts on a remote file system are copied here: once, instead of at every question. The copies go
    when `owner` does.

    Raises:
        UserError: if the place holds no run, or nothing in it can be read.
    """
    parts, unreadable = _stable(place, lambda: _listed(place), LEADERBOARD, owner)
    if unreadable and not parts:
        raise UserError(
            f"{place.text}: expected at least one readable part, got none: {unreadable[0].problem}"
        )
    return parts, unreadable


def open_curves(place: Location, owner: object) -> tuple[list[Part], list[Unreadable]]:
    """Return the parts of a run directory's learning curves, each point once, and the unreadable ones; none if there
    are no curves."""
    folder = place.child(CURVES.folder)
    parts, unreadable = _stable(place, lambda: (folder, folder.names(".parquet")), CURVES, owner)
    broken = read([part for part in parts if not part.sealed], CURVES.schema.names, CURVES)[1]
    gone = {item.path for item in broken}
    return _once([part for part in parts if part.path not in gone], CURVES, owner), unreadable + broken


def _once(parts: list[Part], table: Table, owner: object) -> list[Part]:
    """The parts, or one made of them if they hold a key more than once, by the rule of compaction: a pack whose rows
    were damaged, or never written, has written its curves twice when it was trained again."""
    sources = [of_part(part, table) for part in parts]
    found = places(sources, table) if len(parts) > 1 else []
    if all((place >= 0).all() for place in found):
        return parts
    file = _directory(owner) / "once.parquet"
    file.write_bytes(parquet_of(merged(sources, found, table), table.schema))
    return inspect_all([file], table)[0]


def _stable(
    place: Location, listed: Callable[[], tuple[Location, list[str]]], table: Table, owner: object
) -> tuple[list[Part], list[Unreadable]]:
    """The parts that are listed, as they were at one moment."""
    for attempt in range(_ATTEMPTS):
        time.sleep(attempt / 100)  # whoever merges files needs moments
        try:
            directory, names = listed()
            files = _local(directory, names, owner)
            found = inspect_all(files, table)
            again, names_again = listed()
        except FileNotFoundError:
            continue
        # A compaction in between deletes files; a new part takes nothing away.
        if again.path == directory.path and set(names) <= set(names_again):
            return found
    raise UserError(f"{place.text}: expected stable parts, got parts that keep being replaced; try again")


def _listed(place: Location) -> tuple[Location, list[str]]:
    kind = place.kind()
    if kind == fs.FileType.NotFound:
        raise UserError(f"{place.text}: expected a run directory, got nothing there")
    if kind == fs.FileType.File:
        path, _, name = place.path.rpartition("/")
        return Location(place.filesystem, path, place.text), [name]
    directory = place.child(PARTS)
    if directory.is_directory():
        return directory, directory.names(".parquet")
    names = place.names(".parquet")
    if not names and not place.child(CONFIG).exists():
        raise UserError(
            f"{place.text}: expected a run directory, got one without a leaderboard; "
            "give the directory that the search was started with (-o)"
        )
    return place, names


def _local(directory: Location, names: list[str], owner: object) -> list[Path]:
    here = directory.local
    if here is None:
        here = _directory(owner)
        for name in names:
            (here / name).write_bytes(directory.child(name).read())
    return [here / name for name in names]


def _directory(owner: object) -> Path:
    """A directory that goes when its owner does."""
    made = Temporary("leaderboard")
    weakref.finalize(owner, made.remove)
    return made.place
