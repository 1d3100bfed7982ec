"""The records that pass between strategy, execution and leaderboard: proposals and results."""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, ClassVar

from evoact.genomes.genome import Genome
from evoact.genomes.meta_training import MetaTraining

PHASES = ("baseline", "search", "confirm", "judge")
# Those on fresh seeds, whose networks are evaluated on the test splits: the best are chosen on the seeds of the one,
# and what was chosen is judged on those of the other.
FRESH = ("confirm", "judge")
UNLIMITED = 2**30  # networks of a budget: from here on, time alone ends the search
COMPLETED = "completed"
STATES = (COMPLETED, "diverged", "failed", "out_of_memory", "timed_out", "pruned")

# Replicates of the search count from 0, those of the confirmation from here, and those of the judgement from where the
# confirmation's end: always fresh seeds.
FIRST_CONFIRMATION_SEED = 1000

TRAIN, META_TRAIN = "train", "meta_train"


@dataclass(frozen=True, slots=True)
class TrainProposal:
    """One network to be trained: a canonical genome, a replicate, a budget, and where it comes from.

    `index` is the ask index within the run and never reused; `candidate` the index of the first
    proposal with the same fingerprint; `seed` the replicate number; `told` how many results had
    been told when it was asked; `steps` the cumulative optimizer steps it is to reach, from the
    checkpoint at step `start`; `resumable` whether it leaves such a checkpoint itself; `context`
    a JSON text in which a strategy keeps what it must know again when it is told on resume.
    """

    kind: ClassVar[str] = TRAIN
    index: int
    candidate: int
    genome: Genome
    structure: str
    fingerprint: str
    seed: int
    steps: int
    phase: str = "search"
    rung: int = 0
    start: int = 0
    resumable: bool = False
    strategy: str = ""
    generation: int = 0
    parents: tuple[int, ...] = ()
    told: int = 0
    context: str = ""
    arm: str = ""
    repeat: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        # As dataclasses do it with slots, pickling takes twice as long, and every result travels and is kept pickled.
        return TrainProposal, _OF_PROPOSAL(self)


_OF_PROPOSAL = attrgetter(*(f.name for f in fields(TrainProposal)))


@dataclass(frozen=True, slots=True)
class MetaTrainProposal:
    """A meta-training: the genome's types are to be learned, over networks made of them.

    The genome's equal types are not merged, because each learns something of its own. `seed` numbers the starts,
    `steps` counts inner steps; the other fields are as in `TrainProposal`.
    """

    kind: ClassVar[str] = META_TRAIN
    index: int
    candidate: int
    genome: Genome
    structure: str
    fingerprint: str
    seed: int
    steps: int
    settings: MetaTraining
    phase: str = "search"
    rung: int = 0
    strategy: str = ""
    generation: int = 0
    told: int = 0
    arm: str = ""
    repeat: int = 0


Proposal = TrainProposal | MetaTrainProposal


def checkpoint_name(proposal: TrainProposal, step: int) -> str:
    """Return what the checkpoint of a network's training at a step is called within its search."""
    return f"{proposal.fingerprint}-{proposal.seed}-{step}"


def checkpoints_of(proposals: Iterable[Proposal]) -> set[str]:
    """Return those that proposals in training go on from, and those that they leave before their results are known."""
    names = set[str]()
    for p in proposals:
        if isinstance(p, MetaTrainProposal):
            continue
        names |= {checkpoint_name(p, p.start)} if p.start else set()
        names |= {checkpoint_name(p, p.steps)} if p.resumable else set()
    return names


def path_name(text: str) -> str:
    """Return a text as part of a file's name: another one for any other text, also on disks that take A for a.

    What lower-case letters, digits and underscores do not say exactly, a digest says.

    >>> path_name("random"), path_name("Hulls / small"), path_name("hulls_small")
    ('random', 'hulls_small-bab28b087648', 'hulls_small')
    """
    if re.fullmatch("[a-z0-9_]{1,40}", text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{re.sub('[^a-z0-9]+', '_', text.lower())[:40]}-{digest}"


def of_part(name: str, arm: str, repeat: int) -> str:
    """Return the same within a run, in which arms and repeats of a comparison train the same network from other seeds.

    >>> of_part("3fa1-0-100", "", 0), of_part("3fa1-0-100", "hulls", 2)
    ('3fa1-0-100', 'hulls-2-3fa1-0-100')
    """
    return f"{path_name(arm)}-{repeat}-{name}" if arm or repeat else name


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A network on its way, after so many steps: the metric on samples of the validation and the training split, and
    the mean training loss over the last steps; None for what is not finite."""

    step: int
    val_metric: float | None
    train_metric: float | None
    train_loss: float | None


@dataclass(frozen=True, slots=True)
class TrainResult:
    """The result of training a network. Failure is a value: `state` says which, `error` in which words.

    `val_metric` is the metric at the last step (never the best epoch); test metrics are None outside
    the confirmation. `score` turns the metric so that larger is better. `gradient_examples` is what it cost.

    `discretised` is what a network with per-neuron hulls becomes if each neuron keeps its strongest function.
    `learned` holds the contents of its artifact, `curve` its learning curve.
    """

    proposal: TrainProposal
    state: str
    metric: str
    direction: str
    val_metric: float | None = None
    test_metric: float | None = None
    test_large_metric: float | None = None
    train_loss: float | None = None
    n_parameters: int = 0
    steps_run: int = 0
    gradient_examples: int = 0
    train_seconds: float = 0.0
    step_seconds_solo: float | None = None
    pack: str = ""
    pack_size: int = 1
    device: str = "cpu"
    participation_ratio: float | None = None
    discretised: str = ""
    precision: str = "float32"
    error: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    artifact: str = ""
    learned: Mapping[str, bytes] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()

    @property
    def score(self) -> float | None:
        """The validation metric, larger is better, or None if there is no usable one."""
        if self.state != COMPLETED or self.val_metric is None:
            return None
        return self.val_metric if self.direction == "maximize" else -self.val_metric

    def __reduce__(self) -> tuple[Any, ...]:
        return TrainResult, _OF_RESULT(self)


_OF_RESULT = attrgetter(*(f.name for f in fields(TrainResult)))


@dataclass(frozen=True, slots=True)
class MetaTrainResult:
    """The result of a meta-training, which has no metric and is no candidate.

    `train_loss` is the mean outer loss at its end, `n_parameters` the number of outer variables. `learned_types` is the
    JSON of the activations that it found, by site; `skipped_steps` counts outer steps without an update, and
    `beyond_grid` inputs outside the splines' grid. The other fields are as in `TrainResult`.
    """

    proposal: MetaTrainProposal
    state: str
    metric: str
    direction: str
    train_loss: float | None = None
    n_parameters: int = 0
    steps_run: int = 0
    gradient_examples: int = 0
    learned_types: str = ""
    skipped_steps: int | None = None
    beyond_grid: int | None = None
    train_seconds: float = 0.0
    pack: str = ""
    pack_size: int = 1
    device: str = "cpu"
    error: str = ""
    started_at: float = 0.0
    finished_at: float = 0.0
    artifact: str = ""
    learned: Mapping[str, bytes] = field(default_factory=dict)


Result = TrainResult | MetaTrainResult


def result_of(proposal: Proposal, state: str, metric: str, direction: str, **fields: Any) -> Result:
    """Return the result of a proposal that both kinds of work can have: a failure, say."""
    if isinstance(proposal, TrainProposal):
        return TrainResult(proposal, state, metric, direction, **fields)
    return MetaTrainResult(proposal, state, metric, direction, **fields)


class InOrder:
    """Results of one search that come in proposal order whenever they are iterated: they need not be in memory."""

    def __iter__(self) -> Iterator[Result]:
        raise NotImplementedError


def in_proposal_order(results: Iterable[Result]) -> Iterable[Result]:
    """Sort results by arm, repeat and ask index.

    Workers send results in any order, and floating-point sums and ties depend on it; what is computed of a set of
    results is computed in this order.
    """
    if isinstance(results, InOrder):
        return results
    return sorted(results, key=lambda r: (r.proposal.arm, r.proposal.repeat, r.proposal.index))
