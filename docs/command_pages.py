"""Makes the page of the command line from the program's own help, so that the two cannot differ."""

from collections.abc import Iterator

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

INTRODUCTION = """# Command line

A mistake in what you give a command is one sentence, and exit code 2; a search in which every network failed ends with
1, one that was stopped with 130.
"""
WIDTH = {"COLUMNS": "100", "TERMINAL_WIDTH": "100", "NO_COLOR": "1"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add `commands.md`."""
    files.append(
        File.generated(config, "commands.md", content="\n".join([INTRODUCTION, *_sections([], "evoact")]))
    )
    return files


def _sections(path: list[str], name: str) -> Iterator[str]:
    """The help of every command below a group, in the order in which the program lists them."""
    from typer.main import get_command
    from typer.testing import CliRunner

    from evoact.cli.main import app

    command = get_command(app)
    for part in path:
        command = command.commands[part]
    if hasattr(command, "commands"):
        for inner in command.commands:
            yield from _sections([*path, inner], f"{name} {inner}")
        return
    shown = CliRunner().invoke(app, [*path, "--help"], env=WIDTH, prog_name="evoact").output
    yield f"## {name}\n\n```text\n{shown.strip()}\n```\n"
