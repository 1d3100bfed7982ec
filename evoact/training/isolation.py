"""The isolation of failures: a pack that raises, hangs or does not fit fails only the member at fault, by bisection."""

import importlib
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import FrameType

import torch

from evoact.errors import UserError
from evoact.records import COMPLETED
from evoact.training.evaluation import Outcome
from evoact.training.gpu.devices import check_answers, is_out_of_memory
from evoact.training.members import Member

FAILED = "failed"
# Of an exception: the step of a training that raised it, and the names of members who seem to be at fault.
AT_STEP, SUSPECTS = "at_step", "suspects"
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


def ended(work: Callable[[], object], seconds: float | None) -> tuple[str, str]:
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
        state = "out_of_memory" if is_out_of_memory(exception) else FAILED
        return state, f"{type(exception).__name__}: {exception}"
    return COMPLETED, ""


def train_isolated(
    members: Sequence[Member],
    train: Callable[[Sequence[Member]], list[Outcome]],
    seconds: float | None = None,
) -> list[Outcome]:
    """Run `train(members)`; if it fails, find the members at fault, and run it without them.

    `train_pack` says at which step it raised, and which members raise there by themselves, its suspects. Each suspect
    is then trained alone up to that step; without suspects halves of the pack are, then their halves, until those that
    raise are alone. All others are one pack again. If the step is not known, or nobody raises, the pack is halved until
    each failure is one member's.

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
    at: list[int] = []
    suspects = set[str]()

    def work() -> None:
        try:
            outcomes.extend(train(members))
        except Exception as error:
            at.extend([vars(error)[AT_STEP]] if AT_STEP in vars(error) else [])
            suspects.update(vars(error).get(SUSPECTS, ()))
            raise

    state, error = ended(work, seconds)
    if state == COMPLETED:
        return outcomes
    if len(members) == 1:
        return [Outcome(state, error=error)]
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if state == FAILED and at:
        # Schedules know how long a training is, so that it may not raise again: then there is nobody at fault.
        short = [replace(m, steps=min(m.steps, at[0] + 1), resumable=False) for m in members]
        guilty: dict[int, Outcome] = {}
        for i in (i for i, m in enumerate(short) if m.name in suspects):
            alone = _at_fault([short[i]], train, seconds, raises=True)
            guilty |= {i + there: outcome for there, outcome in alone.items()}
        guilty = guilty or _at_fault(short, train, seconds, raises=True)
        if guilty:
            rest = [i for i in range(len(members)) if i not in guilty]
            trained = train_isolated([members[i] for i in rest], train, seconds) if rest else []
            found = guilty | dict(zip(rest, trained, strict=True))
            return [found[i] for i in range(len(members))]
    half = len(members) // 2
    return [
        *train_isolated(members[:half], train, seconds),
        *train_isolated(members[half:], train, seconds),
    ]


def _at_fault(
    members: Sequence[Member],
    train: Callable[[Sequence[Member]], list[Outcome]],
    seconds: float | None,
    raises: bool,
) -> dict[int, Outcome]:
    """The outcomes of those members, by index, who raise alone; `raises` says that the whole pack does."""
    if len(members) == 1 or not raises:
        state, error = ended(lambda: train(members), seconds)
        if state != FAILED:
            return {}
        if len(members) == 1:
            return {0: Outcome(state, error=error)}
    half = len(members) // 2
    found = _at_fault(members[:half], train, seconds, raises=False)
    # If nobody in the first half is at fault, somebody in the second is.
    second = _at_fault(members[half:], train, seconds, raises=not found)
    return found | {half + i: outcome for i, outcome in second.items()}
