"""Trackio: a run as one of its runs, on this machine, unless a Space or a server is named; `trackio show` shows it."""

from collections.abc import Sequence
from typing import Any

from evoact.trackers.tracker import Begun, Ended, Point


class Trackio:
    """Shows a run in a project of Trackio.

    Args:
        begun: the run
        project: in which it is shown
        space: a Space of Hugging Face, OWNER/NAME
        server: the address of a Trackio server
    """

    def __init__(
        self, begun: Begun, project: str = "evoact", space: str | None = None, server: str | None = None
    ):
        import trackio

        self._run: Any = trackio.init(
            project=project,
            name=begun.before or begun.name,
            space_id=space,
            server_url=server,
            config={**begun.config, "run": dict(begun.facts)},
            resume="allow" if begun.before else "never",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        self.run = str(self._run.name)
        self._step = begun.seen

    def observe(self, points: Sequence[Point]) -> None:
        for point in points:
            self._run.log(dict(point.named()), step=point.step)
            self._step = point.step

    def end(self, ended: Ended) -> None:
        self._run.log(ended.summary(), step=self._step)
        self._run.finish()
