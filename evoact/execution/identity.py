"""The identity of a run: its name, what it trains and on which data, kept in its record when it begins.

Folders are renamed, files overwritten and configs edited; a run goes on as what it was, or not at all.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from evoact.config import Plan
from evoact.errors import UserError
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import CONFIG, config_of, parsed, record_of
from evoact.plugins import is_plugged
from evoact.tasks.outline import FROM_FILES, PLACES, data_digest, outlined

# What may change before a run goes on: it decides how much is trained, where, and what is said of it, but of no
# network what becomes of it. Where data is does not matter, for the data has a digest.
FREE = (
    *("name", "description", "budget", "confirm", "packs", "execution", "trackers", "functions"),
    *("repeats", "reference", "scaled", "equivalence"),
    *("training.curve_every", "training.curve_at"),
    *("warm_start.run", "warm_start.candidates", "islands.others", "islands.wait_seconds"),
    *(f"task.{place}" for place in PLACES),
)
FREE_IN_ARM = ("description", "group", "amortised", "control_of")
LONGEST = 80  # of a value in the record; a longer one is known by its digest


def identity(home: Location, made: Plan, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return entries of the record of a run that begins; `config` is what its file will say."""
    counted = made.config.execution.backend != "table" or made.config.training.epochs is not None
    return {
        "run": home.name,
        "trains": trained_by(config),
        "digest": _digest(made),
        "task": outlined(made.task, counted),
    }


def name_of(home: Location, names: Sequence[str | None]) -> str:
    """Return the name of a run older than the records that hold it: that in the first of its rows."""
    return next(filter(None, names), home.name)


def check_unchanged(home: Location, made: Plan, record: Mapping[str, Any]) -> None:
    """Check that a stored run still trains what it trained, on the same data; nothing is known of runs older than
    these records.

    Raises:
        UserError: naming the key of the config, or the data, with both values.
    """
    if "trains" in record:
        _check_config(home, record["trains"], trained_by(config_of(home)))
    _check_data(home, made, record)


def check_same(home: Location, made: Plan) -> None:
    """Check that a stored run trains what a new one would, on the same data, so that the one may stand for the other.

    Raises:
        UserError: naming the key of the config, or the data, with both values.
    """
    record = record_of(home)
    if "trains" in record:
        _check_config(home, record["trains"], trained_by(parsed(made.to_yaml().encode())))
    _check_data(home, made, record)


def _check_data(home: Location, made: Plan, record: Mapping[str, Any]) -> None:
    now = _digest(made)
    if "digest" in record and record["digest"] != now:
        task = made.config.task
        places = [str(task.arguments[place]) for place in PLACES if task.arguments.get(place)]
        raise UserError(
            f"{home.text}: expected the data on which this run began, with digest {str(record['digest'])[:12]}, got "
            f"{str(now)[:12]} in {made.config.execution.table or ' '.join(places) or task.name}; restore the data, or "
            "search again in a new run directory"
        )


def _check_config(home: Location, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    # An arm on one side alone is no matter here: its rows, if there are any, are of no other.
    arms = [arm for arm in before["arms"] if arm in now["arms"]]
    parts = [("", before["common"], now["common"])]
    parts += [(f"arms.{arm}.", before["arms"][arm], now["arms"][arm]) for arm in arms]
    for prefix, was, got in parts:
        for key in dict.fromkeys((*was, *got)):
            if was.get(key) != got.get(key):
                raise UserError(
                    f"{home.child(CONFIG).text}: expected {prefix}{key} {was.get(key, 'left out')}, as when this run "
                    f"began, got {got.get(key, 'none')}; resume with the configuration of the run, or search again in "
                    "a new run directory"
                )


def trained_by(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what decides what becomes of a network, as texts by key: what arms have in `common`, and of each what is
    its own.

    >>> trained_by({"seed": 1, "budget": {"networks": 5}, "training": {"steps": 10.0, "batch_size": 4}})
    {'common': {'seed': '1', 'training.steps': '10', 'training.batch_size': '4'}, 'arms': {}}
    """
    arms = config.get("arms", {})
    return {
        "common": dict(_leaves({key: value for key, value in config.items() if key != "arms"})),
        "arms": {str(name): dict(_leaves(arm, free=FREE_IN_ARM)) for name, arm in arms.items()},
    }


def _leaves(value: Any, path: str = "", free: tuple[str, ...] = FREE) -> Iterator[tuple[str, str]]:
    if path in free:
        return
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key), free)
        return
    text = json.dumps(_plain(value), ensure_ascii=False, default=str)
    if len(text) > LONGEST:
        text = f"with digest {hashlib.sha256(text.encode('utf-8', 'surrogatepass')).hexdigest()[:12]}"
    yield path, text


def _plain(value: Any) -> Any:
    """Numbers by their value: 10.0 is 10."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _digest(made: Plan) -> str | None:
    """The digest of what networks are trained on, or of the table that they are looked up in."""
    table = made.config.execution.table
    if table is not None:
        return hashlib.sha256(Location.of(table).read()).hexdigest()
    named = made.config.task.name
    return data_digest(made.task) if named in FROM_FILES or is_plugged(named) else None
