"""Width-matched controls: the reference as large as a larger arm."""

import pytest
import yaml

from evoact.config import comparison, read_plan
from evoact.config.width_controls import most_parameters
from evoact.errors import ConfigError
from evoact.networks.network import parameter_count


def test_a_larger_arm_gets_a_control_as_large(tiny_comparison):
    maxout = {
        "types": {"maxout": {"pieces": [2]}},
        "types_per_layer": [1, 1],
        "learning_rate": {"values": [0.1]},
    }
    made = comparison(tiny_comparison(network__hidden=[32, 32], arms__evolution__space=maxout))
    control = "homogeneous as large as evolution"
    assert list(made.arms) == ["homogeneous", "random", "evolution", control]
    assert made.controls == {control: ("evolution",)}
    wide = made.arms[control]
    assert wide.space.functions == made.arms["homogeneous"].space.functions
    target = most_parameters(made.arms["evolution"])
    assert target > 1.05 * parameter_count(made.arms["homogeneous"].network)
    assert target <= parameter_count(wide.network) < 1.05 * target
    assert made.config.network.arguments == {"hidden": [32, 32]}
    again = read_plan(yaml.safe_load(made.to_yaml()))
    assert again.arms.keys() == made.arms.keys()
    assert again.controls == made.controls


def test_arms_of_a_size_share_a_control_and_small_differences_need_none(tiny_comparison):
    def pieces(n):
        return {
            "types": {"maxout": {"pieces": [n]}},
            "types_per_layer": [1, 1],
            "learning_rate": {"values": [0.1]},
        }

    made = comparison(
        tiny_comparison(
            network__hidden=[32],
            arms__two={"space": pieces(2), "strategy": {"name": "random"}},
            arms__twice={"space": pieces(2), "strategy": {"name": "optuna"}},
            arms__four={"space": pieces(4), "strategy": {"name": "random"}},
        )
    )
    assert made.controls == {
        "homogeneous as large as four": ("four",),
        "homogeneous as large as two, twice": ("two", "twice"),
    }


def test_an_arm_is_not_overwritten_by_a_control(tiny_comparison):
    maxout = {"types": {"maxout": {"pieces": [4]}}, "types_per_layer": [1, 1]}
    maxout |= {"learning_rate": {"values": [0.1]}}
    arms = {
        "arms__large": {"space": maxout, "strategy": {"name": "random"}},
        "arms__homogeneous as large as large": {"strategy": {"name": "random"}},
    }
    with pytest.raises(ConfigError, match=r"arms\.homogeneous as large as large: expected another name"):
        comparison(tiny_comparison(network__hidden=[32], **arms))
