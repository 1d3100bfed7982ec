"""How the parameters of neuron types are learned over fresh networks: the settings of a meta-training.

The types, their sites and the inner learning rate are in the genome that stands beside them.
"""

import dataclasses
import json
import math
from dataclasses import dataclass

from evoact.errors import UserError
from evoact.genomes.field_options import INTERPOLATIONS, LEAST_POINTS
from evoact.registry import lookup

MODES = ("unrolled", "truncated", "first_order", "evolution")
OUTER = ("adam", "sgd")
# Beside what an ordinary optimizer step costs, a step that is reversed is gone through again, at twice the cost.
REVERSED = 3


@dataclass(frozen=True, slots=True)
class MetaTraining:
    """The settings of one meta-training. Defaults are those of the published code of Choudhary et al. 2022 for
    MNIST-1D, but for the outer optimizer.

    Args:
        mode: `unrolled` (the exact gradient through all inner steps), `truncated` (through at most `window`),
            `first_order` (as if weights did not depend on the types) or `evolution` (from 2 * `pairs` inner runs
            with parameters moved by N(0, `spread`^2))
        optimizer: the inner one, a name in `training.meta.inner_optimizers.INNER_OPTIMIZERS`, with its arguments
        learn_rate: whether the inner learning rate is learned too, on a logarithmic scale (not `first_order`)
        outer_optimizer: `adam` (Kingma & Ba 2015), whose steps do not depend on the scale of gradients, which differs
            between tasks by an order of magnitude; or `sgd`, in the published code at 0.4 with momentum 0.8
        outer_rate, outer_momentum: of the outer optimizer; the momentum is Adam's beta1
        clamp: each number of the outer gradient is clamped to +-`clamp` first
        noise: of each inner step, uniform in +-`noise`: on the outputs of all neurons and on the hidden units of all
            sub-networks, one draw for the whole batch
        points, interpolation: how curves are captured

    Raises:
        UserError: for an unknown mode or a number out of range.

    >>> MetaTraining(outer_steps=10, inner_steps=5, batch_size=20).gradient_examples
    3000
    """

    mode: str = "unrolled"
    outer_steps: int = 300
    inner_steps: int = 100
    batch_size: int = 200
    window: int = 20
    pairs: int = 16
    spread: float = 0.02
    optimizer: str = "rmsprop"
    optimizer_arguments: tuple[tuple[str, float], ...] = ()
    learn_rate: bool = False
    outer_optimizer: str = "adam"
    outer_rate: float = 0.03
    outer_momentum: float = 0.9
    clamp: float = 0.1
    noise: float = 0.1
    points: int = 100
    interpolation: str = "linear"

    def __post_init__(self) -> None:
        lookup({name: name for name in MODES}, "mode of meta-training", self.mode)
        lookup({name: name for name in OUTER}, "outer optimizer", self.outer_optimizer)
        lookup({name: name for name in INTERPOLATIONS}, "interpolation", self.interpolation)
        least = dict.fromkeys(("inner_steps", "batch_size", "window", "pairs"), 1)
        for name, low in {**least, "outer_steps": 0, "points": LEAST_POINTS[self.interpolation]}.items():
            if getattr(self, name) < low:
                raise UserError(
                    f"expected {name} of at least {low} for meta-training, got {getattr(self, name)}"
                )
        for name in ("outer_rate", "clamp", "spread"):
            positive(name, getattr(self, name))
        if not 0 <= self.noise < math.inf:
            raise UserError(f"expected noise of at least 0 and finite for meta-training, got {self.noise:g}")
        if not 0 <= self.outer_momentum < 1:
            raise UserError(f"expected outer_momentum from 0 to below 1, got {self.outer_momentum:g}")
        if self.learn_rate and self.mode == "first_order":
            raise UserError(
                "expected learn_rate only with the modes unrolled, truncated and evolution, got first_order, which "
                "ignores what the learning rate does; choose another mode"
            )

    @property
    def gradient_examples(self) -> int:
        """The cost: examples through forward and backward, a reversed step counting three times."""
        a_step = {"first_order": 1, "evolution": 2 * self.pairs}.get(self.mode, REVERSED)
        return a_step * self.outer_steps * self.inner_steps * self.batch_size


def positive(name: str, value: float) -> None:
    """Raise UserError unless this number of a meta-training is above 0 and finite."""
    if not 0 < value < math.inf:
        raise UserError(f"expected {name} above 0 and finite for meta-training, got {value:g}")


DEFAULTS = MetaTraining()


def dumps(settings: MetaTraining) -> str:
    """Return compact JSON, as it stands in the leaderboard's `settings` column.

    >>> loads(dumps(MetaTraining("first_order"))) == MetaTraining("first_order")
    True
    """
    return json.dumps(dataclasses.asdict(settings), separators=(",", ":"))


def loads(text: str) -> MetaTraining:
    """Return the inverse of `dumps`; rows written before there was a choice of outer optimizers had SGD."""
    data = {"outer_optimizer": "sgd", **json.loads(text)}
    arguments = tuple((name, value) for name, value in data.pop("optimizer_arguments"))
    return MetaTraining(**data, optimizer_arguments=arguments)
