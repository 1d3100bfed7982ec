"""Several drivers that share one search by migration, through the directories of their runs.

Every island leaves its emigrants in its own run directory, `islands/out-GENERATION.json`, and waits for those of the
others of that generation. What arrived is kept beside it, `in-GENERATION.json`, before any of it is trained: a resumed
or repeated run takes it from there, so that its rows do not depend on the others any more. As emigrants depend on
their own island's earlier generations alone, no two islands wait for each other for ever, and all rows are the same
whenever and wherever the islands run, unless one is waited for in vain.
"""

import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from evoact.config import Experiment
from evoact.errors import UserError
from evoact.genomes.genome import Genome, from_json, to_json
from evoact.leaderboard.checked import checked, unchecked
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import is_finished
from evoact.strategies.proposers.islands import check_island
from evoact.strategies.proposers.warm_start import fitting

FOLDER = "islands"
PAUSE_SECONDS, PAUSE_SECONDS_REMOTE = 0.5, 10.0  # between two looks at another island


def settled(made: Experiment, home: Location) -> Experiment:
    """Return the experiment with the places of the other islands as they are called from everywhere.

    Raises:
        UserError: if the strategy knows no generations, or an island is its own neighbour.
    """
    islands = made.config.islands
    if islands is None:
        return made
    check_island(made.proposer)
    others = [Location.of(other).absolute for other in islands.others]
    if home.absolute in others:
        raise UserError(
            f"expected islands.others to name the run directories of the other islands, got {home.text!r}, this run; "
            "leave it out"
        )
    return made.with_config(islands=islands.model_copy(update={"others": others}))


class Migrations:
    """The migrations of one island: publishes who leaves, waits for who arrives, and remembers."""

    def __init__(
        self,
        made: Experiment,
        home: Location,
        go_on: Callable[[], None],
        say: Callable[[str], None],
        note: Callable[..., None],
    ):
        """
        Args:
            made: what is searched, with a section `islands`
            home: the run directory
            go_on: called while others are waited for; raises if this run is to end
            say: called with what is waited for
            note: called with lines of the log
        """
        assert made.config.islands is not None
        self._made, self._settings, self._place = made, made.config.islands, home.child(FOLDER)
        self._go_on, self._say, self._note = go_on, say, note

    def __call__(self, generation: int, leaving: Sequence[Genome]) -> Sequence[Genome]:
        """Return who arrives at a generation; those that left the others are carried over into this space."""
        file = self._place.child(f"in-{generation:05d}.json")
        told = _read(file)
        if told is None:
            out = {"seed": self._made.seed, "genomes": [to_json(genome) for genome in leaving]}
            self._place.child(_out(generation)).write(json.dumps(checked(out)).encode())
            told = self._wait(generation)
            file.write(json.dumps(checked(told)).encode())
        genomes = [from_json(data) for arrived in told["arrived"].values() for data in arrived]
        return fitting(self._made.space, genomes, self._made.seed)[0] if genomes else ()

    def _wait(self, generation: int) -> dict[str, Any]:
        others, begin = [Location.of(other) for other in self._settings.others], time.monotonic()
        arrived: dict[str, Any] = {}
        while missing := [other for other in others if other.text not in arrived]:
            for other in missing:
                genomes = self._of(other, generation)
                if genomes is not None:
                    arrived[other.text] = genomes
            late = [other for other in others if other.text not in arrived]
            if not late or time.monotonic() - begin > self._settings.wait_seconds:
                break
            self._go_on()
            self._say(f"waiting for {late[0].text} at generation {generation}")
            remote = any(other.local is None for other in late)
            time.sleep(PAUSE_SECONDS_REMOTE if remote else PAUSE_SECONDS)
        in_vain = [other.text for other in others if other.text not in arrived]
        self._note(
            "migration",
            generation=generation,
            arrived=sum(map(len, arrived.values())),
            waited=round(time.monotonic() - begin, 3),
            **({"in_vain": in_vain} if in_vain else {}),
        )
        # In the order of the config, not of arrival.
        return {"arrived": {o.text: arrived[o.text] for o in others if o.text in arrived}, "in_vain": in_vain}

    def _of(self, other: Location, generation: int) -> list[Any] | None:
        """Who left another island at a generation; nobody if it ended before that, None if it has yet to come there."""
        over = False
        with suppress(UserError):  # it has not begun
            over = is_finished(other)
        told = _read(other.child(FOLDER).child(_out(generation)))
        if told is None:
            return [] if over else None
        if told.get("seed") == self._made.seed:
            raise UserError(
                f"expected every island to have a seed of its own, got {self._made.seed} here and in {other.text}; "
                "start one of them again with another --set seed=N"
            )
        return list(told["genomes"])


def _out(generation: int) -> str:
    return f"out-{generation:05d}.json"


def _read(file: Location) -> dict[str, Any] | None:
    with suppress(OSError, ValueError):
        told = json.loads(file.read())
        return unchecked(told) if isinstance(told, dict) else None
    return None
