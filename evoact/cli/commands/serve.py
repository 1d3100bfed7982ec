"""`evoact serve`."""

from typing import Annotated

import typer

from evoact.cli.options import say
from evoact.errors import UserError

PORT = 8642


def serve(
    run_dirs: Annotated[
        list[str], typer.Argument(metavar="RUN_DIR...", help="Run directories, finished or not.")
    ],
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="On which port; 0 takes any that is free.")
    ] = PORT,
) -> None:
    """Serve the report of running searches to a browser on this machine, with SQL, until Ctrl-C.

    The page is that of `evoact report` and refreshes itself as networks end. The address holds a token: only who has it
    sees the runs, and only from this machine. From elsewhere: ssh -L 8642:localhost:8642 MACHINE.

    Example: evoact serve runs/first

    Example: evoact serve runs/a runs/b --port 0
    """
    import secrets

    try:
        from evoact.report import server
    except ModuleNotFoundError as error:
        missing = (error.name or str(error)).partition(".")[0]
        raise UserError(
            f"expected starlette and uvicorn, got no {missing}; pip install 'evoact[serve]'"
        ) from None

    token = secrets.token_urlsafe(24)
    application = server.app(run_dirs, token)
    opened = server.listen(port)
    address = f"http://{server.HOST}:{opened.getsockname()[1]}/{token}/"
    runs = run_dirs[0] if len(run_dirs) == 1 else f"{len(run_dirs)} runs"
    say(f"Serving {runs} at {address}; Ctrl-C ends this.")
    try:
        server.run(application, opened)
    except KeyboardInterrupt:
        say("Stopped.")
