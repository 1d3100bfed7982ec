"""Checks of a config's meta-training beyond those of the strategy itself."""

from collections.abc import Iterator

from evoact.config.experiment import Experiment
from evoact.config.given import entry_problems
from evoact.config.schema import Config
from evoact.errors import ConfigError, UserError
from evoact.genomes.meta_training import MetaTraining
from evoact.training.meta.meta_train import inner_optimizer


def check_meta_training(made: Experiment, *, counted: bool, examples: int | None = None) -> None:
    """Check that its types' functions and its inner optimizer exist, its batches fit the data, and the budget holds it.

    Args:
        counted: whether the steps of a network are known; epochs are only counted with the data at hand
        examples: of the training split; None if it is not loaded

    Raises:
        UserError: if that is not so.
        ConfigError: naming every mistake in its types.
    """
    if not made.proposer.meta_trainings:
        return
    settings = made.proposer.meta_trainings[0].settings
    if wrong := [*_problems(made.config, settings)]:
        raise ConfigError("strategy", wrong)
    inner_optimizer(settings.optimizer, dict(settings.optimizer_arguments))
    if examples is not None and settings.batch_size > examples:
        raise UserError(
            f"expected {_key(made.config, 'batch_size')} of at most {examples}, the training examples, "
            f"got {settings.batch_size}"
        )
    if not counted:
        return
    if made.networks <= made.meta_cost:
        raise UserError(
            f"expected a budget of more than {made.meta_cost:,} networks, which is what meta-training costs, to train "
            f"any with what it finds, got {made.networks:,}; raise the budget or lower outer_steps"
        )


def _key(config: Config, name: str) -> str:
    """Where a setting of the meta-training stands."""
    return f"strategy.{name}" if config.strategy.name == "bilevel" else f"strategy.learned.{name}"


def _problems(config: Config, settings: MetaTraining) -> Iterator[str]:
    given = config.strategy.arguments
    given = given if config.strategy.name == "bilevel" else given["learned"]
    for i, entry in enumerate(given.get("types", ())):
        yield from (f"{_key(config, f'types.{i}')}: {problem}" for problem in entry_problems(entry))
    if config.training.train == "activations":
        yield "expected training.train: all with a meta-training, which trains fresh weights, got activations"
    if config.network.name == "hamiltonian" and settings.interpolation == "linear":
        yield (
            f"{_key(config, 'interpolation')}: expected cubic with the network hamiltonian, whose outputs are "
            "derivatives, got linear, whose slope jumps at every point; set it to cubic"
        )
