"""Every task trains, augmented where it can be, and a member's result depends on no neighbour."""

import numpy as np
import pytest

from evoact.networks.mlp import mlp
from evoact.tasks import OWN, TASKS
from evoact.training.loop import train_pack
from evoact.training.pack import TrainingSettings
from tests.tasks import published
from tests.training.examples import SMOOTH, member

AUGMENTED = ("cifar10", "fashion_mnist", "imagenet_folder")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    published.everything(root)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TASKS if name not in (*OWN, "mnist1d")])
def test_members_alone_and_together(name, data, tmp_path, monkeypatch):
    monkeypatch.setenv("EVOACT_DATA", str(data))
    monkeypatch.setenv("EVOACT_CACHE", str(tmp_path))
    arguments = published.ARGUMENTS.get(name, {}) | ({"augment": True} if name in AUGMENTED else {})
    made = TASKS[name](**arguments)
    net = mlp(made.input_shape, made.n_outputs, hidden=(4,))
    members = [member(i, net, steps=3, activations=SMOOTH, seeds=2) for i in range(3)]
    settings = TrainingSettings(batch_size=8)
    together = train_pack(members, net, made, settings, evaluate=("validation", "test"), keep="all")
    for m, expected in zip(members, together, strict=True):
        (alone,) = train_pack([m], net, made, settings, evaluate=("validation", "test"), keep="all")
        assert alone.state == "completed"
        assert set(alone.metrics) == {"validation", "test"}
        assert alone.metrics == expected.metrics
        assert alone.train_loss == expected.train_loss
        for part, value in alone.learned.items():
            assert np.array_equal(value, expected.learned[part]), part
    assert len({outcome.train_loss for outcome in together}) == 3
