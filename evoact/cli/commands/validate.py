"""`evoact validate`."""

from typing import TYPE_CHECKING, Annotated

import typer

from evoact.cli.options import say

if TYPE_CHECKING:
    from evoact.config import Plan
    from evoact.tasks.task import Task


def validate(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE...", help="Experiments, comparisons or search spaces, YAML files."),
    ],
) -> None:
    """Check experiments, comparisons and search spaces: report every mistake of every file, and summarise their data if
    it is on this machine.

    Example: evoact validate configs/*.yaml search_spaces/*.yaml
    """
    from evoact.config import Plan, find_config, load, load_comparison, load_space, read_yaml
    from evoact.errors import UserError

    problems = []
    tasks: dict[str, Task] = {}
    for file in files:
        try:
            # A comparison has arms, an experiment names a task, a search space does neither.
            keys = read_yaml(find_config(file)).keys()
            said: tuple[str, ...] = ()
            if "arms" in keys:
                compared = load_comparison(file)
                said = _understood(compared, tasks)
                compared.check_budgets()
            elif "types" in keys and "task" not in keys:
                load_space(file)
            else:
                said = _understood(Plan.of(load(file)), tasks)
        except UserError as error:
            text = str(error)
            problems.append(text if file in text else f"{file}: {text}")
        else:
            say("\n  ".join((f"{file}: valid", *said)))
    if problems:
        raise UserError("\n".join(problems))


def _understood(made: "Plan", tasks: "dict[str, Task]") -> tuple[str, ...]:
    """Return a summary of the data, and warnings of what trains badly; nothing is downloaded. `tasks` holds those
    already made, so that data is read once.

    Raises:
        UserError: if there is too little data for what is asked of it.
    """
    from evoact.errors import UserError
    from evoact.execution.running.preflight import check_data
    from evoact.tasks import DOWNLOADABLE, ORIGINS
    from evoact.tasks.own.data_summary import notes_of, understood

    named = made.config.task
    if (
        named.arguments.get("download")
        and named.name in ORIGINS
        and ORIGINS[named.name]().endswith(DOWNLOADABLE)
    ):
        return (f"{named.name}: to be downloaded",)
    task = tasks.setdefault(named.model_dump_json(), made.task)
    try:
        line = understood(task)
    except UserError as error:
        return (f"data not read: {error}",)
    for arm in made.arms.values():
        check_data(arm.sharing(task))
    return (f"{named.name}: {line}", *notes_of(task), *_sites(made))


def _sites(made: "Plan") -> tuple[str, ...]:
    """Return the activation calls of own networks, those that are no sites among them, and what is slow in them."""
    from evoact.networks.own.module_network import ModuleNetwork

    lines = dict.fromkeys(
        line
        for arm in made.arms.values()
        if isinstance(arm.network, ModuleNetwork)
        for line in (*f"network:\n{arm.network.calls}".splitlines(), *arm.network.notes)
    )
    return tuple(lines)
