"""Fixtures of the tests of searches on Ray."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray

from evoact.config import Experiment, experiment
from evoact.execution.run import search
from tests.conftest import DIVISION


@pytest.fixture(scope="module")
def shared_cluster() -> Iterator[None]:
    """Four processors and two GPUs, whatever the machine has."""
    ray.init(address="local", num_cpus=4, num_gpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def on_ray() -> Callable[..., Experiment]:
    """An experiment on Ray, with settings of its section `execution`."""

    def make(config: dict[str, Any], **settings: Any) -> Experiment:
        return experiment(config | {"execution": {"backend": "ray_tune", "gpus_per_pack": 0, **settings}})

    return make


@pytest.fixture(scope="session")
def expected(
    tiny: Callable[..., dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
    rows_of: Callable[..., list[dict[str, Any]]],
) -> list[dict[str, Any]]:
    """The rows of the tiny search in one process."""
    place = tmp_path_factory.mktemp("expected") / "local"
    search(experiment(tiny()), place)
    return rows_of(place, DIVISION)


@pytest.fixture
def alone(
    tiny: Callable[..., dict[str, Any]], tmp_path: Path, rows_of: Callable[..., list[dict[str, Any]]]
) -> Callable[..., list[dict[str, Any]]]:
    """The rows of a search in one process, whose packs do not sleep."""

    def rows(**changes: Any) -> list[dict[str, Any]]:
        changed = changes | {"task": {"name": "faulty"}, "execution": {"backend": "local"}}
        search(experiment(tiny(**changed)), tmp_path / "local")
        return rows_of(tmp_path / "local", DIVISION)

    return rows


@pytest.fixture
def is_prefix(
    alone: Callable[..., list[dict[str, Any]]], rows_of: Callable[..., list[dict[str, Any]]]
) -> Callable[..., None]:
    """Assert that a stopped random search has rows, and that they are those of a search in one process."""

    def check(run_dir: Path, **changes: Any) -> None:
        rows = rows_of(run_dir, DIVISION)
        assert rows
        whole = alone(**changes | {"budget__networks": rows[-1]["proposal"] + 1, "packs__size": 4})
        assert rows == [whole[row["proposal"]] for row in rows]

    return check
