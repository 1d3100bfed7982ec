"""Folders of small published data, apart from the user's own data and cache."""

import os
from pathlib import Path

import pytest

from evoact.tasks.cache import cache_directory
from tests.tasks import published


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    published.everything(root)
    return root


@pytest.fixture(scope="session")
def small_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Empty but for MNIST-1D, which takes long to make, where it was made before."""
    folder = tmp_path_factory.mktemp("cache")
    for made in cache_directory().glob("mnist1d*.npz"):
        (folder / made.name).symlink_to(made)
    return folder


@pytest.fixture
def small(small_data: Path, small_cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`EVOACT_DATA` with a little of everything, and a cache of the tests' own."""
    monkeypatch.setenv("EVOACT_DATA", str(small_data))
    monkeypatch.setenv("EVOACT_CACHE", str(small_cache))
    return small_data


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Neither data nor cache; returns the folder that the cache will be."""
    monkeypatch.delenv("EVOACT_DATA", raising=False)
    monkeypatch.setenv("EVOACT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def real_data() -> Path:
    """The folder of the real data sets, where there is one."""
    folder = os.environ.get("EVOACT_DATA")
    if not folder:
        pytest.skip("needs EVOACT_DATA")
    return Path(folder)
