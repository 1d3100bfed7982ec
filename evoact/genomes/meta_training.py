"""How the parameters of neuron types are learned over fresh networks: the settings of a meta-training.

What they mean is said in `evoact.training.bilevel.meta_train`, which has them as arguments; defaults are those of
the published code of Choudhary et al. 2022 for MNIST-1D. The types, their sites and the inner learning rate are in
the genome that stands beside them.
"""

import dataclasses
import json
import math
from dataclasses import dataclass

from evoact.errors import UserError
from evoact.genomes.activation import INTERPOLATIONS, LEAST_POINTS
from evoact.registry import lookup

MODES = ("unrolled", "truncated", "first_order", "evolution")
# Beside what an ordinary optimizer step costs, a step that is reversed is gone through again, twice as dear.
REVERSED = 3


@dataclass(frozen=True, slots=True)
class MetaTraining:
    """The settings of one meta-training; `points` and `interpolation` say how its curves are captured.

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
    outer_rate: float = 0.4
    outer_momentum: float = 0.8
    clamp: float = 0.1
    noise: float = 0.0
    points: int = 100
    interpolation: str = "linear"

    def __post_init__(self) -> None:
        lookup({name: name for name in MODES}, "mode of meta-training", self.mode)
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
        """What it costs: examples through forward and backward, a reversed step counting three times."""
        a_step = {"first_order": 1, "evolution": 2 * self.pairs}.get(self.mode, REVERSED)
        return a_step * self.outer_steps * self.inner_steps * self.batch_size


def positive(name: str, value: float) -> None:
    """Raises UserError unless this number of a meta-training is above 0 and finite."""
    if not 0 < value < math.inf:
        raise UserError(f"expected {name} above 0 and finite for meta-training, got {value:g}")


def dumps(settings: MetaTraining) -> str:
    """Compact JSON, as it stands in the leaderboard's `settings` column.

    >>> loads(dumps(MetaTraining("first_order"))) == MetaTraining("first_order")
    True
    """
    return json.dumps(dataclasses.asdict(settings), separators=(",", ":"))


def loads(text: str) -> MetaTraining:
    """The inverse of `dumps`."""
    data = json.loads(text)
    arguments = tuple((name, value) for name, value in data.pop("optimizer_arguments"))
    return MetaTraining(**data, optimizer_arguments=arguments)
