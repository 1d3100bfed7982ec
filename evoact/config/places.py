"""Paths in a config: the resolved one means the same files in any working directory."""

import os

from evoact.config.schema import Config
from evoact.tasks.outline import PLACES


def absolute(place: str) -> str:
    """Return the same place in any working directory; what is on a file system of its own is so already.

    >>> absolute("s3://bucket/table.parquet"), absolute("/data/x.npz")
    ('s3://bucket/table.parquet', '/data/x.npz')
    """
    return place if "://" in place else os.path.abspath(os.path.expanduser(place))


def found_from_anywhere(config: Config) -> Config:
    """Return the config with absolute paths: of the task's data, of a table, and of the run that it starts from."""
    given = config.task.arguments
    places = {key: absolute(given[key]) for key in PLACES if isinstance(given.get(key), str)}
    update: dict[str, object] = {"task": config.task.model_copy(update=places)}
    if config.execution.table is not None:
        update["execution"] = config.execution.model_copy(update={"table": absolute(config.execution.table)})
    if config.warm_start is not None:
        update["warm_start"] = config.warm_start.model_copy(update={"run": absolute(config.warm_start.run)})
    return config.model_copy(update=update)
