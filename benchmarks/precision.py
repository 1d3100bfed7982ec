"""Whether a reduced precision changes scores or ranking: the same networks trained in both, genome by genome.

    python benchmarks/precision.py [--quick] [--json FILE] [--precision bf16] [--genomes N] [--seeds N] [--only NAME]

Random genomes of the spaces of `benchmarks/tables` (MNIST-1D twice, and digits) and of mixtures in the reduced LeNet-5
on Fashion-MNIST (if its data is here), each on as many seeds in float32 and in the other precision, scored on the
validation split. What is known so far is printed every minute. `NAME_difference` is the mean accuracy in the other
precision less that in float32, in points, and `NAME_error` its standard error over genomes; the bar is that it is
within two of them. `NAME_ranking` is Spearman's correlation between genomes' means in both precisions over *different*
halves of the seeds, and `NAME_noise` the same between the two halves in float32, which noise alone leaves;
`NAME_ranking_same_seeds` is over all seeds. One process with one thread trains packs in float32 and in the other in
turn.
"""

import argparse
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from reporting import Row, arguments, report
from scipy.stats import spearmanr

from evoact.config import Experiment, load, load_comparison
from evoact.genomes.genome import Genome, fingerprint
from evoact.tasks.fashion_mnist import is_present
from evoact.training.loop import train_pack
from evoact.training.members import Member
from evoact.training.memory import keep_freed_memory

HERE = Path(__file__).parent
PACK = 60  # networks, at most
SAID_SECONDS = 60.0  # between two lines of what is known so far
TABLES = ("mnist1d_smooth", "mnist1d_disjoint", "digits_smooth")
LENET5 = "lenet5_reduced"


def experiments(only: Sequence[str]) -> Iterator[tuple[str, Experiment, float]]:
    """What is compared, and the share of the genomes that it is compared on."""
    for name in TABLES:
        if name in only:
            yield name, load(HERE / "tables" / f"{name}.yaml"), 1.0
    if LENET5 in only and is_present():
        plan = load_comparison(HERE.parent / "configs" / "compare_lenet5_fashion_mnist_reduced.yaml")
        yield LENET5, plan.arms["random mixtures"], 0.3


def drawn(e: Experiment, n: int) -> list[Genome]:
    """So many different genomes of the space."""
    found: dict[str, Genome] = {}
    i = 0
    while len(found) < n:
        genome = e.space.sample(random.Random(i))
        found[fingerprint(genome)] = genome
        i += 1
    return list(found.values())


def scores(e: Experiment, precision: str, genomes: list[Genome], seeds: int) -> np.ndarray:
    """Validation metric [genomes, seeds]; NaN if training diverged."""
    training = e.config.training.model_copy(update={"precision": precision})
    made = e.with_config(training=training)
    members = [Member(g, f"{fingerprint(g)}-{s}", s, made.steps) for g in genomes for s in range(seeds)]
    trained = train_pack(members, made.network, made.task, made.training, made.seed)
    found = [o.metrics.get("validation", float("nan")) for o in trained]
    return np.array(found).reshape(len(genomes), seeds)


def compared(e: Experiment, precision: str, genomes: int, seeds: int) -> Iterator[list[np.ndarray]]:
    """The scores [genomes, seeds] in float32 and in another precision, packs of both in turn, of more and more."""
    found: dict[str, list[np.ndarray]] = {"float32": [], precision: []}
    together = max(1, PACK // seeds)
    own = drawn(e, genomes)
    for start in range(0, len(own), together):
        for trained, parts in found.items():
            parts.append(scores(e, trained, own[start : start + together], seeds))
        yield [np.concatenate(parts) for parts in found.values()]


def say(found: Sequence[Row]) -> None:
    print(*(f"{row.name} {row.value:.4g}" for row in found), sep="  ", flush=True)


def rows(name: str, single: np.ndarray, other: np.ndarray) -> list[Row]:
    """How far two precisions agree, from accuracies [genomes, seeds]."""
    whole = np.isfinite(single).all(axis=1) & np.isfinite(other).all(axis=1)
    single, other = 100 * single[whole], 100 * other[whole]
    difference = (other - single).mean(axis=1)
    error = difference.std(ddof=1) / np.sqrt(len(difference))
    half = single.shape[1] // 2
    across = [
        spearmanr(a.mean(axis=1), b.mean(axis=1)).statistic
        for a, b in (
            (single[:, :half], other[:, half:]),
            (other[:, :half], single[:, half:]),
        )
    ]
    noise = spearmanr(single[:, :half].mean(axis=1), single[:, half:].mean(axis=1)).statistic
    same = spearmanr(single.mean(axis=1), other.mean(axis=1)).statistic
    return [
        Row(f"{name}_genomes", len(difference), f"of {len(whole)}"),
        Row(f"{name}_float32", single.mean(), "%"),
        Row(f"{name}_difference", difference.mean(), "points"),
        Row(f"{name}_error", error, "points"),
        Row(f"{name}_difference_in_errors", abs(difference.mean()) / error, "errors", 2.0, "lower"),
        Row(f"{name}_ranking", float(np.mean(across)), "correlation", float(noise) - 0.03),
        Row(f"{name}_noise", float(noise), "correlation"),
        Row(f"{name}_ranking_same_seeds", float(same), "correlation"),
    ]


def options() -> argparse.Namespace:
    def more(parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--precision", default="bf16", help="what is compared with float32")
        parser.add_argument("--genomes", type=int, help="default 200, 24 with --quick")
        parser.add_argument("--seeds", type=int, help="an even number, default 10, 4 with --quick")
        parser.add_argument("--scores", metavar="PREFIX", help="also write all scores to PREFIX-NAME.npz")
        parser.add_argument("--only", nargs="+", choices=(*TABLES, LENET5), default=(*TABLES, LENET5))

    return arguments(__doc__, more=more)


def main() -> None:
    given = options()
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    genomes = given.genomes or (24 if given.quick else 200)
    seeds = given.seeds or (4 if given.quick else 10)
    found: list[Row] = []
    for name, e, share in experiments(given.only):
        said = time.monotonic()
        for both in compared(e, given.precision, max(4, round(share * genomes)), seeds):
            if given.scores:
                np.savez(f"{given.scores}-{name}.npz", *both)
            if time.monotonic() - said > SAID_SECONDS:
                said = time.monotonic()
                say(rows(name, *both))
        found += rows(name, *both)
    report(given, found)


if __name__ == "__main__":
    main()
