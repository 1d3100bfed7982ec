"""The order of training examples: a function of (run seed, replicate, step), the same everywhere."""

import torch
from torch import Tensor

from evoact.errors import UserError
from evoact.seeding import generator


class Batches:
    """Mini-batches of a training split for the replicates of a pack.

    Each epoch is a fresh permutation per replicate; examples that do not fill a last batch are left
    for the next epoch's permutation. Members of one replicate see the same batches.
    """

    def __init__(self, inputs: Tensor, targets: Tensor, batch_size: int, run_seed: int):
        if batch_size > len(inputs):
            raise UserError(
                f"expected training.batch_size of at most {len(inputs)}, the training examples, got {batch_size}"
            )
        self.inputs, self.targets = inputs, targets
        self.batch_size, self.run_seed = batch_size, run_seed
        self.per_epoch = len(inputs) // batch_size
        self._orders: dict[int, tuple[int, Tensor]] = {}

    def indices(self, seed: int, step: int) -> Tensor:
        """The examples of a replicate's batch number `step`: [batch_size]."""
        epoch, position = divmod(step, self.per_epoch)
        known, order = self._orders.get(seed, (-1, None))
        if known != epoch:
            permutation = generator(self.run_seed, "batches", seed, epoch).permutation(len(self.inputs))
            order = torch.as_tensor(permutation, device=self.inputs.device)
            self._orders[seed] = (epoch, order)
        assert order is not None
        return order[position * self.batch_size : (position + 1) * self.batch_size]

    def __call__(self, seeds: list[int], step: int) -> tuple[Tensor, Tensor]:
        """Inputs [1 or K, B, ...] and targets [1 or K, B, ...] for members of these replicates."""
        distinct = sorted(set(seeds))
        rows = torch.stack([self.indices(seed, step) for seed in distinct])
        if len(distinct) > 1:
            rows = rows[torch.tensor([distinct.index(seed) for seed in seeds], device=rows.device)]
        return self.inputs[rows], self.targets[rows]
