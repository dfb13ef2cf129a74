"""A node whose PostgreSQL and Redis are behind TLS, with their certificates verified, and over IPv6."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import aiohttp

from gateway.dev.servers import PostgresProcess, RedisProcess
from tests.certificates import certificate
from tests.proxy import Pumps
from tests.support import Node

SSL_REQUEST = 8  # bytes with which a client of PostgreSQL asks for TLS


@asynccontextmanager
async def behind_tls(socket_path: Path, own: Path, host: str, *, postgres: bool = False) -> AsyncIterator[int]:
    """End TLS in front of a server on a Unix socket; the port on `host`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own, own.with_name("server.key"))
    pumps = Pumps()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if postgres:
            await reader.readexactly(SSL_REQUEST)
            writer.write(b"S")
            await writer.start_tls(context)
        pumps.join((reader, writer), await asyncio.open_unix_connection(str(socket_path)))

    server = await asyncio.start_server(serve, host, 0, ssl=None if postgres else context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await pumps.close()


async def test_a_node_behind_verified_tls_over_ipv6(
    own_postgres: PostgresProcess, own_redis: RedisProcess, tmp_path: Path
) -> None:
    own = certificate(tmp_path, "::1", "127.0.0.1")
    [postgres_socket] = own_postgres.folder.glob(".s.PGSQL.*[0-9]")
    redis_socket = Path(own_redis.url.removeprefix("unix://").partition("?")[0])
    async with (
        behind_tls(postgres_socket, own, "::1", postgres=True) as postgres_port,
        behind_tls(redis_socket, own, "::1") as redis_port,
    ):
        verified = f"?sslmode=verify-full&sslrootcert={quote(str(own))}"
        node = Node(
            tmp_path,
            DATABASE_URL=f"postgresql://postgres@[::1]:{postgres_port}/postgres{verified}",
            REDIS_URL=f"rediss://[::1]:{redis_port}/0?ssl_ca_certs={quote(str(own))}",
            HOST="::1",
        )
        async with node, aiohttp.ClientSession() as http:
            async with http.get(f"{node.url}/api/v1/health/ready") as response:
                assert response.status == 200
                assert (await response.json())["status"] == "ok"
            async with http.post(f"{node.url}/api/v1/auth/guest", json={}) as response:
                assert response.status in (200, 201)
        assert "Traceback" not in node.logs
