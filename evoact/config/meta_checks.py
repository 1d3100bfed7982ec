"""Checks of a config's meta-training beyond those of the strategy itself."""

from evoact.config.experiment import Experiment
from evoact.config.given import entry_problems
from evoact.errors import ConfigError, UserError
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
    types = made.config.strategy.arguments.get("types", ())
    wrong = [f"types.{i}: {p}" for i, entry in enumerate(types) for p in entry_problems(entry)]
    if wrong:
        raise ConfigError("strategy", wrong)
    settings = made.proposer.meta_trainings[0].settings
    inner_optimizer(settings.optimizer, dict(settings.optimizer_arguments))
    if examples is not None and settings.batch_size > examples:
        raise UserError(
            f"expected strategy.batch_size of at most {examples}, the training examples, got {settings.batch_size}"
        )
    if not counted:
        return
    if made.networks <= made.meta_cost:
        raise UserError(
            f"expected a budget of more than {made.meta_cost:,} networks, which is what meta-training costs, to train "
            f"any with what it finds, got {made.networks:,}; raise the budget or lower outer_steps"
        )
