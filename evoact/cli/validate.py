"""`evoact validate`."""

from typing import Annotated

import typer

from evoact.cli.options import say


def validate(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Experiments, comparisons or search spaces, YAML files."),
    ],
) -> None:
    """Check experiments, comparisons and search spaces; every mistake of every file is named.

    Example: evoact validate configs/*.yaml search_spaces/*.yaml
    """
    from evoact.config import load, load_comparison, load_space, read_yaml
    from evoact.errors import UserError

    problems = []
    for file in files:
        try:
            # A comparison has arms, an experiment names a task, a search space does neither.
            keys = read_yaml(file).keys()
            if "arms" in keys:
                load_comparison(file).check_budgets()
            elif "types" in keys and "task" not in keys:
                load_space(file)
            else:
                load(file)
        except UserError as error:
            problems.append(str(error))
        else:
            say(f"{file}: valid")
    if problems:
        raise UserError("\n".join(problems))
