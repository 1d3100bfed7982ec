"""Networks that were trained, ready for inputs again: from the tensors that confirmed networks keep."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from evoact.analysis.participation_ratio import participation_ratio
from evoact.errors import UserError
from evoact.genomes.genome import Genome
from evoact.networks.network import ForwardPass, Network
from evoact.tasks.task import Task, fetch, to_device
from evoact.training.forward_pass import Chance, PackPass
from evoact.training.members import Member, with_pieces_of
from evoact.training.pack import plan_sites

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Recording:
    """A `networks.network.ForwardPass` that keeps what one site gave, [K, N, ...] each time, in `seen`."""

    layers: PackPass
    site: str
    seen: list[Tensor]

    @property
    def training(self) -> bool:
        return False

    @property
    def precision(self) -> str:
        return self.layers.precision

    def activate(self, site: str, z: Tensor) -> Tensor:
        y = self.layers.activate(site, z)
        if site == self.site:
            self.seen.append(y.detach())  # a Hamiltonian network differentiates in evaluation, too
        return y

    def chosen(self, site: str, images: Tensor, size: int, stride: int) -> None:
        return None

    def dropout(self, h: Tensor, rate: float) -> Tensor:
        return self.layers.dropout(h, rate)

    def batch_norm(self, name: str, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float) -> Tensor:
        return self.layers.batch_norm(name, h, scale, shift, epsilon)

    def activated_norm(
        self, site: str, h: Tensor, scale: Tensor, shift: Tensor, epsilon: float, added: Tensor | None
    ) -> None:
        return None

    def alone(self, member: int) -> "Recording":
        raise UserError(
            "expected a network whose members can be computed together, to see what its neurons give"
        )

    @property
    def seeds(self) -> Sequence[int]:
        return self.layers.seeds


@dataclass(frozen=True)
class Trained:
    """Trained networks of one genome, evaluated together in double precision.

    Args:
        genome: theirs
        learned: each one's tensors by name, as `train_pack(..., keep="all")` gives them
        network: the one that was trained

    Raises:
        UserError: if a tensor of the network is missing.
    """

    genome: Genome
    learned: Sequence[Mapping[str, np.ndarray]]
    network: Network

    def __post_init__(self) -> None:
        names = {p.name for p in with_pieces_of(self.network, self.genome).parameters}
        missing = sorted(names - set(self.learned[0])) if self.learned else ["any network"]
        if missing:
            raise UserError(
                f"expected the tensors of whole networks, got none for {', '.join(missing)}; "
                "confirmed networks keep them all"
            )

    def __len__(self) -> int:
        return len(self.learned)

    @cached_property
    def _layers(self) -> PackPass:
        own = with_pieces_of(self.network, self.genome)
        tensors = {
            name: torch.stack([torch.as_tensor(one[name]).double() for one in self.learned])
            for name in self.learned[0]
        }
        for site in own.sites:
            tensors.setdefault(f"{site.name}.activation", torch.zeros(len(self), 0, dtype=torch.float64))
        members = [Member(self.genome, str(i), 0, 0) for i in range(len(self))]
        plans = plan_sites(members, own, CPU, tensors)
        return PackPass(plans, tensors, tensors, Chance(0, [m.name for m in members], 0, CPU), False)

    def outputs(self, inputs: Tensor) -> Tensor:
        """Return the networks' outputs for prepared inputs [1 or K, B, *input_shape]: [K, B, n_outputs]."""
        return self._run(inputs, self._layers)

    def activity(self, site: str, inputs: Tensor) -> Tensor:
        """Return what the neurons of a site give, [K, N, M]: M are examples and positions, once more for each time that
        the forward pass activates the site (time after time in a recurrent network)."""
        recording = Recording(self._layers, site, [])
        self._run(inputs, recording)
        return torch.cat([y.flatten(2) for y in recording.seen], dim=2)

    def _run(self, inputs: Tensor, layers: ForwardPass) -> Tensor:
        own = with_pieces_of(self.network, self.genome)
        with torch.no_grad():
            return own.forward(self._layers.parameters, layers, inputs.double())


EXAMPLES, NUMBERS, FEWEST = 1000, 2**21, 100  # validation examples whose activity is looked at


def participation(trained: Trained, task: Task) -> list[float | None]:
    """Return the participation ratio of each network's last hidden site, over the first examples of the validation
    split: 1,000, of large ones fewer but at least 100. A neuron's activity at all positions of an image counts. None
    if no neuron varies or there is no hidden site.
    """
    hidden = [site.name for site in trained.network.sites if site.symmetry != "none"]
    if not hidden:
        return [None] * len(trained)
    n = max(FEWEST, min(EXAMPLES, NUMBERS // math.prod(task.input_shape)))
    inputs, _ = to_device(task.splits()["validation"], CPU, torch.float64)
    n = min(n, len(inputs))
    prepared = task.prepare(fetch(inputs, torch.arange(n)[None], torch.float64), None)
    activity = trained.activity(hidden[-1], prepared)
    ratios = [participation_ratio(a.flatten(start_dim=1).numpy()) for a in activity]
    # To six digits: products of matrices may be summed in another order elsewhere.
    return [None if math.isnan(r) else float(f"{r:.6g}") for r in ratios]
