"""The `evoact` command."""

import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import typer

from evoact.cli.commands.compare import compare
from evoact.cli.commands.config import app as config
from evoact.cli.commands.doctor import doctor
from evoact.cli.commands.export import export
from evoact.cli.commands.inspect import inspect
from evoact.cli.commands.leaderboard import leaderboard
from evoact.cli.commands.listing import list_names
from evoact.cli.commands.predict import predict
from evoact.cli.commands.report import report
from evoact.cli.commands.search import resume, search
from evoact.cli.commands.serve import serve
from evoact.cli.commands.show import show
from evoact.cli.commands.status import scale, status
from evoact.cli.commands.study import app as study
from evoact.cli.commands.tabulate import tabulate
from evoact.cli.commands.train import train
from evoact.cli.commands.union import union
from evoact.cli.commands.validate import validate
from evoact.cli.options import STOPPED, say, warn
from evoact.cli.terminal import show_what_can_be_shown, stop_as_from_the_keyboard
from evoact.errors import SearchFailed, UserError
from evoact.installation import VERSION

app = typer.Typer(
    name="evoact",
    help="Search over activation functions per neuron: evolve, learn, compare, query.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("search")(search)
app.command("compare")(compare)
app.command("resume")(resume)
app.command("status")(status)
app.command("scale")(scale)
app.command("union")(union)
app.command("doctor")(doctor)
app.command("tabulate")(tabulate)
app.command("leaderboard")(leaderboard)
app.command("report")(report)
app.command("serve")(serve)
app.command("show")(show)
app.command("export")(export)
app.command("predict")(predict)
app.command("inspect")(inspect)
app.command("train")(train)
app.command("list")(list_names)
app.command("validate")(validate)
app.add_typer(study, name="study")
app.add_typer(config, name="config")


def _version(value: bool) -> None:
    if value:
        say(f"evoact {VERSION}")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help="Show the version."
    ),
) -> None:
    """Search over activation functions per neuron: evolve, learn, compare, query."""


# typer's own copy of click, or click itself, depending on the version of typer.
UsageError: Any = typer.BadParameter.__base__


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; a user's mistake is one sentence on stderr and exit code 2."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    show_what_can_be_shown()
    _check_working_directory()
    stop_as_from_the_keyboard()
    try:
        code = app(args=arguments or ["--help"], prog_name="evoact", standalone_mode=False)
    except UsageError as error:
        command = error.ctx.command_path if error.ctx else "evoact"
        message = error.format_message().replace(
            "Value error, ", ""
        )  # as pydantic begins, by which typer parses
        message = message.rstrip(".") + _as_key(error)
        _end(
            2,
            f"{message} See `{command} --help`."
            if message.endswith("?")
            else f"{message.rstrip('.')}; see `{command} --help`",
        )
    except UserError as error:
        _end(2, str(error))
    except SearchFailed as error:
        _end(1, str(error))
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        sys.stderr.close()
        sys.exit(141)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _end(1, f"expected to read and write files, got {where}{error.strerror or error}")
    except (KeyboardInterrupt, typer.Abort):
        _end(STOPPED, "Stopped.")
    sys.exit(code)


def _check_working_directory() -> None:
    """End, if there is none: PyTorch's own libraries would end the process, in a sentence about themselves."""
    try:
        os.getcwd()
    except OSError as error:
        known = os.environ.get("PWD", "")
        _end(
            2,
            f"expected a working directory that is there, got {known!r} ({error.strerror}); change to "
            "another, or into it again",
        )


def _as_key(error: Any) -> str:
    """Return how to set a key of the config that somebody takes for an option, such as `--steps`; else nothing."""
    name = str(getattr(error, "option_name", ""))
    if error.ctx is None or not any("--set" in known.opts for known in error.ctx.command.params):
        return ""
    from evoact.config.messages import key_named

    key = key_named(name.lstrip("-").replace("-", "_"))
    return f"; a key of a config is set by --set {key}=VALUE" if key else ""


def _end(code: int, sentence: str) -> NoReturn:
    warn(sentence)
    sys.exit(code)
