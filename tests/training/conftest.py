"""What the training tests share."""

import pytest
import torch


@pytest.fixture
def one_thread():
    """Products are bit-equal in packs with one thread, as workers have by default."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
