"""`evoact show`."""

from evoact.cli.options import Arm, OneCandidate, Repeat, RunDir, say


def show(
    run_dir: RunDir,
    candidate: OneCandidate = None,
    arm: Arm = "",
    repeat: Repeat = 0,
) -> None:
    """Show one confirmed candidate: its activations, its figures by seed, and what its types learned.

    Example: evoact show runs/first --candidate 12
    """
    from evoact.exports.load import load
    from evoact.exports.shown import shown

    for line in shown(load(run_dir, candidate, "all", arm, repeat)):
        say(line)
