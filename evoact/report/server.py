"""The report served to a browser on this machine: it follows running searches and answers SQL.

Whoever has the address has the runs, so that it is on the loopback interface alone and holds a token; pages forbid
themselves requests to anywhere else.
"""

import errno
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from evoact.config.stored_plan import plan_of
from evoact.errors import UserError
from evoact.leaderboard.ask.formats import plain, values
from evoact.leaderboard.ask.query import Leaderboard
from evoact.leaderboard.location import Location
from evoact.leaderboard.run_files import is_finished
from evoact.leaderboard.store.write import PARTS
from evoact.report.page import overview, page
from evoact.report.run import read_run

HOST = "127.0.0.1"
MOST_ROWS = 1000  # of an answer that a page shows
MOST_QUERY = 100_000  # characters
SECONDS, MEMORY_GB = 30.0, 2.0  # of a query
# So many times what a page took to make pass before it is made again: the search needs the processors, too.
PATIENCE = 4.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Followed:
    """A run whose page is made again if parts have landed, by one thread at a time."""

    def __init__(self, run_dir: str):
        self.home = Location.of(run_dir)
        self.name = plan_of(self.home, data=False).name or self.home.name
        self._lock = threading.Lock()
        self._page = ""
        self._version = ""
        self._next = 0.0

    @property
    def finished(self) -> bool:
        return is_finished(self.home)

    def version(self) -> str:
        """Return what changes if there is something new to see and the last page is old enough."""
        return self._found() if time.monotonic() >= self._next else self._version

    def page(self) -> str:
        """Return the page as it is now.

        Raises:
            UserError: if the run cannot be read.
        """
        with self._lock:
            version = self.version()
            if version != self._version or not self._page:
                start = time.monotonic()
                self._page = page(read_run(self.home), version)
                self._version = version
                end = time.monotonic()
                self._next = end + PATIENCE * (end - start)
            return self._page

    def _found(self) -> str:
        parts = self.home.child(PARTS).names(".parquet")
        return f"{hash(tuple(parts))}-{self.finished}"


class Answers:
    """What each address below `/TOKEN/` is answered with: the list of runs, or a run's page, version or rows."""

    def __init__(self, runs: Sequence[Followed], token: str):
        self._runs = runs
        self._token = token
        self._asking = threading.Lock()  # a query may take much memory: one at a time

    async def answer(self, request: Request) -> Response:
        """Return one of a run's resources, or, without a run, of all of them."""
        if not secrets.compare_digest(request.path_params["token"].encode(), self._token.encode()):
            return await forbidden(request)
        number = request.path_params.get("run")
        if number is not None and number >= len(self._runs):
            return PlainTextResponse("There is no such run.\n", 404, _HEADERS)
        if request.method == "POST":
            query = (await request.body())[:MOST_QUERY].decode(errors="replace")
            homes = [run.home for run in (self._runs if number is None else [self._runs[number]])]
            return JSONResponse(await run_in_threadpool(self._ask, homes, query), headers=_HEADERS)
        return self._overview() if number is None else await self._of_run(self._runs[number], request)

    def _overview(self) -> Response:
        if len(self._runs) == 1:
            return RedirectResponse(f"/{self._token}/0/", headers=_HEADERS)
        listed = [(run.name, run.home.text, run.finished) for run in self._runs]
        return HTMLResponse(overview(listed), headers=_HEADERS)

    async def _of_run(self, run: Followed, request: Request) -> Response:
        if request.url.path.endswith("/version"):
            return JSONResponse({"version": await run_in_threadpool(run.version)}, headers=_HEADERS)
        return HTMLResponse(await run_in_threadpool(run.page), headers=_HEADERS)

    def _ask(self, homes: Sequence[Location], query: str) -> dict[str, Any]:
        with self._asking:
            board = Leaderboard(*homes, report=lambda problem: None)
            rows = board.sql(query, seconds=SECONDS, memory_gb=MEMORY_GB)
        columns = [[plain(v) for v in values(column)] for column in rows.slice(0, MOST_ROWS).columns]
        return {"columns": rows.column_names, "rows": list(zip(*columns, strict=True)), "total": len(rows)}


async def forbidden(request: Request) -> Response:
    said = "Expected the whole address that evoact serve printed, with its token, got another one.\n"
    return PlainTextResponse(said, 403, _HEADERS)


async def _mistaken(request: Request, error: Exception) -> Response:
    return PlainTextResponse(f"{error}\n", 400, _HEADERS)


def app(run_dirs: Sequence[str], token: str) -> Starlette:
    """Return the application: pages of the runs below `/TOKEN/`, and 403 for everything else.

    Raises:
        UserError: if something is no run directory.
    """
    answer = Answers([Followed(run_dir) for run_dir in run_dirs], token).answer
    return Starlette(
        routes=[
            Route("/{token}/", answer),
            Route("/{token}/sql", answer, methods=["POST"]),
            Route("/{token}/{run:int}/", answer),
            Route("/{token}/{run:int}/sql", answer, methods=["POST"]),
            Route("/{token}/{run:int}/version", answer),
            Route("/{rest:path}", forbidden),
        ],
        # Another name for this machine is that of a page elsewhere which wants to read along (DNS rebinding).
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"])],
        exception_handlers={UserError: _mistaken},
    )


def listen(port: int) -> socket.socket:
    """Return a socket on the loopback interface; any free port if it is 0.

    Raises:
        UserError: if it is taken, or needs rights that this process has not.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((HOST, port))
        opened.listen(100)  # who asks before the server has started waits
    except OSError as error:
        opened.close()
        why = "another process listens there" if error.errno == errno.EADDRINUSE else error.strerror
        raise UserError(
            f"expected a free port, got {port} ({why}); "
            "choose another with --port, or any that is free with --port 0"
        ) from None
    return opened


def run(application: Starlette, opened: socket.socket) -> None:
    """Serve until the keyboard or a signal says so."""
    config = uvicorn.Config(application, log_level="warning", access_log=False, timeout_graceful_shutdown=1)
    uvicorn.Server(config).run(sockets=[opened])
