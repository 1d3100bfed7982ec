"""What can be wrong with a config's meta-training beyond what the strategy itself says."""

from evoact.config.experiment import Experiment
from evoact.config.given import entry_problems
from evoact.errors import ConfigError, UserError
from evoact.strategies import proposer
from evoact.strategies.bilevel import Bilevel
from evoact.strategies.numbering import worth
from evoact.training.bilevel import inner_optimizer


def check_meta_training(made: Experiment, steps: int | None, examples: int | None = None) -> None:
    """That its types' functions and its inner optimizer exist, its batches fit the data, and the budget holds it.

    Args:
        steps: of one network; None where epochs are not counted yet, and with them the budget
        examples: of the training split; None where it is not loaded

    Raises:
        UserError: if that is not so.
        ConfigError: naming every mistake in its types.
    """
    named = made.config.strategy
    strategy = proposer(named.name, made.space, made.seed, named.arguments)
    if not isinstance(strategy, Bilevel):
        return
    wrong = [f"types.{i}: {p}" for i, entry in enumerate(strategy.types) for p in entry_problems(entry)]
    if wrong:
        raise ConfigError("strategy", wrong)
    settings = strategy.settings
    inner_optimizer(settings.optimizer, dict(settings.optimizer_arguments))
    if examples is not None and settings.batch_size > examples:
        raise UserError(
            f"expected strategy.batch_size of at most {examples}, the training examples, got {settings.batch_size}"
        )
    if steps is None:
        return
    networks = strategy.starts * worth(settings, steps * made.training.batch_size)
    if made.networks <= networks:
        raise UserError(
            f"expected a budget of more than {networks:,} networks, which is what meta-training costs, to train "
            f"any with what it finds, got {made.networks:,}; raise the budget or lower outer_steps"
        )
