"""What arithmetic and memory alone would take of a candidate's step, at what this processor reaches, and what it takes.

    python benchmarks/limits.py [--quick] [--json FILE]

One thread, processor time, all in one run. `gflops_PRECISION` is what a product of 1024 x 512 x 512 reaches, `gbytes`
what a kernel that reads and writes 64 MB once does. For each network `_arithmetic_ms` is that of a candidate's products
at that rate, three of a layer but for the first layer's input gradient; `_memory_ms` that of its traffic if nothing
stayed in a cache: eight passes over parameters with gradients and moments, eight over activations; `_reached_ms` a
candidate's share of a pack's step; `_left` what it takes over the larger of both. Packs of 64 MLPs 40-100-100-10, batch
100, and of four LeNet-5, batch 100.
"""

import statistics
import time
from collections.abc import Callable

import torch
from convolutions import packed_step
from packed_step import FOUR, members_of, numbers_task
from reporting import Row, arguments, report

from evoact.networks import NETWORKS
from evoact.networks.precision import precisions_of
from evoact.training.memory import keep_freed_memory
from evoact.training.pack import TrainingSettings, start_pack, train_step

CPU = torch.device("cpu")
PASSES = 8
# Of a candidate's step on a batch of 100: multiplications and additions, parameters, activations.
WORK = {
    "mlp": (100 * (6 * (40 * 100 + 100 * 100 + 100 * 10) - 2 * 40 * 100), 15_210, 100 * 210),
    "lenet5": (
        100 * (6 * (576 * 20 * 25 + 64 * 50 * 500 + 800 * 500 + 500 * 10) - 2 * 576 * 20 * 25),
        431_080,
        100 * (20 * 576 + 20 * 144 + 50 * 64 + 50 * 16 + 500 + 10),
    ),
}


def seconds(step: Callable[[], object], rounds: int, times: int = 1) -> float:
    """The median of processor time, after two that warm up."""
    taken = []
    for _ in range(rounds + 2):
        started = time.process_time()
        for _ in range(times):
            step()
        taken.append((time.process_time() - started) / times)
    return statistics.median(taken[2:])


def gflops(precision: str, rounds: int) -> float:
    """What a large product reaches."""
    dtype = torch.bfloat16 if precision == "bf16" else torch.float32
    a, b = torch.ones(1024, 512, dtype=dtype), torch.ones(512, 512, dtype=dtype)
    return 2e-9 * 1024 * 512 * 512 / seconds(lambda: a @ b, rounds, 10)


def gbytes(rounds: int) -> float:
    """What a kernel reaches that reads and writes once, beyond all caches."""
    x = torch.ones(2**24)
    y = torch.empty_like(x)
    return 2e-9 * x.nbytes / seconds(lambda: torch.add(x, 1.0, out=y), rounds)


def mlp_step(precision: str, functions: tuple[str, ...]) -> Callable[[], object]:
    network = NETWORKS["mlp"]((40,), 10, hidden=[100, 100])
    members = members_of(network, 64, functions)
    settings = TrainingSettings(100, precision=precision)
    pack = start_pack(members, network, numbers_task(), settings, 0, CPU)
    return lambda: train_step(pack)


def main() -> None:
    options = arguments(__doc__)
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    rounds = 5 if options.quick else 21
    memory = gbytes(rounds)
    rows = [Row("gbytes", memory, "GB/s")]
    for precision in precisions_of(CPU):
        arithmetic = gflops(precision, rounds)
        rows.append(Row(f"gflops_{precision}", arithmetic, "Gflop/s"))
        packs = {
            "mlp": (64, mlp_step(precision, ("relu",))),
            "mlp_four_functions": (64, mlp_step(precision, FOUR)),
            "lenet5": (4, packed_step("lenet5", precision)),
        }
        for name, (k, step) in packs.items():
            flops, parameters, activations = WORK[name.removesuffix("_four_functions")]
            times = 1e-9 * flops / arithmetic, 1e-9 * 4 * PASSES * (parameters + activations) / memory
            reached = seconds(step, rounds) / k
            for what, value in zip(("arithmetic", "memory", "reached"), (*times, reached), strict=True):
                rows.append(Row(f"{name}_{precision}_{what}_ms", 1e3 * value, "ms"))
            rows.append(Row(f"{name}_{precision}_left", reached / max(times), "x the larger"))
    report(options, rows)


if __name__ == "__main__":
    main()
