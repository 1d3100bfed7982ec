"""A resolved config brings its captured curves along."""

import pytest
import yaml

from evoact.activations import curves
from evoact.activations.curves import Curve, load_curve, save_curve
from evoact.config import experiment
from evoact.errors import ConfigError


@pytest.mark.slow
def test_a_resolved_config_brings_its_curves(tiny, tmp_path, monkeypatch):
    """It is read again without their files, as a worker on another machine does."""
    folder = tmp_path / "somewhere"
    monkeypatch.setenv("EVOACT_CURVES", str(folder))
    save_curve(folder / "wave", Curve([0, 1, 2, 3], [0, 1, 0, 0.1]))
    made = experiment(tiny(space__types={"tabulated": {"curves": ["wave"]}}))
    monkeypatch.delenv("EVOACT_CURVES")
    monkeypatch.setattr(curves, "_KNOWN", {})
    again = experiment(yaml.safe_load(made.to_yaml()))
    (name,) = again.config.space.types.tabulated.curves
    assert load_curve(name).values.tolist() == [0.0, 1.0, 0.0, 0.1]
    data = yaml.safe_load(made.to_yaml())
    data["curves"][name]["values"][0] = 5.0
    with pytest.raises(ConfigError, match=rf"curves\.{name}: expected the name"):
        experiment(data)
