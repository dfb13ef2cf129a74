"""Scratch databases: created beside a database to try something, and dropped afterwards. Called by plans and drift."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from gateway.data.stops import Stop

PREFIX = "dorami_scratch_"  # followed by the time of creation in s since 1970, as 8 hexadecimal digits
OLD = 3600  # s after which the databases of killed commands are deleted
CONNECT = 5.0  # s

# A copy of template0 may have another encoding and collation than the server's default: those of the database.
LOCALES = {"b": ("builtin", "BUILTIN_LOCALE"), "i": ("icu", "ICU_LOCALE"), "c": ("libc", None)}


@asynccontextmanager
async def scratch(url: str, *, beside: str | None = None) -> AsyncIterator[Any]:
    """Create an empty database like that of `url` on its server, open a connection to it, and drop it at the end.

    `beside`: the URL of a database on another server to use instead. Raises Stop if the user may not create databases.
    """
    origin = await asyncpg.connect(beside or url, timeout=CONNECT, statement_cache_size=0)
    try:
        async with _database(origin) as name:
            connection = await asyncpg.connect(on(beside or url, name), timeout=CONNECT, statement_cache_size=0)
            try:
                await connection.execute("SET synchronous_commit = off")
                yield connection
            finally:
                connection.terminate()
    finally:
        origin.terminate()


def on(url: str, name: str) -> str:
    """Return the URL of another database of the same server."""
    parts = urlsplit(url)
    query = urlencode([item for item in parse_qsl(parts.query) if item[0] not in ("dbname", "database")])
    return urlunsplit(parts._replace(path=f"/{name}", query=query))


@asynccontextmanager
async def _database(origin: Any) -> AsyncIterator[str]:
    now = int(time.time())
    for (old,) in await origin.fetch("SELECT datname FROM pg_database WHERE datname ~ $1", f"^{PREFIX}[0-9a-f]{{8}}$"):
        if int(old.removeprefix(PREFIX), 16) < now - OLD:
            await _drop(origin, old)
    for moment in range(now, now + 60):  # another command may have taken the name of this second
        name = f"{PREFIX}{moment:08x}"
        try:
            await create_like(origin, name)
        except (asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            continue
        except asyncpg.InsufficientPrivilegeError:
            raise Stop(
                "this needs a scratch database, and the user may not create databases: grant CREATEDB, or say"
                " --scratch-url with a database where it may"
            ) from None
        break
    else:
        raise Stop("there are too many scratch databases: other commands are running")
    try:
        yield name
    finally:
        await _drop(origin, name)


async def create_like(origin: Any, name: str) -> None:
    """Create an empty database on the server of a connection, with the encoding and collation of its database.

    `name` needs no quotes. Raises asyncpg's errors.
    """
    row = await origin.fetchrow(
        "SELECT pg_encoding_to_char(encoding), to_jsonb(d)::text FROM pg_database d WHERE datname = current_database()"
    )
    await origin.execute(f"CREATE DATABASE {name} TEMPLATE template0 {_options(*row)}")


async def _drop(origin: Any, name: str) -> None:
    await origin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def _options(encoding: str, description: str) -> str:
    import json

    database = json.loads(description)
    provider, locale = LOCALES[database["datlocprovider"]]
    collate, ctype = _quoted(database["datcollate"]), _quoted(database["datctype"])
    options = f"ENCODING {_quoted(encoding)} LC_COLLATE {collate} LC_CTYPE {ctype}"
    if locale is not None:
        chosen = database.get("datlocale") or database.get("daticulocale")
        options += f" LOCALE_PROVIDER {provider} {locale} {_quoted(chosen)}"
    return options


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
