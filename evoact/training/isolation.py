"""The isolation of failures: a pack that raises, hangs or does not fit fails only the member at fault, by bisection."""

import importlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import torch

from evoact.errors import UserError
from evoact.records import COMPLETED
from evoact.training.evaluation import Outcome
from evoact.training.gpu.devices import check_answers, is_out_of_memory
from evoact.training.members import Member

AGAIN_SECONDS = 0.05  # until a time limit that struck during an import strikes again


class TimeLimit(BaseException):
    """Raised in the middle of a pack that ran too long; not an `Exception`, so that no task's own
    error handling can swallow it."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise TimeLimit in this block after `seconds` of wall time.

    Works in the main thread of a process (where Ray runs its actors, too); elsewhere, and for None,
    there is no limit. An import that is under way is waited for.
    """
    if seconds is None or threading.current_thread() is not threading.main_thread():
        yield
        return

    def expire(number: int, frame: FrameType | None) -> None:
        if _importing(frame):  # stopped now, the module would be broken for as long as the process lives
            signal.setitimer(signal.ITIMER_REAL, AGAIN_SECONDS)
            return
        raise TimeLimit

    before = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _importing(frame: FrameType | None) -> bool:
    """Whether work called from this module is in the middle of an import."""
    while frame is not None and frame.f_globals is not globals():
        if frame.f_globals.get("__name__") == importlib._bootstrap.__name__:
            return True
        frame = frame.f_back
    return False


def ended(work: Callable[[], None], seconds: float | None) -> tuple[str, str]:
    """Return how some work ended, as a state and the words of its error: `completed`, `failed`, `timed_out` or
    `out_of_memory`.

    Raises:
        UserError: as the work raised it; a user's mistake is no failure.
        GpuLost: if the GPU does not answer any more.

    >>> ended(lambda: None, 1.0)
    ('completed', '')
    """
    try:
        with time_limit(seconds):
            work()
    except UserError:
        raise
    except TimeLimit:
        return "timed_out", f"not finished after {seconds:g} s"
    except Exception as exception:
        check_answers(exception)
        state = "out_of_memory" if is_out_of_memory(exception) else "failed"
        return state, f"{type(exception).__name__}: {exception}"
    return COMPLETED, ""


def train_isolated(
    members: Sequence[Member],
    train: Callable[[Sequence[Member]], list[Outcome]],
    seconds: float | None = None,
) -> list[Outcome]:
    """Run `train(members)`, halved again and again if it fails, until each failure is one member's.

    Args:
        members: the pack
        train: trains any part of it
        seconds: wall time allowed to each call of `train`

    Returns:
        One outcome per member: what `train` said, or `failed`, `timed_out` or `out_of_memory`.

    Raises:
        UserError: as `train` raised it; a user's mistake is no member's failure.
        GpuLost: if the GPU does not answer any more.
    """
    outcomes: list[Outcome] = []
    state, error = ended(lambda: outcomes.extend(train(members)), seconds)
    if state == COMPLETED:
        return outcomes
    if len(members) == 1:
        return [Outcome(state, error=error)]
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    half = len(members) // 2
    return [
        *train_isolated(members[:half], train, seconds),
        *train_isolated(members[half:], train, seconds),
    ]
