"""Reports: one self-contained file that says what a run found."""

from pathlib import Path

from evoact.report.run import RunData


def write_report(run: RunData, format: str = "html", output: Path | None = None) -> str:
    """Writes a report.

    Args:
        run: from `report.run.read_run`
        format: `html` or `md`
        output: the file; by default `report.html` or `report.md` in the run directory

    Returns:
        Where it was written.
    """
    from evoact.report.markdown import markdown
    from evoact.report.page import page

    content = (page(run) if format == "html" else markdown(run)).encode()
    if output is not None:
        output.write_bytes(content)
        return str(output)
    file = run.home.child(f"report.{format}")
    file.write(content)
    return file.text
