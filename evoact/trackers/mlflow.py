"""MLflow: a run as one of its runs; `mlflow ui` shows it."""

import re
import socket
from collections.abc import Sequence
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from evoact.trackers.tracker import Begun, Ended, Point, flat

# What a server takes in one request (MLflow's limits), and how much of a value is worth reading.
METRICS, PARAMETERS, LONGEST = 1000, 100, 500
CONNECT_SECONDS = 5.0


class MLflow:
    """Shows a run in an experiment of MLflow.

    Without a `uri` it goes where MLflow's own programs go: MLFLOW_TRACKING_URI, else mlflow.db in this directory.

    Args:
        begun: the run
        uri: of a server or a database
        experiment: made if it is not there
    """

    def __init__(self, begun: Begun, uri: str | None = None, experiment: str = "evoact"):
        from mlflow import MlflowClient

        self._client: Any = MlflowClient(uri)
        _check_answers(self._client.tracking_uri)
        self.run = begun.before
        if self.run:
            self._client.update_run(self.run, status="RUNNING")
        else:
            self._begin(begun, experiment)

    def _begin(self, begun: Begun, experiment: str) -> None:
        from mlflow.entities import Param

        known = self._client.get_experiment_by_name(experiment)
        number = known.experiment_id if known else self._client.create_experiment(experiment)
        self.run = self._client.create_run(number, run_name=begun.name, tags=dict(begun.facts)).info.run_id
        values = iter(
            Param(re.sub(r"[^\w\-. /]", "_", name)[:250], str(value)[:LONGEST])
            for name, value in flat(begun.config)
        )
        while part := list(islice(values, PARAMETERS)):
            self._client.log_batch(self.run, params=part)

    def observe(self, points: Sequence[Point]) -> None:
        from mlflow.entities import Metric

        values = iter(
            Metric(name, value, int(1000 * p.time), p.step)
            for p in points
            for name, value in p.named().items()
        )
        while part := list(islice(values, METRICS)):
            self._client.log_batch(self.run, metrics=part)

    def end(self, ended: Ended) -> None:
        for name, value in ended.summary().items():
            if isinstance(value, float):
                self._client.log_metric(self.run, name, value)
            else:
                self._client.set_tag(self.run, name, value)
        if ended.verdict:
            self._client.set_tag(self.run, "mlflow.note.content", ended.verdict)  # the run's description
        status = "FAILED" if ended.error else "FINISHED" if ended.complete else "KILLED"
        self._client.set_terminated(self.run, status)


def _check_answers(uri: str) -> None:
    """Raise OSError if nobody listens there: MLflow itself tries for minutes."""
    place = urlsplit(uri)
    if place.scheme in ("http", "https") and place.hostname:
        port = place.port or (443 if place.scheme == "https" else 80)
        socket.create_connection((place.hostname, port), CONNECT_SECONDS).close()
