"""Training steps of packs of trained units against packs with relu, as ratios in one run.

    python benchmarks/families.py [--quick] [--json FILE]

Packs of 32 networks 40-100-100-10, batch 100, Adam, one thread, processor time; all take turns, a ratio is one of
medians. Units of P pieces have P times as many weights in hidden layers, so P times the products, but maxout's
gradients go to one piece each: what cannot be saved is beside them as `..._products`, the arithmetic over that of relu.
"""

from collections.abc import Callable

import torch
from packed_step import BATCH, CPU, numbers_task
from reporting import Row, arguments, medians, report

from evoact.genomes.activation import pieces
from evoact.genomes.genome import homogeneous
from evoact.genomes.kinds import Activation, Base, LpPool, Maxout, NetworkInNetwork, PiecewiseLinear, Rational
from evoact.networks import NETWORKS
from evoact.training.members import Member
from evoact.training.memory import keep_freed_memory
from evoact.training.pack import TrainingSettings, start_pack, train_step

MEMBERS = 32
UNITS: dict[str, Activation] = {
    "piecewise_linear": PiecewiseLinear(2),
    "rational": Rational(),
    "maxout_2": Maxout(2),
    "maxout_3": Maxout(3),
    "lp_pool_2": LpPool(2),
    "lp_pool_4": LpPool(4),
    "network_in_network_2": NetworkInNetwork(2, "tanh"),
    "network_in_network_3": NetworkInNetwork(3, "tanh"),
}


def step_of(activation: Activation) -> Callable[[], object]:
    """A step of a pack with this activation everywhere."""
    task, network = numbers_task(), NETWORKS["mlp"]((40,), 10, hidden=[100, 100])
    members = [
        Member(homogeneous(activation, network.sites, learning_rate=1e-3 * (1 + i / MEMBERS)), f"m{i}", 0, 1)
        for i in range(MEMBERS)
    ]
    pack = start_pack(members, network, task, TrainingSettings(BATCH), 0, CPU)
    return lambda: train_step(pack)


def products(unit: Activation) -> float:
    """The multiplications of a step with P pieces over those with one; no gradient goes to the inputs."""
    there, back, output = 40 * 100 + 100 * 100, 40 * 100 + 2 * 100 * 100, 3 * 100 * 10
    p = pieces(unit)
    return (there * p + back * (1 if isinstance(unit, Maxout) else p) + output) / (there + back + output)


def main() -> None:
    options = arguments(__doc__)
    torch.set_num_threads(1)
    keep_freed_memory()  # as workers do
    steps = {"relu": step_of(Base("relu")), **{name: step_of(unit) for name, unit in UNITS.items()}}
    times = medians(steps, 9 if options.quick else 41)
    rows = [Row("relu_ms", 1e3 * times["relu"], "ms")]
    for name, unit in UNITS.items():
        rows.append(Row(name, times[name] / times["relu"], "x relu", 2.0, "lower"))
        if pieces(unit) > 1:
            rows.append(Row(f"{name}_products", products(unit), "x relu"))
    report(options, rows)


if __name__ == "__main__":
    main()
