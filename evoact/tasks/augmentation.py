"""Random windows into images: flips, shifts and crops, as one gather for a whole batch."""

from collections.abc import Sequence

import torch
from torch import Tensor

from evoact.tasks.task import sent

FILLS = ("edge", "zero")


def window(
    images: Tensor, top: Tensor, left: Tensor, mirrored: Tensor, size: tuple[int, int], fill: str
) -> Tensor:
    """Return the part of each image that starts at (top, left), mirrored left to right if asked.

    Args:
        images: [N, C, H, W]
        top, left: [N] integers; a window may reach beyond the image
        mirrored: [N] bool
        size: (height, width) of the windows
        fill: what is beyond the image: its nearest pixel (`edge`) or 0 (`zero`)

    Returns:
        [N, C, height, width]

    >>> image = torch.arange(4.0).view(1, 1, 1, 4)
    >>> one, no = torch.tensor([1]), torch.tensor([False])
    >>> window(image, one * 0, one, no, (1, 4), "edge").flatten().tolist()
    [1.0, 2.0, 3.0, 3.0]
    >>> window(image, one * 0, one, ~no, (1, 4), "zero").flatten().tolist()
    [0.0, 3.0, 2.0, 1.0]
    """
    n, channels, height, width = images.shape
    device = images.device
    rows = top.unsqueeze(1) + torch.arange(size[0], device=device)
    columns = torch.arange(size[1], device=device).expand(n, -1)
    columns = left.unsqueeze(1) + torch.where(mirrored.unsqueeze(1), size[1] - 1 - columns, columns)
    each = torch.arange(n, device=device).view(-1, 1, 1, 1)
    channel = torch.arange(channels, device=device).view(1, -1, 1, 1)
    row, column = rows.clamp(0, height - 1), columns.clamp(0, width - 1)
    result = images[each, channel, row[:, None, :, None], column[:, None, None, :]]
    if fill == "zero":
        inside = (row == rows)[:, None, :, None] & (column == columns)[:, None, None, :]
        result = torch.where(inside, result, 0.0)
    return result


def random_windows(
    images: Tensor, seeds: Sequence[int], offsets: tuple[int, int], size: tuple[int, int], fill: str
) -> Tensor:
    """Return windows at offsets drawn between these two, both included, along both axes; every other one mirrored.

    Args:
        images: [R, B, C, H, W]
        seeds: R, one for each of the R batches; the numbers are drawn on the CPU, so that they are the
            same on any device

    Returns:
        [R, B, C, height, width]
    """
    batch, (low, high) = images.shape[1], offsets
    drawn = []
    for seed in seeds:
        rng = torch.Generator().manual_seed(seed >> 1)
        place = torch.randint(low, high + 1, (2, batch), generator=rng)
        mirrored = torch.randint(0, 2, (1, batch), generator=rng)
        drawn.append(torch.cat([place, mirrored]))
    top, left, mirrored = sent(torch.cat(drawn, dim=1), images.device)
    result = window(images.flatten(0, 1), top, left, mirrored.bool(), size, fill)
    return result.view(*images.shape[:2], *result.shape[1:])
