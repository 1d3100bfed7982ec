"""From YAML to an Experiment: every mistake of a config is found, and all are reported at once.

A config stops here: what is above takes an `Experiment` or a `Plan` of several, which hand out flat values and plain
objects. `schema` has the keys and their types, `json_schema` the same for editors. `yaml_files` reads text, `inlined`
puts named files into it, `load` and `load_comparison` make objects of it, `stored_plan` those of a run directory.
`messages` puts pydantic's findings into words; `checks`, `meta_checks`, `spaces` and `given` find the other mistakes.
`curves` and `width_controls` add what a resolved config brings along."""

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
