"""Weights & Biases: a run as one of its runs, by default offline, for `wandb sync` to send."""

import os
from collections.abc import Sequence
from typing import Any

from evoact.errors import UserError
from evoact.trackers.tracker import Begun, Ended, Point

STEP = "networks"


class WandB:
    """Shows a run in a project of Weights & Biases.

    Offline, unless `mode` or WANDB_MODE says `online`; the key is that of `wandb login` or WANDB_API_KEY.

    Args:
        begun: the run
        project: in which it is shown
        entity: whose project; by default that of the key
        mode: `offline` or `online`
    """

    def __init__(
        self, begun: Begun, project: str = "evoact", entity: str | None = None, mode: str | None = None
    ):
        import wandb

        # Its own looks at the process, its console and its code have no part in this.
        settings = wandb.Settings(
            silent=True,
            console="off",
            x_disable_stats=True,
            x_disable_meta=True,
            disable_code=True,
            disable_git=True,
        )
        mode = mode or os.environ.get("WANDB_MODE") or "offline"
        if mode == "online" and not wandb.login(prompt=False):  # it would ask for one on the terminal
            raise UserError("expected a key of Weights & Biases, got none; run `wandb login`")
        begin: Any = wandb.init
        self._run: Any = begin(
            project=project,
            entity=entity,
            name=begun.name,
            id=begun.before or None,
            resume="allow" if begun.before else None,
            mode=mode,
            config={**begun.config, "run": dict(begun.facts)},
            reinit="create_new",
            settings=settings,
        )
        self.run = str(self._run.id)
        # What it calls a step counts its own records.
        self._run.define_metric(STEP)
        self._run.define_metric("*", step_metric=STEP)

    def observe(self, points: Sequence[Point]) -> None:
        for point in points:
            self._run.log({STEP: point.step, **point.named()})

    def end(self, ended: Ended) -> None:
        self._run.summary.update(ended.summary())
        self._run.finish(exit_code=0 if ended.complete else 1)
