"""From YAML to an Experiment: every mistake of a config is found, and all are reported at once.

A config stops here: what is above takes an `Experiment`, which hands out flat values and plain objects.
"""

from evoact.config.experiment import Experiment
from evoact.config.load import experiment, load, load_space
from evoact.config.load_comparison import comparison, load_comparison, read_plan
from evoact.config.plan import Plan
from evoact.config.yaml_files import find_config, read_yaml, shipped

__all__ = [
    "Experiment",
    "Plan",
    "comparison",
    "experiment",
    "find_config",
    "load",
    "load_comparison",
    "load_space",
    "read_plan",
    "read_yaml",
    "shipped",
]
