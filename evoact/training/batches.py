"""The order of training examples: a function of (run seed, replicate, step), the same everywhere."""

import copy
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from evoact.errors import UserError
from evoact.seeding import derive, generator
from evoact.tasks.task import OnDemand, Split, Task, fetch, sent, to_device
from evoact.training.read_ahead import ReadAhead


def as_stored(inputs: Tensor, seeds: Sequence[int] | None) -> Tensor:
    """Return the inputs as they are: the `prepare` of tasks that store what networks are given."""
    return inputs


class Batches:
    """Mini-batches of a training split for the replicates of a pack.

    Each epoch is a fresh permutation per replicate; examples that do not fill a last batch are left
    for the next epoch's permutation. Members of one replicate see the same batches, augmented alike.
    """

    def __init__(
        self,
        inputs: Tensor | OnDemand,
        targets: Tensor,
        batch_size: int,
        run_seed: int,
        prepare: Callable[[Tensor, Sequence[int] | None], Tensor] = as_stored,
        dtype: torch.dtype | None = None,
    ):
        """`prepare` is the task's; `dtype` is what batches have if the inputs are not floats."""
        if batch_size > len(inputs):
            raise UserError(
                f"expected training.batch_size of at most {len(inputs)}, the training examples, got {batch_size}"
            )
        self.inputs, self.targets = inputs, targets
        self.batch_size, self.run_seed = batch_size, run_seed
        self.prepare = prepare
        self.dtype = dtype or (inputs.dtype if isinstance(inputs, Tensor) else torch.float32)
        self.per_epoch = len(inputs) // batch_size
        self._orders: dict[int, tuple[int, Tensor]] = {}
        self._places: tuple[int, ...] = ()
        self._of_members = torch.empty(0)
        self._ahead = None if isinstance(inputs, Tensor) else ReadAhead(inputs, self.dtype)

    def indices(self, seed: int, step: int) -> Tensor:
        """Return the examples of a replicate's batch number `step`: [batch_size]."""
        epoch, position = divmod(step, self.per_epoch)
        known, order = self._orders.get(seed, (-1, None))
        if known != epoch:
            permutation = generator(self.run_seed, "batches", seed, epoch).permutation(len(self.inputs))
            order = sent(torch.as_tensor(permutation), self.targets.device)
            self._orders[seed] = (epoch, order)
        assert order is not None
        return order[position * self.batch_size : (position + 1) * self.batch_size]

    def apart(self) -> "Batches":
        """Return the same batches for another stream of a GPU: what is kept between calls is this one's own."""
        other = copy.copy(self)
        other._orders, other._places = {}, ()
        if not isinstance(self.inputs, Tensor):
            other._ahead = ReadAhead(self.inputs, self.dtype)
        return other

    def _members(self, places: tuple[int, ...]) -> Tensor:
        """The batch of each member, among those that differ; on the device as long as the members stay."""
        if self._places != places:
            self._places, self._of_members = places, sent(torch.tensor(places), self.targets.device)
        return self._of_members

    def _rows(self, seeds: Sequence[int], step: int) -> Tensor:
        return torch.stack([self.indices(seed, step) for seed in seeds])

    def __call__(self, seeds: list[int], step: int) -> tuple[Tensor, Tensor]:
        """Inputs [1 or K, B, ...] and targets [1 or K, B, ...] for members of these replicates."""
        distinct = list(dict.fromkeys(seeds))
        rows = self._rows(distinct, step)
        stored = (
            self._ahead(rows, self._rows(distinct, step + 1))
            if self._ahead
            else fetch(self.inputs, rows, self.dtype)
        )
        random = [derive(self.run_seed, "augment", seed, step) for seed in distinct]
        inputs, targets = self.prepare(stored, random), self.targets[rows]
        if len(distinct) in (1, len(seeds)):
            return inputs, targets
        members = self._members(tuple(distinct.index(seed) for seed in seeds))
        return inputs[members], targets[members]


def evaluation_parts(
    task: Task, split: Split, size: int, device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield a split in its order, `size` examples at a time: inputs [1, B, *input_shape] as networks are given
    them in evaluation, and targets [B, ...]."""
    inputs, targets = to_device(split, device, dtype)
    for rows in torch.arange(len(split), device=device).split(size):
        yield task.prepare(fetch(inputs, rows.unsqueeze(0), dtype), None), targets[rows]
