"""Where a process listens: TCP of one or of both families, or a Unix socket. Used by nodes and workers."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from aiohttp import web

UNIX: Final = "unix:"  # and a path, instead of a host
BACKLOG: Final = 4096  # connections that wait to be accepted
_ALL_IPV6: Final = "::"  # IPv4, too
_LOCAL: Final = {"0.0.0.0": "127.0.0.1", _ALL_IPV6: "[::1]"}  # noqa: S104  by which this machine reaches all of its addresses


async def listen(factory: Callable[[], asyncio.Protocol], host: str, port: int) -> asyncio.Server:
    """Listen on a setting HOST and a port; 0 takes a free one. Raises OSError."""
    loop = asyncio.get_running_loop()
    if host.startswith(UNIX):
        return await loop.create_unix_server(factory, host.removeprefix(UNIX), backlog=BACKLOG)
    if host == _ALL_IPV6:
        return await loop.create_server(factory, sock=_dual(port), backlog=BACKLOG)
    return await loop.create_server(factory, host, port, backlog=BACKLOG)


def site(runner: web.AppRunner, host: str, port: int) -> web.BaseSite:
    """Open the sockets of an application of its own; beside a Unix socket for this machine only. Raises OSError."""
    if host == _ALL_IPV6:
        return web.SockSite(runner, _dual(port))
    return web.TCPSite(runner, "127.0.0.1" if host.startswith(UNIX) else host, port)


def url_of(server: asyncio.Server, host: str) -> str:
    """Where a server can be reached from this machine: an URL, or `unix:` and a path."""
    if host.startswith(UNIX):
        return host
    port = server.sockets[0].getsockname()[1]
    literal = f"[{host}]" if ":" in host else host
    return f"http://{_LOCAL.get(host, literal)}:{port}"


def forget(host: str) -> None:
    """Remove a Unix socket's file after the server was closed."""
    if host.startswith(UNIX):
        with suppress(OSError):
            Path(host.removeprefix(UNIX)).unlink()


def _dual(port: int) -> socket.socket:
    return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
