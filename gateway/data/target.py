"""The database of a command: its URL, connections, and whether it is production. Used by all commands."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from gateway.postgres.databases import DatabaseSpec
from gateway.settings import Settings

CONNECT = 5.0  # s for opening a connection
MARK = "dorami.environment"  # a parameter of the database; see `mark`
COMMENT = "dorami.environment=production"

ENVIRONMENT = """
    SELECT coalesce(current_setting('dorami.environment', true), '') = 'production'
        OR coalesce(shobj_description(oid, 'pg_database'), '') LIKE '%' || $1 || '%'
    FROM pg_database WHERE datname = current_database()
"""


@dataclass(frozen=True)
class Target:
    """A database with a URL in the settings."""

    spec: DatabaseSpec
    settings: Settings

    @property
    def name(self) -> str:
        """Its name on the command line."""
        return self.spec.name

    @property
    def url(self) -> str:
        """Its URL with the password, past PgBouncer if the settings have that. Raises SettingsError without one."""
        url = self.spec.direct_url(self.settings) or self.spec.url(self.settings)
        return str(url.get_secret_value())

    @property
    def shown_url(self) -> str:
        """Its URL without the password and without parameters, which may contain a password, too."""
        return without_password(self.url)

    @property
    def server(self) -> str:
        """The name of its host, for messages."""
        parts = urlsplit(self.url)
        return parts.hostname or "this machine"

    def connect(self, *, read_only: bool = False, seconds: float | None = None) -> Any:
        """Open a connection for the block. `seconds` limits each statement."""
        return connect(self.url, read_only=read_only, seconds=seconds)

    async def production(self, connection: Any) -> bool:
        """Return whether it is production, by the settings or by the mark of a production node in it."""
        return self.settings.production or bool(await connection.fetchval(ENVIRONMENT, COMMENT))

    async def title(self, connection: Any) -> str:
        """Return its title in plans: `main (development, localhost)`."""
        environment = "production" if await self.production(connection) else self.settings.app_env.value
        return f"{self.name} ({environment}, {self.server})"


@asynccontextmanager
async def connect(url: str, *, read_only: bool = False, seconds: float | None = None) -> AsyncIterator[Any]:
    """Open a connection for the block."""
    connection = await asyncpg.connect(url, timeout=CONNECT, statement_cache_size=0)
    try:
        if read_only:
            await connection.execute("SET default_transaction_read_only = on")
        if seconds is not None:
            await connection.execute(f"SET statement_timeout = {round(seconds * 1000)}")
        yield connection
    finally:
        connection.terminate()


async def mark(settings: Settings, specs: list[DatabaseSpec]) -> list[str]:
    """Mark the databases of a node in production, and return the names of those that had no mark.

    With the mark, commands without APP_ENV treat them as production, too. It is a parameter of the database, or a part
    of the database's comment if the user may not set parameters. Copies of a database do not have it.
    """
    marked = []
    for spec in specs:
        with suppress(OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):  # the next start does it
            async with Target(spec, settings).connect() as connection:
                marked += [spec.name] if await _mark(connection) else []
    return marked


async def _mark(connection: Any) -> bool:
    if await connection.fetchval(ENVIRONMENT, COMMENT):
        return False
    name, comment = await connection.fetchrow(
        "SELECT quote_ident(datname), shobj_description(oid, 'pg_database') FROM pg_database"
        " WHERE datname = current_database()"
    )
    try:
        await connection.execute(f"ALTER DATABASE {name} SET {MARK} = 'production'")
    except asyncpg.InsufficientPrivilegeError:
        text = f"{comment} ({COMMENT})" if comment else COMMENT
        literal = await connection.fetchval("SELECT quote_literal($1::text)", text)
        await connection.execute(f"COMMENT ON DATABASE {name} IS {literal}")
    return True


def without_password(url: str) -> str:
    """Return a URL without password and parameters, for messages."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    user = f"{parts.username}@" if parts.username else ""
    return urlunsplit((parts.scheme, user + host, parts.path, "", ""))
