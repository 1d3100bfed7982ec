"""The `evoact` command."""

import sys
from collections.abc import Sequence

import typer

import evoact
from evoact.cli.leaderboard import leaderboard
from evoact.cli.listing import list_names
from evoact.cli.search import resume, search
from evoact.cli.validate import validate
from evoact.errors import SearchFailed, UserError

app = typer.Typer(
    name="evoact",
    help="Search over activation functions per neuron: evolve, learn, compare, query.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("search")(search)
app.command("resume")(resume)
app.command("leaderboard")(leaderboard)
app.command("list")(list_names)
app.command("validate")(validate)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"evoact {evoact.__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Search over activation functions per neuron: evolve, learn, compare, query."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake is one sentence on stderr and exit code 2."""
    try:
        app(args=arguments)
    except UserError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except SearchFailed as error:
        typer.echo(str(error), err=True)
        sys.exit(1)
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        sys.stderr.close()
        sys.exit(141)
