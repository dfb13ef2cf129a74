"""The messages to an operator about a server that refuses a node: wrong passwords and certificates."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import asyncpg

from gateway.dev.servers import PostgresProcess
from gateway.errors import Unavailable
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.server_problems import explain
from tests.certificates import certificate
from tests.redis_topologies import problem_at_start
from tests.support import make_settings
from tests.timing import until

UNTRUSTED = "has a certificate that the CA has not signed, or for another name"
REFUSED = "refuses the user name or the password"


async def problem_of_database(url: str) -> str | None:
    """Why the database cannot be opened; None if it can."""
    database = Database(make_settings(database_url=url), Metrics())
    try:
        await database.open()
    except Unavailable as error:
        return explain(error)
    await database.close()
    return None


async def test_a_wrong_password_of_postgresql_is_told(own_postgres: PostgresProcess) -> None:
    connection = await asyncpg.connect(own_postgres.url)
    await connection.execute("CREATE USER mina PASSWORD 'right'")
    rules = "local all postgres trust\nlocal all mina scram-sha-256\nlocal all all reject\n"
    (own_postgres.folder / "pg_hba.conf").write_text(rules)
    await connection.execute("SELECT pg_reload_conf()")

    async def reloaded() -> bool:
        return bool(await connection.fetchval("SELECT count(*) = 3 FROM pg_hba_file_rules")) and (
            await problem_of_database(own_postgres.url.replace("postgres@", "nobody@")) == "refuses this user"
        )

    await until(reloaded)
    await connection.close()
    for access, problem in {
        "mina:right": None,
        "mina:wrong": REFUSED,
        "mina": REFUSED,
        "jun:x": "refuses this user",
    }.items():
        assert await problem_of_database(own_postgres.url.replace("postgres@", f"{access}@")) == problem


@asynccontextmanager
async def tls_server(certificate: Path, *, postgres: bool = False) -> AsyncIterator[int]:
    """Start a server that goes no further than TLS, after PostgreSQL's request for it or at once; return its port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            if postgres:
                await reader.readexactly(8)  # SSLRequest
                writer.write(b"S")
                await writer.start_tls(context)
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0, ssl=None if postgres else context) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_certificate_of_postgresql_that_is_not_trusted_is_told(tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    own, stranger = certificate(tmp_path, "127.0.0.1"), certificate(tmp_path / "stranger", "127.0.0.1")
    async with tls_server(own, postgres=True) as port:
        for host, mode, ca, problem in (
            ("127.0.0.1", "verify-full", own, "does not answer"),  # it hangs up after TLS
            ("127.0.0.1", "verify-ca", stranger, UNTRUSTED),
            ("127.0.0.1", "verify-full", stranger, UNTRUSTED),
            ("localhost", "verify-full", own, UNTRUSTED),
        ):
            url = f"postgresql://mina:x@{host}:{port}/x?sslmode={mode}&sslrootcert={quote(str(ca))}"
            assert await problem_of_database(url) == problem


async def test_a_certificate_of_redis_that_is_not_trusted_is_told(tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    own, stranger = certificate(tmp_path, "127.0.0.1"), certificate(tmp_path / "stranger", "127.0.0.1")
    async with tls_server(own) as port:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs="
        assert await problem_at_start(f"{url}{quote(str(own))}") is None, "it hangs up after TLS, which may pass"
        assert await problem_at_start(f"{url}{quote(str(stranger))}") == f"redis {UNTRUSTED}"
        assert await problem_at_start(f"rediss://127.0.0.1:{port}") == f"redis {UNTRUSTED}"
