"""What a leased worker says when it cannot start."""

from types import SimpleNamespace

import pytest
import ray

from evoact.errors import UserError
from evoact.execution.cluster.leased_worker import Worker
from evoact.training.gpu.devices import GpuLost


@pytest.fixture
def refused(monkeypatch):
    """What the exchange is told to end the run with."""
    said: list[Exception] = []
    exchange = SimpleNamespace(refuse=SimpleNamespace(remote=said.append))
    monkeypatch.setattr(ray, "get_actor", lambda name, namespace: exchange)
    monkeypatch.setattr(ray, "get", lambda answer: answer)
    return said


def started(monkeypatch, error):
    def trainer(self, **options):
        raise error

    def no_runtime_context():
        raise LookupError("as far as a test goes")

    monkeypatch.setattr(Worker, "_trainer", trainer)
    monkeypatch.setattr(ray, "get_runtime_context", no_runtime_context)
    Worker.setup(object.__new__(Worker), {"worker": "a", "exchange": "b", "gpu": True, "work": {}})


def test_a_gpu_that_does_not_answer_ends_its_worker_alone(refused, monkeypatch):
    with pytest.raises(GpuLost):
        started(monkeypatch, GpuLost("expected a GPU that answers, got one that does not"))
    assert not refused


def test_what_no_worker_can_train_ends_the_run(refused, monkeypatch):
    with pytest.raises(LookupError):
        started(monkeypatch, UserError("expected float32"))
    assert str(refused[0]).endswith("cannot train this: expected float32")
