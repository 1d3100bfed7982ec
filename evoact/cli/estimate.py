"""`evoact search --dry-run`: what a search would cost."""

import os

from evoact.cli.options import say, warn
from evoact.config import Experiment, Plan
from evoact.errors import counted, times
from evoact.execution.estimate import estimate
from evoact.records import UNLIMITED
from evoact.report.number_format import duration
from evoact.training.gpu.devices import gpu_here, without_gpu


def print_estimate(made: Experiment) -> None:
    """Print networks, gradient-examples, minutes and memory."""
    found = estimate(made)
    limited = found.networks < UNLIMITED
    say(f"networks            {found.networks if limited else 'as many as the time allows'}")
    for phase, number in found.by_phase.items():
        say(f"  {phase:<17} {number if number < UNLIMITED else 'by time'}")
    if limited:
        say(f"gradient-examples   {found.gradient_examples:.4g}")
    say(f"genomes in space    {found.genomes:.3g}")
    most = "at most " if made.space.pieces else ""
    say(f"parameters          {most}{found.parameters} weights and biases a network")
    if found.minutes is not None:
        at_once = f"{found.packs_at_once} packs at once" if found.packs_at_once > 1 else "one pack at a time"
        processors = counted(os.cpu_count() or 1, "processor")
        say(f"minutes             {_about(found.minutes)} on this machine ({processors}, {at_once})")
    chosen = ", chosen for this machine" if made.config.packs.size == "auto" else ""
    say(f"pack                {counted(found.pack_size, 'network')}{chosen}")
    say(f"memory              about {found.megabytes:.0f} MB a pack")
    gpus = made.config.execution.gpus_per_pack
    if gpus and not gpu_here():
        warn(
            f"execution.gpus_per_pack is {gpus:g}, and this is {without_gpu()}: minutes and memory are those of "
            "its processors"
        )


def print_estimates(made: Plan) -> None:
    """Print what a comparison would cost, arm by arm and in total.

    Raises:
        UserError: if the arms cannot spend equal budgets.
    """
    made.check_budgets()
    found = {name: estimate(arm) for name, arm in made.arms.items()}
    minutes = {name: (e.worker_minutes or 0.0) / e.packs_at_once for name, e in found.items()}
    width = max(map(len, found))
    say(f"{counted(len(found), 'arm')}, each {times(made.repeats)}; for one repeat of each:")
    for name, e in found.items():
        arm = made.arms[name]
        searched = arm.networks * arm.steps * arm.training.batch_size  # meta-training included
        say(
            f"  {name:<{width}}  {counted(e.by_phase['search'], 'network')}, {searched:.4g} gradient-examples, then "
            f"{e.by_phase['confirm']} confirmed, {e.by_phase['judge']} judged; "
            f"about {duration(max(1.0, 60 * minutes[name]))}"
        )
    networks = made.repeats * sum(e.networks for e in found.values())
    examples = made.repeats * sum(e.gradient_examples for e in found.values())
    total = made.repeats * sum(minutes.values())
    say(f"networks            {networks}")
    say(f"gradient-examples   {examples:.4g}")
    say(f"minutes             {_about(total)} on this machine ({counted(os.cpu_count() or 1, 'processor')})")
    say(f"memory              about {max(e.megabytes for e in found.values()):.0f} MB a pack")


def _about(minutes: float) -> str:
    return f"about {minutes:.0f}" if minutes >= 1 else "less than one"
