"""Reports: what a run found as a page or as Markdown, and its networks as other tools read them.

`run` reads a run, `sections` and their `figures` are what is said of it, `page` and `markdown` write that, and `server`
serves the page. `search_text`, `comparison_text` and `number_format` have the words and numbers, which the command line
prints, too, `text_table` and `data_table` the tables. `tensorboard` and `optuna_study` are for other tools."""

from pathlib import Path

from evoact.errors import UserError
from evoact.leaderboard.location import Location
from evoact.registry import lookup
from evoact.report.run import RunData

# What is written, and under which name in the run directory.
FORMATS = {
    "html": "report.html",
    "md": "report.md",
    "tensorboard": "tensorboard",
    "optuna": "optuna.journal",
}


def write_report(run: RunData, format: str = "html", output: str | Path | None = None) -> str:
    """Write a report.

    Args:
        run: from `report.run.read_run`
        format: one of `FORMATS`: a page, Markdown, a directory of TensorBoard scalars, an Optuna journal
        output: the file or directory; by default one in the run directory

    Returns:
        Where it was written.

    Raises:
        UserError: for another format, a file that cannot be written, and if TensorBoard or Optuna would mix it
            with what is there, or need a local place.
    """
    file = run.home.child(lookup(FORMATS, "format", format))
    if format in ("html", "md"):
        from evoact.report.markdown import markdown
        from evoact.report.page import page

        content = (page(run) if format == "html" else markdown(run)).encode()
        if output is None:
            file.write(content)
        else:
            Location.of(output).write_output(content)
        return file.text if output is None else str(output)
    place = file.local if output is None else Path(output)
    if place is None or "://" in str(output):
        raise UserError(
            f"expected a place on this machine for {format}, got {output or file.text}; add -o PATH"
        )
    if format == "tensorboard":
        from evoact.report.tensorboard import write_tensorboard

        write_tensorboard(run, place)
    else:
        from evoact.report.optuna_study import write_optuna

        write_optuna(run, place)
    return str(place)
