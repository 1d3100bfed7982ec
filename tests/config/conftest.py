"""What the tests of configs share."""

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from evoact.config import read_plan
from evoact.errors import ConfigError


@pytest.fixture(scope="session")
def problems_of() -> Callable[[Mapping[str, Any]], list[str]]:
    """What is wrong with a search or a comparison of plain data, one line each."""

    def find(data: Mapping[str, Any]) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            read_plan(data)
        for problem in caught.value.problems:
            assert problem.strip()
            assert "\n" not in problem
        return list(caught.value.problems)

    return find
