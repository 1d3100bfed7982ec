"""A trained network as an ordinary PyTorch module."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.special import softmax
from torch import Tensor, nn

from evoact.errors import UserError, short
from evoact.genomes.genome import Genome
from evoact.networks.network import Network
from evoact.tasks.metrics import metric_named
from evoact.tasks.own.preprocessing import Preprocessing
from evoact.training.forward_pass import Chance, PackPass
from evoact.training.members import Member, with_pieces_of
from evoact.training.pack import plan_sites

BATCH = 1000  # examples that `predict` takes at a time


def classifies(own: Preprocessing | None, metric: str) -> bool:
    """Return whether outputs are of classes: by the labels of people's own data, `own`, else by a task's metric."""
    return bool(own.classes if own else metric_named(metric).classification)


@dataclass(frozen=True)
class Interpretation:
    """From outputs to predictions; `own` is what was done to people's own data, None of a task by name."""

    classification: bool
    own: Preprocessing | None = None

    @property
    def classes(self) -> tuple[Any, ...]:
        return self.own.classes if self.own else ()

    def __call__(self, outputs: np.ndarray) -> np.ndarray:
        if self.classification:
            found = outputs.argmax(axis=1)
            return np.array(self.classes)[found] if self.classes else found
        scaling = self.own.targets if self.own else None
        return outputs if scaling is None else outputs * scaling.scale + scaling.mean


class TrainedNetwork(nn.Module):
    """One trained network, or an ensemble of several seeds, in single precision.

    `forward` takes prepared inputs [B, *input_shape] and gives outputs [B, n_outputs], of an ensemble their mean;
    `predict` takes inputs as the data has them. Weights and the numbers of learned activations are parameters, so that
    training can go on; batch norms keep the averages that they were stored with.

    Args:
        genome: the network's
        learned: the tensors of each seed, by name, as its artifact holds them
        network: what was trained, with one pre-activation per neuron
        shape: of one prepared input
        prepare: from inputs as the data has them, [n, ...], to prepared ones
        interpret: from outputs [n, n_outputs], float64, to predictions
        rows: what the leaderboard says of each seed

    Raises:
        UserError: if a tensor of the network is missing.
    """

    def __init__(
        self,
        genome: Genome,
        learned: Sequence[Mapping[str, np.ndarray]],
        network: Network,
        shape: tuple[int, ...],
        prepare: Callable[[Any], Tensor],
        interpret: Interpretation,
        rows: Sequence[Mapping[str, Any]],
    ):
        super().__init__()
        self.genome, self.rows, self.shape = genome, [dict(row) for row in rows], shape
        self.network = with_pieces_of(network, genome)
        self._prepare, self._interpret = prepare, interpret
        trained = {p.name for p in self.network.parameters} | {f"{s.name}.activation" for s in network.sites}
        missing = sorted({p.name for p in self.network.parameters} - set(learned[0]))
        if missing:
            raise UserError(
                f"expected the tensors of a whole network, got none for {', '.join(missing)}; confirmed and judged "
                "networks keep them"
            )
        self._keys: dict[str, str] = {}  # a parameter's name has no dot
        for name in sorted(trained | set(learned[0])):
            if name.startswith("examples."):
                continue
            stacked = np.stack([one.get(name, np.zeros(0)) for one in learned])
            tensor = torch.as_tensor(np.ascontiguousarray(stacked), dtype=torch.float32)
            self._keys[name] = key = name.replace(".", "_")
            if name in trained:
                self.register_parameter(key, nn.Parameter(tensor))
            else:
                self.register_buffer(key, tensor)
        self.members = [Member(genome, f"{i}", 0, 0) for i in range(len(learned))]
        self._steps = 0

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "_plans"}

    def extra_repr(self) -> str:
        """Return the network's label, and how many seeds it averages."""
        return f"{self.genome.label}, {len(self.members)} seed{'s' if len(self.members) > 1 else ''}"

    def tensors(self) -> dict[str, Tensor]:
        """Return parameters and averages, [seeds, ...] each, by the names that the network has for them."""
        return {name: getattr(self, key) for name, key in self._keys.items()}

    def forward(self, inputs: Tensor) -> Tensor:
        """Return outputs [B, n_outputs] for prepared inputs [B, *input_shape].

        Raises:
            UserError: for inputs of another shape.
        """
        if inputs.shape[1:] != self.shape:
            raise UserError(
                f"expected prepared inputs [B, {', '.join(map(str, self.shape))}], got {list(inputs.shape)}; `predict` "
                "takes inputs as the data has them"
            )
        tensors = self.tensors()
        device = inputs.device
        plans = self.__dict__.setdefault("_plans", {})
        if device not in plans:
            plans[device] = plan_sites(self.members, self.network, device, tensors)
        self._steps += self.training
        chance = Chance(0, [member.name for member in self.members], self._steps, device)
        rates = [self.genome.settings.get("dropout")] * len(self.members)
        layers = PackPass(plans[device], tensors, tensors, chance, self.training, dropout_rates=rates)
        return self.network.forward(tensors, layers, inputs[None]).mean(dim=0)

    @torch.no_grad()
    def outputs(self, x: Any) -> np.ndarray:
        """Return outputs [n, n_outputs], float64, for inputs as the data has them: an array [n, ...], a sparse
        matrix, or a table.

        Raises:
            UserError: for inputs that are none of these, of another form than the data, or none at all.
        """
        # Named columns are prepared at once.
        named = isinstance(x, Mapping) or hasattr(x, "__arrow_c_stream__")
        given: Any = self._prepare(x) if named else _rows(x)
        if not given.shape[0]:
            raise UserError("expected at least one row to predict, got none")
        was = self.training
        self.eval()
        try:
            like = next(self.parameters())
            found = [
                self((part if named else self._prepare(_dense(part))).to(like)).double().cpu().numpy()
                for part in (given[i : i + BATCH] for i in range(0, given.shape[0], BATCH))
            ]
        finally:
            self.train(was)
        return np.concatenate(found)

    def predict(self, x: Any) -> np.ndarray:
        """Return predictions for inputs as the data has them, an array [n, ...] or a table: classes, by their labels if
        the data has labels, or values [n, n_outputs] in the targets' units.
        """
        return self._interpret(self.outputs(x))

    def predict_proba(self, x: Any) -> np.ndarray:
        """Return the probability of each class, [n, classes] in the order of `classes`, for inputs as the data has
        them: the softmax of the outputs.

        Raises:
            UserError: if the network predicts values.
        """
        if not self._interpret.classification:
            raise UserError(
                "expected a network that predicts classes, got one that predicts values, which have no probabilities; "
                "take predict"
            )
        return softmax(self.outputs(x), axis=1)

    @property
    def preprocessing(self) -> Preprocessing | None:
        """What was done to people's own data; None of a task by name."""
        return self._interpret.own

    @property
    def classes(self) -> tuple[Any, ...]:
        """The labels of the outputs, in their order; none if the data has none, or the network predicts values."""
        return self._interpret.classes


def _rows(x: Any) -> Any:
    """What has rows: an array, or a sparse matrix, of which a few rows at a time are written out."""
    if hasattr(x, "tocsr"):
        return x.tocsr()
    given = np.asarray(x)
    if not given.ndim:
        raise UserError(
            f"expected inputs as the data has them, an array [n, ...] or a table, got {short(x)}; read a file before"
        )
    return given


def _dense(rows: Any) -> np.ndarray:
    found: np.ndarray = rows.toarray() if hasattr(rows, "toarray") else rows
    return found
