"""The errors that a user can cause, each one sentence: what was expected, what came, what to do."""

from collections.abc import Iterable


class UserError(Exception):
    """A mistake in what the user wrote or asked for; the command line prints it and exits with code 2."""


class ConfigError(UserError):
    """All mistakes found in one file, so that they can be mended in one go.

    >>> str(ConfigError("a.yaml", ["seed: expected an integer, got 'x'"]))
    "a.yaml: seed: expected an integer, got 'x'"
    """

    def __init__(self, source: str, problems: Iterable[str]):
        self.source = source
        self.problems = tuple(problems)
        super().__init__("\n".join(f"{source}: {problem}" for problem in self.problems))


class SearchFailed(Exception):
    """The search ended without one usable network; the command line prints it and exits with code 1."""
