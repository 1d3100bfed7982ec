"""`evoact doctor`."""

from typing import TYPE_CHECKING, Annotated, Optional

import typer

from evoact.cli.options import Address, say, warn

if TYPE_CHECKING:
    from evoact.execution.running.doctor import Finding


def doctor(
    config: Annotated[
        Optional[str],  # noqa: UP045
        typer.Argument(metavar="[CONFIG]", help="An experiment that is to run there, a YAML file."),
    ] = None,
    address: Address = None,
    output: Annotated[
        str, typer.Option("-o", "--output", metavar="RUN_DIR", help="Where its run directory will be.")
    ] = "runs",
) -> None:
    """Say what this machine, and each node of a cluster, has that a search needs, and what it means if it has not.

    Example: evoact doctor configs/quickstart.yaml --address auto
    """
    import socket

    from evoact.execution.running.doctor import WRONG, examine
    from evoact.leaderboard.location import Location

    made = None
    if config is not None:
        from evoact.config import find_config, load, load_comparison, read_yaml

        compares = "arms" in read_yaml(find_config(config))
        made = (load_comparison(config) if compares else load(config)).plain()
    run_dir = Location.of(output).absolute
    findings = examine(made, run_dir)
    _print(f"here, {socket.gethostname()}", findings)
    wrong = sum(finding.state == WRONG for finding in findings)
    if address is not None:
        from evoact.execution.cluster.ray_doctor import examine_cluster

        warn(f"Asking the cluster at {address}; nodes have two minutes to answer.")
        for machine, findings in examine_cluster(address, made, run_dir):
            _print(machine, findings)
            wrong += sum(finding.state == WRONG for finding in findings)
    if wrong:
        say(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong.")
        raise typer.Exit(1)


def _print(machine: str, findings: "list[Finding]") -> None:
    say(f"{machine}:")
    width = max(len(finding.what) for finding in findings)
    for f in findings:
        meaning = f": {f.meaning}" if f.meaning else ""
        say(f"  {f.state:<7}  {f.what:<{width}}  {f.found}{meaning}")
