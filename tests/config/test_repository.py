"""The configs and search spaces of the repository."""

from functools import cache
from pathlib import Path

import pytest
import yaml

from evoact.analysis.verdicts import fewest_repeats
from evoact.config import experiment, load, load_comparison, load_space, read_plan
from evoact.networks.network import parameter_count
from evoact.strategies import proposer

ROOT = Path(__file__).parents[2]
SEARCHES = sorted(path for path in (ROOT / "configs").glob("*.yaml") if not path.stem.startswith("compare_"))
COMPARISONS = sorted((ROOT / "configs").glob("compare_*.yaml"))
SPACES = sorted((ROOT / "search_spaces").glob("*.yaml"))
SCHEMA = "# yaml-language-server: $schema=schema.json"  # a config's first line, for editors
loaded = cache(load)  # several tests ask for each


@pytest.mark.parametrize("path", SEARCHES, ids=lambda p: p.stem)
def test_the_configs_of_the_repository(path):
    made = loaded(path)
    assert experiment(yaml.safe_load(made.to_yaml())) == made
    editors, line, *_ = path.read_text().splitlines()
    assert editors == SCHEMA
    command, *options = line.split(f" configs/{path.name}")
    assert command == "# evoact search", "the second line is the command that runs it"
    assert options in ([""], [" --address auto"])
    if made.config.strategy.name == "enumerate":  # neither cut short nor announced as more than it is
        strategy = proposer("enumerate", made.space, made.seed, made.config.strategy.arguments)
        assert made.config.budget.networks == len(strategy)
        structures = len(strategy) // len(made.space.learning_rates)
        assert made.config.confirm.candidates <= structures


# Of no paper.
GENERAL = {"cluster_gpu", "digits_hulls", "mnist1d_evolution", "mnist1d_successive_halving", "quickstart"}


@pytest.mark.slow
def test_each_experiment_of_a_paper_has_a_small_version():
    stems = {path.stem.removesuffix("_reduced") for path in SEARCHES} - GENERAL
    small = {stem for stem in stems if stem.endswith("_small")}
    assert len(small) >= 15
    assert stems - small == {stem.removesuffix("_small") for stem in small}
    for stem in sorted(small):
        few, full = (loaded(ROOT / "configs" / f"{s}.yaml") for s in (stem, stem.removesuffix("_small")))
        assert few.config.strategy.name == full.config.strategy.name
        assert few.config.space.types == full.config.space.types
        assert few.task.metric == full.task.metric
        assert parameter_count(few.network) < parameter_count(full.network)


def test_large_experiments_say_what_they_cost():
    for path in SEARCHES:
        if loaded(path).config.execution.gpus_per_pack:
            assert path.stem in GENERAL or "GPU hours, by arithmetic" in path.read_text()


@pytest.mark.parametrize("path", SPACES, ids=lambda p: p.stem)
def test_the_search_spaces_of_the_repository(path):
    assert load_space(path).types


# Of the default search with homogeneous networks and the arms that won elsewhere, on budgets of people in a hurry.
OF_THE_DEFAULT = {f"compare_{task}" for task in ("digits", "henon_heiles", "pendulum_clock", "van_der_pol")}


@pytest.mark.slow
@pytest.mark.parametrize("path", COMPARISONS, ids=lambda path: path.stem)
def test_the_comparisons_of_the_repository(path):
    assert path.read_text().splitlines()[:2] == [SCHEMA, f"# evoact compare configs/{path.name}"]
    made = load_comparison(path)
    made.check_budgets()
    assert read_plan(yaml.safe_load(made.to_yaml())) == made
    short = path.stem in OF_THE_DEFAULT
    assert len(made.arms) - len(made.controls) >= (6 if short else 10)
    for name, arm in made.arms.items():
        assert arm.config.baselines.replicates == 0
        if arm.config.strategy.name == "enumerate":  # each activation at each learning rate, once at least
            hulls = short and name == "hulls by neuron"  # of which as many are tried as the budget allows
            assert hulls or len([*arm.space.ordinary()]) <= arm.networks, name
    rates = {arm.space.learning_rates for arm in made.arms.values()}
    assert len(rates) == 1, "the learning rate is tuned on the same grid"
    repeats = fewest_repeats(len(made.arms) + 1)
    assert (made.repeats >= repeats) != path.stem.endswith("_small")
