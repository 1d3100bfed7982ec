"""How tests are collected and shared out."""

import os
from importlib.util import find_spec

import pytest

# Without Triton its kernels cannot be imported, nor their doctests be collected.
collect_ignore_glob = [] if find_spec("triton") else ["evoact/triton/*.py"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One process more than there are processors: tests of clusters wait most of their time."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of clusters are the first, so that others are done beside the longest of all files."""
    items.sort(key=lambda item: item.path.parent.name != "cluster")
