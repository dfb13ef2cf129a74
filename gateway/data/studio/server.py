"""The server of the data browser: on the loopback, behind a link that opens once. Called by `dorami db studio`."""

import asyncio
import hmac
import re
import secrets
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import asyncpg
from aiohttp import web

from gateway.data.plans import consent as consents
from gateway.data.plans.consent import Plan
from gateway.data.report import Report
from gateway.data.stops import Code, Stop
from gateway.data.studio import edits, pages
from gateway.data.studio import tables as rows_of
from gateway.data.studio.edits import Change, ChangeLog
from gateway.data.studio.tables import Filter, Mistake, Question, Table
from gateway.data.target import Target
from gateway.server_problems import explain

HOST = "127.0.0.1"
HOSTS = re.compile(r"(127\.0\.0\.1|localhost)(:\d+)?")  # other names may resolve to this address (DNS rebinding)
COOKIE = "dorami_studio_"  # with a random suffix: browsers share cookies between the ports of a machine
SECONDS = 5.0  # s that a statement may take
MOST = 2**18  # bytes of a form: a text, percent-encoded

NONCE = web.RequestKey("nonce", str)  # of the page's style
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Studio:
    """The pages of some databases. `changes` records changes; without it values cannot be changed."""

    def __init__(self, pools: Mapping[str, asyncpg.Pool], token: str, changes: ChangeLog | None = None) -> None:
        self._pools = pools
        self._changes = changes
        self._form_token = secrets.token_urlsafe(32)  # pages of other origins cannot read it
        self._token: str | None = token  # of the link; None after it was opened
        self._session = secrets.token_urlsafe(32)
        self._cookie = COOKIE + secrets.token_hex(4)

    def application(self) -> web.Application:
        """Return the application of aiohttp."""
        application = web.Application(middlewares=[self._gate], client_max_size=MOST)
        application.router.add_get("/", self._home)
        application.router.add_get("/{database}/{table}", self._listing)
        application.router.add_get("/{database}/{table}/row", self._detail)
        application.router.add_post("/{database}/{table}/row", self._change)
        return application

    @web.middleware
    async def _gate(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Serve only the browser that has opened the link."""
        if HOSTS.fullmatch(request.headers.get("Host", "")) is None:
            return _refused(403, "this is for the machine that it runs on")
        if request.method not in ("GET", "HEAD") and (self._changes is None or request.method != "POST"):
            return _refused(405, "this can only read")
        given = request.query.get("token", "")
        if self._token is not None and hmac.compare_digest(given.encode(), self._token.encode()):
            self._token = None
            answer: web.StreamResponse = web.Response(status=303, headers={"Location": "/"})
            answer.set_cookie(self._cookie, self._session, httponly=True, samesite="Strict", path="/")
            return _closed(answer, "")
        if not hmac.compare_digest(request.cookies.get(self._cookie, "").encode(), self._session.encode()):
            return _refused(401, "open the link that `dorami db studio` has printed; it opens once")
        nonce = request[NONCE] = secrets.token_urlsafe(16)
        try:
            answer = await handler(request)
        except web.HTTPException as error:
            return _refused(error.status, error.reason)
        except Mistake as mistake:
            answer = await self._problem(request, 400, str(mistake))
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            answer = await self._problem(request, 400, str(error).partition("\n")[0])
        except asyncpg.QueryCanceledError:
            answer = await self._problem(request, 503, "this took too long: ask for less")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            answer = await self._problem(request, 503, f"the database {explain(error)}")
        return _closed(answer, nonce)

    async def _problem(self, request: web.Request, status: int, text: str) -> web.Response:
        return _html(pages.problem(await self._databases(), request[NONCE], text), status)

    async def _databases(self) -> pages.Databases:
        return dict(zip(self._pools, await asyncio.gather(*map(_tables, self._pools.values())), strict=True))

    async def _home(self, request: web.Request) -> web.Response:
        return _html(pages.home(await self._databases(), request[NONCE]))

    async def _listing(self, request: web.Request) -> web.Response:
        databases, database, table = await self._selected(request)
        question = _question(request)
        async with self._pools[database].acquire() as connection:
            answer = await rows_of.rows(connection, table, question)
        return _html(pages.listing(databases, request[NONCE], database, table, question, answer))

    async def _detail(self, request: web.Request) -> web.Response:
        databases, database, table = await self._selected(request)
        async with self._pools[database].acquire() as connection:
            answer = await rows_of.rows(connection, table, _question(request), whole=True)
            if not answer.rows:
                raise web.HTTPNotFound
            row, found = answer.rows[0], []
            tables = databases[database]
            for name, column, own in table.referrers:
                if (value := row[own]) is not None and not isinstance(tables, str):
                    referring = await rows_of.rows(connection, tables[name], Question((Filter(column, "is", value),)))
                    found.append((name, column, value, referring.count))
        token = self._form_token if self._changes is not None else None
        return _html(pages.detail(databases, request[NONCE], database, table, row, found, token))

    async def _change(self, request: web.Request) -> web.StreamResponse:
        _, database, table = await self._selected(request)
        form = await request.post()
        given = str(form.get("token", ""))
        if self._changes is None or not hmac.compare_digest(given.encode(), self._form_token.encode()):
            raise web.HTTPForbidden
        text = str(form.get("value", "")).replace("\r\n", "\n")  # as browsers write the ends of lines
        if "\0" in text:
            raise Mistake("a text has a character that PostgreSQL cannot store")
        value = None if form.get("null") else text
        change = Change(str(form.get("column", "")), str(form.get("state", "")), value)
        async with self._pools[database].acquire() as connection:
            await edits.apply(connection, database, table, _question(request), change, self._changes)
        return web.Response(status=303, headers={"Location": request.path_qs})

    async def _selected(self, request: web.Request) -> tuple[pages.Databases, str, Table]:
        databases, database = await self._databases(), request.match_info["database"]
        tables = databases.get(database)
        if tables is None or isinstance(tables, str) or request.match_info["table"] not in tables:
            raise web.HTTPNotFound
        return databases, database, tables[request.match_info["table"]]


async def _tables(pool: asyncpg.Pool) -> dict[str, Table] | str:
    try:
        async with pool.acquire() as connection:
            return await rows_of.tables(connection)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        return explain(error)


def _question(request: web.Request) -> Question:
    query = request.query
    if any("\0" in value for value in query.values()):
        raise Mistake("a text has a character that PostgreSQL cannot store")
    parts = [one.split("\n", 2) for one in query.getall("f", [])]
    if any(len(part) != 3 for part in parts):
        raise Mistake("a filter has a column, a comparison and a value")
    filters = [Filter(*part) for part in parts]
    comparison = query.get("comparison", "")
    if query.get("value") or comparison in rows_of.WITHOUT_VALUE:
        filters.append(Filter(query.get("column", ""), comparison, query.get("value", "")))
    page = query.get("page", "1")
    if re.fullmatch(r"[1-9]\d{0,5}", page) is None:
        raise Mistake(f"there is no page {page}")
    return Question(filters, query.get("q", ""), query.get("order", ""), bool(query.get("descending")), int(page))


def _html(text: str, status: int = 200) -> web.Response:
    return web.Response(text=text, status=status, content_type="text/html")


def _refused(status: int, text: str) -> web.StreamResponse:
    return _closed(web.Response(status=status, text=f"{text}\n"), "")


def _closed(answer: web.StreamResponse, nonce: str) -> web.StreamResponse:
    """Return the answer with headers that keep browsers from caching or embedding it."""
    style = f"style-src 'nonce-{nonce}'; " if nonce else ""
    policy = f"default-src 'none'; {style}form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    answer.headers.update(
        {
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff",
        }
    )
    return answer


async def serve(
    report: Report, targets: Sequence[Target], port: int, *, changes: Path | None = None, consent: str | None = None
) -> None:
    """Serve until Ctrl-C. Raises Stop for databases of production.

    With `changes`, the file that records changes, values may be changed, which needs consent.
    """
    titles = []
    for target in targets:
        async with target.connect(read_only=True) as connection:
            if await target.production(connection):
                raise Stop(f"{target.name} is a database of production: the studio is refused", code=Code.REFUSED)
            titles.append(await target.title(connection))
    if changes is not None:

        async def make() -> Plan:
            lines = [f"records each change in {changes}", "updates no client, room log or cache"]
            return Plan(targets[0].name, f"This lets a browser change values of {' and '.join(titles)}.", lines)

        await consents.ask(report, make, given=consent)
    token, pools = secrets.token_urlsafe(32), {}
    for target in targets:
        pools[target.name] = asyncpg.create_pool(
            target.url,
            min_size=0,
            max_size=4,
            timeout=SECONDS,
            command_timeout=2 * SECONDS,
            server_settings={
                "default_transaction_read_only": "on",
                "statement_timeout": f"{SECONDS * 1000:.0f}",
                "application_name": "dorami studio",
            },
        )
        await pools[target.name]
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    studio = Studio(pools, token, ChangeLog(changes) if changes is not None else None)
    runner = web.AppRunner(studio.application(), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, HOST, port).start()
        except OSError as error:
            raise Stop(f"cannot serve on {HOST}:{port}: {error.strerror or error}") from None
        _, taken = runner.addresses[0][:2]
        report.facts["url"] = f"http://{HOST}:{taken}/"
        report.line(f"http://{HOST}:{taken}/?token={token}")
        access = "read-only" if changes is None else "values can be changed"
        report.remark(f"{access}, for this machine; the link opens once. Ctrl-C ends it")
        await stop.wait()
    finally:
        await runner.cleanup()
        for pool in pools.values():
            pool.terminate()
