"""A run as TensorBoard scalars: one TensorBoard run for each arm and repeat.

`validation` and `best_validation` stand at the gradient-examples spent until then; `confirmed/...` holds the means
of confirmed candidates over their fresh seeds, at the candidate's number, `judged/...` those of the judged ones.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from tensorboardX import SummaryWriter

from evoact.errors import UserError
from evoact.records import COMPLETED, FRESH, path_name
from evoact.report.run import RunData

_CONFIRMED = ("val_metric", "test_metric", "test_large_metric")
_OF_PHASE = {"confirmed": "confirm", "judged": "judge"}


def write_tensorboard(run: RunData, directory: Path) -> None:
    """Write event files for `tensorboard --logdir DIRECTORY`.

    Raises:
        UserError: if the directory holds something already, because TensorBoard would show both.
    """
    if directory.exists() and any(directory.iterdir()):
        raise UserError(f"expected a new or empty directory, got {str(directory)!r}, which holds files")
    for (arm, repeat), rows in run.rows.groupby(["arm", "repeat"], sort=False):
        name = f"{path_name(arm)}-{repeat}" if arm else "search"
        with SummaryWriter(str(directory / name)) as writer:
            _searched(writer, rows[~rows["phase"].isin(FRESH)].sort_values("proposal"), run.maximize)
            for name, phase in _OF_PHASE.items():
                _confirmed(writer, name, rows[rows["phase"] == phase])


def _searched(writer: SummaryWriter, rows: pd.DataFrame, maximize: bool) -> None:
    spent = rows["gradient_examples"].cumsum().astype(int).to_numpy()
    values = rows["val_metric"].where(rows["state"] == COMPLETED).to_numpy(dtype=float)
    best = np.fmax.accumulate(values) if maximize else np.fmin.accumulate(values)
    times = rows["finished_at"].astype("int64").to_numpy() / 1e6
    for step, value, top, time in zip(spent.tolist(), values, best, times, strict=True):
        if np.isfinite(value):
            writer.add_scalar("validation", value, step, time)
            writer.add_scalar("best_validation", top, step, time)


def _confirmed(writer: SummaryWriter, of: str, rows: pd.DataFrame) -> None:
    means = rows[rows["state"] == COMPLETED].groupby("candidate")[list(_CONFIRMED)].mean()
    for candidate, values in means.iterrows():
        for name in _CONFIRMED:
            if np.isfinite(values[name]):
                writer.add_scalar(f"{of}/{name}", values[name], int(candidate))
