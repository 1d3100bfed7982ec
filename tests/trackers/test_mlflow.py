"""MLflow, on a database of its own."""

import socket

import pytest

from evoact.trackers.mlflow import MLflow
from tests.trackers.examples import ENDED, begun, points

pytestmark = [
    pytest.mark.skipif("not __import__('importlib').util.find_spec('mlflow')", reason="needs mlflow-skinny"),
    pytest.mark.filterwarnings("ignore"),  # those of mlflow
    pytest.mark.slow,
]


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


def test_a_run_goes_on_where_it_was(tmp_path, uri):
    from mlflow import MlflowClient

    first = MLflow(begun(tmp_path), uri)
    first.observe(points(1, 4))
    second = MLflow(begun(tmp_path, before=first.run, seen=3), uri)
    assert second.run == first.run
    client = MlflowClient(uri)
    assert client.get_run(first.run).info.status == "RUNNING"
    second.observe(points(4, 1200))  # more than one request takes
    second.end(ENDED)
    run = client.get_run(first.run)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "first")
    history = client.get_metric_history(first.run, "search/validation")
    assert [(m.step, m.value) for m in history] == [
        (p.step, p.values["search/validation"]) for p in points(1, 1200)
    ]
    assert history[0].timestamp == 1_700_000_001_000
    assert run.data.params == {"name": "tiny", "training.steps": "20", "arms.hulls _ more.types": "['hull']"}
    assert run.data.metrics["winner_test"] == 0.75
    said = {"winner": "8 sin", "verdict": "A gain.", "mlflow.note.content": "A gain.", "evoact": "0.1.0"}
    assert said.items() <= run.data.tags.items()


def test_a_server_that_is_down_is_known_at_once(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(ConnectionRefusedError):
        MLflow(begun(tmp_path), f"http://127.0.0.1:{port}")
