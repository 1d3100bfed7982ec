"""`evoact compare`."""

from typing import Annotated

import typer

from evoact.cli.options import Address, DryRun, Output, Overrides, Track, warn


def compare(
    config: Annotated[
        str,
        typer.Argument(
            metavar="CONFIG",
            help="The comparison, a YAML file with `arms`, or a name of `evoact list configs`.",
        ),
    ],
    output: Output = None,
    set_: Overrides = None,
    address: Address = None,
    track: Track = None,
    dry_run: DryRun = False,
) -> None:
    """Compare several searches at equal budget over repeats; print a verdict and write a report.

    Example: evoact compare configs/compare_mnist1d_small.yaml -o runs/compared

    Example: evoact compare configs/compare_mnist1d_small.yaml --set repeats=10 --set arms.evolution.strategy.elites=4
    """
    from evoact.config import load_comparison

    made = load_comparison(config, set_ or [])
    if dry_run:
        from evoact.cli.estimate import print_estimates

        print_estimates(made)
        return
    from evoact.api.progress import Display
    from evoact.api.search import compare as carry_out
    from evoact.api.search import run_directory
    from evoact.cli.results import end

    run_dir = output or run_directory(made.name)
    end(carry_out(made, run_dir, address, show=Display, report=warn, track=track or ()))
