"""`evoact study`: studies of finished runs, a subcommand each."""

from enum import StrEnum
from typing import Annotated, Optional

import typer

from evoact.cli.options import say
from evoact.errors import UserError

RunDir = Annotated[str, typer.Argument(metavar="RUN_DIR", help="A search with a confirmation.")]

app = typer.Typer(no_args_is_help=True, help="Study a finished run: its networks, curves and differences.")


class Format(StrEnum):
    """The forms in which a table is printed."""

    markdown = "markdown"
    json = "json"


@app.command()
def differences(
    run_dir: Annotated[
        str, typer.Argument(metavar="RUN_DIR", help="A search with a confirmation on at least three seeds.")
    ],
    format_: Annotated[Format, typer.Option("--format", help="json is for programs.")] = Format.markdown,
    level: Annotated[float, typer.Option(help="The level of the intervals, between 0 and 1.")] = 0.95,
) -> None:
    """Compare the confirmed activations of a run seed by seed, with bootstrap intervals.

    Example: evoact study differences runs/first --format json
    """
    import json
    from dataclasses import asdict

    from evoact.leaderboard.ask.query import Leaderboard
    from evoact.studies.differences import arms, markdown
    from evoact.studies.differences import differences as compared

    if not 0 < level < 1:
        raise UserError(f"expected --level between 0 and 1, got {level:g}")
    rows = Leaderboard(run_dir).to_arrow().to_pylist()
    made = arms(rows)
    found = compared(made, direction=rows[0]["direction"], level=level)
    if format_ is Format.markdown:
        say(markdown(made, found, rows[0]["metric"]))
        return
    plain = [{k: v for k, v in asdict(arm).items() if k != "activations"} for arm in made]
    say(json.dumps({"arms": plain, "differences": [asdict(d) for d in found]}, indent=2))


@app.command()
def rollouts(
    run_dir: RunDir,
    steps: Annotated[int, typer.Option(min=1, help="Euler steps of a roll-out.")] = 1000,
    dt: Annotated[float, typer.Option(help="The length of a step, in units of time.")] = 0.01,
    starts: Annotated[int, typer.Option(min=1, help="States of the test split to start from.")] = 10,
) -> None:
    """Follow the dynamics that a run on a dynamical system learned, beside the true ones.

    Example: evoact study rollouts runs/vdp --steps 1000 --dt 0.01
    """
    from evoact.studies.rollouts import markdown
    from evoact.studies.rollouts import rollouts as followed

    if not 0 < dt < float("inf"):
        raise UserError(f"expected --dt above 0 and finite, got {dt:g}")
    say(markdown(followed(run_dir, steps, dt, starts), dt, steps))


@app.command()
def flatness(
    run_dir: RunDir,
    networks: Annotated[int, typer.Option(min=1, help="The first networks of each activation.")] = 3,
    examples: Annotated[int, typer.Option(min=1, help="Training examples of the Hessian's loss.")] = 500,
    probes: Annotated[int, typer.Option(min=2, help="Random vectors for the trace.")] = 32,
) -> None:
    """Measure the Hessian's trace and spectrum, and the participation ratio, of confirmed networks.

    Example: evoact study flatness runs/first --networks 10
    """
    from evoact.analysis.trained import Trained
    from evoact.studies.confirmed_networks import confirmed_networks
    from evoact.studies.flatness import flatness as measured
    from evoact.studies.flatness import markdown

    made, found = confirmed_networks(run_dir)
    some = {k: Trained(t.genome, t.learned[:networks], t.network) for k, t in found.items()}
    say(markdown([measured(made, k, t, examples, probes) for k, t in some.items()]))


@app.command("learned_curves")
def learned_curves(
    run_dir: Annotated[str, typer.Argument(metavar="RUN_DIR", help="A search with strategy bilevel.")],
    folder: Annotated[
        str, typer.Option("-o", "--output", metavar="FOLDER", help="The folder of the curves.")
    ] = "curves",
    name: Annotated[str, typer.Option(help="The name of the curves; default the run's.")] = "",
    figure: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="FILE", help="An SVG of the first start's curves as they grew."),
    ] = None,
) -> None:
    """Write each activation that meta-training learned as a curve, for `tabulated` types of other runs.

    Example: evoact study learned_curves runs/learned --name bend --figure bend.svg
    """
    from evoact.leaderboard.location import Location
    from evoact.leaderboard.run_files import tensors_of
    from evoact.studies.learned_curves import draw, meta_rows, save_curves

    for path in save_curves(run_dir, folder, name):
        say(str(path))
    if figure:
        row = meta_rows(run_dir)[0]
        draw(row, tensors_of(Location.of(run_dir), row), figure)
        say(figure)


@app.command("noisy_descent")
def noisy_descent(
    figure: Annotated[
        str, typer.Option("-o", "--output", metavar="FILE", help="The SVG file to write.")
    ] = "noisy_descent.svg",
    rate: Annotated[float, typer.Option(help="The learning rate.")] = 0.03,
    batch: Annotated[int, typer.Option(min=1, help="Examples in a batch.")] = 10,
    particles: Annotated[int, typer.Option(min=4, help="Paths of each kind of noise.")] = 400,
) -> None:
    """Draw a particle that descends with noise along the Hessian, beside isotropic noise; no run is needed.

    Example: evoact study noisy_descent -o noise.svg --rate 0.1
    """
    from evoact.studies.noisy_descent import compare, draw, landscape, share_in_wide

    if not 0 < rate < float("inf"):
        raise UserError(f"expected --rate above 0 and finite, got {rate:g}")
    where = landscape()
    found = compare(where, rate, batch, particles)
    draw(where, found, figure)
    for noise, paths in found.items():
        say(f"{noise}: {100 * share_in_wide(where, paths[-1]):.1f} % end at a wide minimum")
    say(figure)
