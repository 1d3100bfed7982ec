"""Flips, shifts and crops against a loop over images and pixels."""

import pytest
import torch

from evoact.tasks.augmentation import FILLS, random_windows, window


def plainly(image, top, left, mirrored, size, fill):
    """One image [C, H, W], pixel by pixel."""
    channels, height, width = image.shape
    result = torch.zeros(channels, *size)
    for i in range(size[0]):
        for j in range(size[1]):
            y, x = top + i, left + (size[1] - 1 - j if mirrored else j)
            inside = 0 <= y < height and 0 <= x < width
            if inside or fill == "edge":
                result[:, i, j] = image[:, min(max(y, 0), height - 1), min(max(x, 0), width - 1)]
    return result


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("size", [(6, 5), (4, 3)])
def test_windows(fill, size):
    rng = torch.Generator().manual_seed(0)
    images = torch.rand(40, 2, 6, 5, generator=rng)
    top, left = torch.randint(-3, 4, (2, 40), generator=rng)
    mirrored = torch.randint(0, 2, (40,), generator=rng).bool()
    found = window(images, top, left, mirrored, size, fill)
    for i in range(40):
        expected = plainly(images[i], int(top[i]), int(left[i]), bool(mirrored[i]), size, fill)
        assert torch.equal(found[i], expected)


def test_every_shift_and_flip_comes_up_about_as_often():
    position = torch.arange(11.0)
    images = position.expand(1, 4000, 1, 11, 11)
    middle = random_windows(images, [7], (-2, 2), (11, 11), "edge")[0, :, 0, 5]
    mirrored = middle[:, 8] < middle[:, 2]
    shift = middle[:, 5] - 5
    assert abs(mirrored.float().mean() - 0.5) < 0.03
    for s in range(-2, 3):
        assert abs((shift == s).float().mean() - 0.2) < 0.03


def test_each_batch_depends_on_its_own_seed_alone():
    images = torch.rand(3, 10, 1, 8, 8)
    both = random_windows(images, [1, 2, 1], (-2, 2), (8, 8), "zero")
    assert torch.equal(both[1:2], random_windows(images[1:2], [2], (-2, 2), (8, 8), "zero"))
    same = random_windows(images[:1].expand(2, -1, -1, -1, -1), [1, 2], (-2, 2), (8, 8), "zero")
    assert not torch.equal(same[0], same[1])


def test_no_shift_still_flips():
    images = torch.rand(1, 50, 1, 4, 4)
    found = random_windows(images, [3], (0, 0), (4, 4), "edge")
    kept = (found == images).flatten(2).all(dim=2)
    flipped = (found == images.flip(-1)).flatten(2).all(dim=2)
    assert (kept | flipped).all()
    assert kept.any()
    assert flipped.any()
