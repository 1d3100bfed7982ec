"""The fixtures of stored results, for the command that shows them."""

from tests.leaderboard.conftest import make_genome, make_result, run_dir, write

__all__ = ["make_genome", "make_result", "run_dir", "write"]
