"""One small run, which no test changes."""

import pytest

from evoact.config import experiment
from evoact.execution.run import search


@pytest.fixture(scope="session")
def home(tiny, tmp_path_factory):
    path = tmp_path_factory.mktemp("home") / "run"
    search(experiment(tiny(task={"name": "digits"}, training__steps=60, budget__networks=8)), path)
    return path
