"""TensorBoard: event files that grow with a run; `tensorboard --logdir RUN_DIR/events` shows them."""

from collections.abc import Sequence
from pathlib import Path

from tensorboardX import SummaryWriter

from evoact.errors import UserError
from evoact.trackers import EVENTS
from evoact.trackers.tracker import Begun, Ended, Point, flat

SEARCH = "search"
FLUSH_SECONDS = 2.0  # between two writes to disk


class TensorBoard:
    """Shows a run as event files, a directory for each arm and repeat of a comparison.

    Args:
        begun: the run
        directory: for them; by default `events` in the run directory
    """

    def __init__(self, begun: Begun, directory: str | None = None):
        if directory is None and begun.folder is None:
            raise UserError(
                "expected a directory on this machine for event files, got a run directory elsewhere; name one by "
                "trackers: [{name: tensorboard, directory: DIRECTORY}]"
            )
        place = begun.folder / EVENTS if directory is None and begun.folder else Path(directory or "")
        self._place, self._seen = place.absolute(), begun.seen
        self.run = str(self._place)
        self._writers: dict[str, SummaryWriter] = {}
        if not begun.before:
            lines = "\n".join(f"    {name}: {value}" for name, value in flat(begun.config))
            self._writer("").add_text("config", lines)

    def observe(self, points: Sequence[Point]) -> None:
        for point in points:
            writer = self._writer(point.part)
            for name, value in point.values.items():
                writer.add_scalar(name, value, point.step, point.time)

    def end(self, ended: Ended) -> None:
        for name, value in ended.summary().items():
            self._writer("").add_text(name, str(value).replace("\n", "\n\n"))
        for writer in self._writers.values():
            writer.close()

    def _writer(self, part: str) -> SummaryWriter:
        if part not in self._writers:
            self._writers[part] = SummaryWriter(
                str(self._place / (part or SEARCH)),
                # What a killed process wrote and did not note is written again.
                purge_step=self._seen + 1 if self._seen else None,
                # Files are named by the second: this keeps that of an earlier process.
                filename_suffix=f".{self._seen}",
                flush_secs=FLUSH_SECONDS,
            )
        return self._writers[part]
