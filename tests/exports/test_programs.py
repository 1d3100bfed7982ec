import numpy as np
import pytest
import torch

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
