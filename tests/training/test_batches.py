"""Batches: order, augmentation by (run seed, replicate, step), and storage as pixels or on demand."""

import threading

import numpy as np
import pytest
import torch

from evoact.errors import UserError
from evoact.tasks.augmentation import random_windows
from evoact.tasks.task import Split, fetch, to_device
from evoact.training.batches import Batches, evaluation_parts

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 256, (30, 1, 6, 6)).astype(np.uint8)
LABELS = np.arange(30)


class Augmented:
    """A task as far as batches need one."""

    input_shape = (1, 6, 6)

    def prepare(self, inputs, seeds):
        if seeds is not None:
            inputs = random_windows(inputs, seeds, (-1, 1), (6, 6), "edge")
        return inputs / 255


class OnDemand:
    shape, dtype, nbytes = PIXELS.shape, PIXELS.dtype, 0

    def __len__(self):
        return len(PIXELS)

    def __getitem__(self, indices):
        return PIXELS[indices]


def batches(run_seed=0, inputs=PIXELS, dtype=torch.float32):
    stored, targets = to_device(Split(inputs, LABELS), CPU, dtype)
    return Batches(stored, targets, 8, run_seed, Augmented().prepare, dtype)


def test_augmentation_is_a_function_of_run_seed_replicate_and_step():
    x, y = batches()([3, 4, 3], 2)
    assert x.shape == (3, 8, 1, 6, 6)
    assert torch.equal(x[0], x[2]), "members of a replicate share their batches"
    assert torch.equal(y[0], y[2])
    other = batches()
    other([4], 0)
    for seed, row in ((3, 0), (4, 1)):
        alone, labels = other([seed], 2)
        assert torch.equal(alone[0], x[row])
        assert torch.equal(labels[0], y[row])
    drawn = [batches(run_seed)([3], step)[0] for run_seed, step in ((0, 2), (0, 5), (1, 2))]
    assert not any(torch.equal(a, b) for a, b in zip(drawn, drawn[1:] + drawn[:1], strict=True))


def test_the_same_example_is_augmented_anew_each_time():
    made = batches()
    made.batch_size, made.per_epoch = 30, 1
    images = [dict(zip(y[0].tolist(), x[0], strict=True)) for x, y in (made([0], 0), made([0], 1))]
    assert sum(torch.equal(images[0][k], images[1][k]) for k in images[0]) < 10


def test_pixels_stay_bytes_and_batches_take_the_precision():
    assert batches().inputs.dtype == torch.uint8
    single, double = batches()([0], 0)[0], batches(dtype=torch.float64)([0], 0)[0]
    assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
    assert torch.allclose(single.double(), double)


def test_inputs_on_demand_are_the_same_as_held():
    held, read = batches(), batches(inputs=OnDemand())
    for seeds, step in (([0, 1], 0), ([0, 1], 1), ([1], 2), ([1], 7), ([1, 0, 1], 8), ([1, 0], 2)):
        for a, b in zip(held(seeds, step), read(seeds, step), strict=True):
            assert torch.equal(a, b)
    rows = torch.tensor([[1, 2], [5, 1]])
    assert torch.equal(fetch(OnDemand(), rows, torch.float64), torch.as_tensor(PIXELS)[rows].double())


def test_the_next_batch_is_read_while_this_one_trains():
    asked, done = [], threading.Event()

    class Counted(OnDemand):
        def __getitem__(self, indices):
            asked.append(indices.tolist())
            if len(asked) == 2:
                done.set()
            return PIXELS[indices]

    made = batches(inputs=Counted())
    made([0], 0)
    assert done.wait(10), "nothing was read ahead"
    assert asked == [made.indices(0, step).tolist() for step in (0, 1)]


def test_what_fails_while_reading_ahead_is_raised_when_it_is_needed():
    class Torn(OnDemand):
        def __getitem__(self, indices):
            if torn in indices:
                raise UserError("torn")
            return PIXELS[indices]

    made = batches(inputs=Torn())
    torn = int(made.indices(0, 1)[0])
    made([0], 0)
    with pytest.raises(UserError, match="torn"):
        made([0], 1)


def test_evaluation_is_in_order_and_not_augmented():
    parts = list(evaluation_parts(Augmented(), Split(PIXELS, LABELS), 12, CPU, torch.float32))
    assert [x.shape[1] for x, _ in parts] == [12, 12, 6]
    assert torch.equal(torch.cat([x[0] for x, _ in parts]), torch.as_tensor(PIXELS).float() / 255)
    assert torch.cat([y for _, y in parts]).tolist() == LABELS.tolist()


def test_a_batch_larger_than_the_split():
    with pytest.raises(UserError, match=r"batch_size of at most 30, the training examples, got 31"):
        Batches(torch.as_tensor(PIXELS), torch.as_tensor(LABELS), 31, 0)
