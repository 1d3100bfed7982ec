"""A network's predictions for the rows of a file."""

from typing import Any

import numpy as np

from evoact.errors import UserError
from evoact.exports.module import TrainedNetwork
from evoact.tasks.own.table_file import read_table, widened


def predictions(network: TrainedNetwork, path: str, probabilities: bool = False) -> Any:
    """Return an Arrow table with a column `prediction` behind those of the file, of several targets
    `prediction_TARGET` each: labels, or values in the targets' units; with `probabilities` a column
    `probability_CLASS` for each class, too.

    Args:
        network: that was trained on a table
        path: of a table with the columns that the network was trained on, and any others
        probabilities: of classes

    Raises:
        UserError: if the network was trained on other data than a table, the file has not its columns, or has those
            that are to be written.
    """
    known = network.preprocessing
    if known is None or not known.columns:
        raise UserError(
            "expected a network that was trained on a table, whose columns a file has, got one of other data; in "
            "Python, evoact.load(DIRECTORY).predict(x) takes arrays"
        )
    table = read_table(path)
    found = network.predict(table)
    columns = {"prediction": found} if found.ndim == 1 or found.shape[1] == 1 else {}
    if not columns:
        columns = {f"prediction_{name}": found[:, i] for i, name in enumerate(known.target_names)}
    if probabilities:
        odds = network.predict_proba(table)
        columns |= {f"probability_{name}": odds[:, i] for i, name in enumerate(network.classes)}
    return widened(table, {name: np.asarray(values).reshape(-1) for name, values in columns.items()})
