"""The files of a run directory beside its rows: the resolved config, and the record of when, with what and where."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from evoact.errors import UserError
from evoact.leaderboard.checked import SUM, checked, unchecked
from evoact.leaderboard.location import Location
from evoact.leaderboard.store.seal import Broken
from evoact.leaderboard.store.tensors import unpacked
from evoact.yaml_text import MOST_BYTES, loads

# A directory with a config is a run, even before its first row.
CONFIG = "config.yaml"
RECORD = "run.json"
TRACKED = "trackers.json"  # what trackers call the run
MOST_STORED = 2_000_000  # keys and values of a resolved config

# What the entries of a record are, if there are any: older runs do not have all of them.
_MACHINE = {"platform": str, "python": str, "processors": int | None, "kernels": bool, "packages": dict}
_RECORD = {
    "evoact": str,
    "run": str,
    "started_at": str,
    "finished_at": str | None,
    "networks": int,
    "machine": dict,
    "trains": dict,
    "data": dict,
    "digest": str | None,
    "task": dict,
}


def config_of(home: Location) -> dict[str, Any]:
    """Return the resolved config of a run, as plain data.

    Raises:
        UserError: if the directory is not a run, or the file is damaged.
    """
    if not home.child(CONFIG).exists():
        raise UserError(
            f"expected a run directory, got {home.text!r} without {CONFIG}; "
            "`evoact search` and `evoact compare` make one"
        )
    return _mapping(home.child(CONFIG), parsed, "the config that the search wrote")


@contextmanager
def made_or_refused(home: Location) -> Iterator[None]:
    """Say in a sentence why a run directory cannot be made, where that is tried.

    Raises:
        UserError: instead of an error of the system.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise UserError(
            f"expected a run directory that can be made, got {home.text!r}: {reason}; choose another with -o"
        ) from None


def record_of(home: Location) -> dict[str, Any]:
    """Return the record of a run: when it began and ended (None if it has not), with which versions, on which machine.

    Raises:
        UserError: if the file is damaged, was changed, or is not there.
    """
    try:
        record = unchecked(_mapping(home.child(RECORD), json.loads, "the record that the search wrote"))
    except (ValueError, RecursionError):
        raise UserError(
            f"{home.child(RECORD).text}: expected the record that the search wrote, got one with another checksum; "
            f"restore the file, or take {SUM!r} out of it if you have changed it yourself"
        ) from None
    if "finished_at" not in record:
        raise _foreign(home, "one without 'finished_at'")
    machine = record.get("machine", {})
    for entries, kinds in ((record, _RECORD), (machine if isinstance(machine, dict) else {}, _MACHINE)):
        for name in kinds.keys() & entries.keys():
            if not isinstance(entries[name], kinds[name]):
                raise _foreign(home, f"one with {name!r} of {str(entries[name])[:60]!r}")
    trains = record.get("trains", {"common": {}, "arms": {}})
    arms = trains.get("arms")
    parts = [trains.get("common"), *(arms.values() if isinstance(arms, dict) else [None])]
    if not all(isinstance(part, dict) for part in parts):
        raise _foreign(home, "one with 'trains' of another shape")
    return record


def trivial_of(record: Mapping[str, Any]) -> dict[str, float]:
    """Return what always saying the same reaches on each split, from a run's record; nothing if it does not say."""
    data = record.get("data")
    trivial = data.get("trivial") if isinstance(data, dict) else None
    found = trivial.items() if isinstance(trivial, dict) else ()
    return {name: float(value) for name, value in found if isinstance(value, (int, float))}


def _foreign(home: Location, got: str) -> UserError:
    return UserError(
        f"{home.child(RECORD).text}: expected the record that the search wrote, got {got}; "
        "restore the file or search again in a new run directory"
    )


def write_record(home: Location, record: dict[str, Any]) -> None:
    """Replace a run's record, with a checksum: it holds numbers by which predictions are made."""
    home.child(RECORD).write(json.dumps(checked(record), indent=2).encode())


def is_finished(home: Location) -> bool:
    """Return whether a run came to its end.

    Raises:
        UserError: if the directory is not a run, or its record is damaged.
    """
    config_of(home)
    return bool(record_of(home)["finished_at"])


def parsed(content: bytes) -> Any:
    """Return what the config of a run says, as plain data."""
    # A resolved config holds more than anybody writes by hand: curves, and the genomes of a warm start.
    return loads(content, CONFIG, most_values=MOST_STORED)


def _mapping(file: Location, parse: Callable[[bytes], Any], what: str) -> dict[str, Any]:
    """Return the content of one of a run's own files.

    Raises:
        UserError: if the file is damaged or not there.
        OSError: if it is on an object store that does not give it.
    """
    try:
        data = parse(file.read(MOST_BYTES))
    except FileNotFoundError:
        wrong = "nothing there"
    except (OSError, ValueError, RecursionError, UserError) as error:
        if isinstance(error, OSError) and file.local is None:  # out of reach, which says nothing of the file
            raise
        wrong = f"a file that cannot be read ({str(error).splitlines()[0][:200]})"
    else:
        if isinstance(data, dict):
            return data
        wrong = "a damaged or foreign file"
    raise UserError(
        f"{file.text}: expected {what}, got {wrong}; restore the file or search again in a new run directory"
    )


def tensors_of(home: Location, row: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Return what the network, or the meta-training, of a row learned, by name.

    Raises:
        UserError: if its artifact is damaged or not there.
    """
    file = home.child(row["artifact"])
    try:
        return unpacked(file.read())
    except (Broken, FileNotFoundError) as error:
        raise UserError(
            f"expected what candidate {row['candidate']} learned on seed {row['seed']} in {file.text!r}, which cannot "
            f"be read ({error}); restore the file"
        ) from None
