"""`evoact validate`."""

from typing import Annotated

import typer


def validate(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Experiments or search spaces, YAML files.")
    ],
) -> None:
    """Check experiments and search spaces; every mistake of every file is named.

    Example: evoact validate configs/*.yaml search_spaces/*.yaml
    """
    from evoact.config import load, load_space, read_yaml
    from evoact.errors import UserError

    problems = []
    for file in files:
        try:
            # An experiment names a task, a search space does not.
            if "types" in read_yaml(file) and "task" not in read_yaml(file):
                load_space(file)
            else:
                load(file)
        except UserError as error:
            problems.append(str(error))
        else:
            typer.echo(f"{file}: valid")
    if problems:
        raise UserError("\n".join(problems))
