"""`evoact config`: what helps to write one."""

from enum import StrEnum
from typing import Annotated

import typer

from evoact.cli.options import say

app = typer.Typer(
    no_args_is_help=True, help="Write configs: the schema by which editors complete their keys."
)


class Of(StrEnum):
    experiment = "experiment"
    space = "space"


@app.command()
def schema(
    of: Annotated[
        Of, typer.Option(help="Experiments and comparisons, or search spaces in files of their own.")
    ] = Of.experiment,
) -> None:
    """Print the JSON schema of configs.

    An editor that knows YAML takes it from the first line of a config: # yaml-language-server: $schema=schema.json

    Example: evoact config schema > configs/schema.json
    """
    import json

    from evoact.config.json_schema import json_schema, space_schema

    say(json.dumps(json_schema() if of is Of.experiment else space_schema(), indent=2))


@app.callback()
def _group() -> None:
    """Without this typer takes a single command for the whole group."""
