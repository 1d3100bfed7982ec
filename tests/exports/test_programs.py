import re

import numpy as np
import pytest
import torch

from evoact.exports import programs
from evoact.exports.programs import missing_for_onnx, write_programs
from tests.exports.test_plain_network import both
from tests.networks.examples import TYPES, inputs


@pytest.mark.slow
def test_a_network_that_differentiates_within_its_forward_pass(tmp_path):
    _, _, module, _ = both("hamiltonian", TYPES)
    module, x = module.float(), inputs("hamiltonian", 1)[0].float()
    write_programs(module, x[:2], tmp_path)
    expected = module(x).detach()
    assert torch.allclose(torch.export.load(tmp_path / "model.pt2").module()(x), expected, atol=1e-6)
    if missing := missing_for_onnx():
        pytest.skip(f"{', '.join(missing)} not installed")
    import onnxruntime

    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    assert np.allclose(session.run(None, {"inputs": x.numpy()})[0], expected, atol=1e-6)


class Counted(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x.reshape(len(x), -1))  # an idiom that makes the number of examples a constant


class Valued(torch.nn.Linear):
    def forward(self, x):
        return super().forward(x if x.sum() > 0 else -x)


@pytest.mark.parametrize(
    ("kind", "reason"), [(Counted, "as `len\\(x\\)` does"), (Valued, "cannot write such")]
)
def test_a_forward_that_is_no_program_is_said_in_a_sentence(tmp_path, capfd, kind, reason):
    why = write_programs(kind(4, 2).eval(), torch.zeros(2, 4), tmp_path)
    assert set(why) == {"model.pt2", "model.onnx"}
    for file, sentence in why.items():
        assert re.search("wants" if file == "model.onnx" and missing_for_onnx() else reason, sentence)
        assert "\n" not in sentence
    assert not any(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


def test_packages_that_onnx_wants_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(programs, "NEEDED", ("no_such_package",))
    why = write_programs(torch.nn.Linear(4, 2).eval(), torch.zeros(2, 4), tmp_path)
    assert why == {"model.onnx": "it wants no_such_package: `pip install 'evoact[export]'`"}
    assert [file.name for file in tmp_path.iterdir()] == ["model.pt2"]
