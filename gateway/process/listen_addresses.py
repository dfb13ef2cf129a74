"""The listening sockets of a process: TCP over IPv4, IPv6 or both, or a Unix socket. Used by nodes and job workers."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Protocol

from aiohttp import web

UNIX: Final = "unix:"  # and a path, instead of a host
BACKLOG: Final = 4096  # connections that wait to be accepted
_ALL_IPV6: Final = "::"  # IPv4, too
_LOCAL: Final = {"0.0.0.0": "127.0.0.1", _ALL_IPV6: "[::1]"}  # noqa: S104  for URLs that this machine can use


class Bound(Protocol):
    """A socket, or asyncio's wrapper of one."""

    def getsockname(self) -> Any:
        """See socket."""


async def listen(
    factory: Callable[[], asyncio.Protocol], host: str, port: int, *, serve: bool = True
) -> asyncio.Server:
    """Listen on a host, written like the setting HOST, and a port; 0 takes a free one. Raises OSError.

    Without `serve` accept no connections.
    """
    loop = asyncio.get_running_loop()
    options: dict[str, Any] = {"backlog": BACKLOG, "start_serving": serve}
    if host.startswith(UNIX):
        return await loop.create_unix_server(factory, host.removeprefix(UNIX), **options)
    if host == _ALL_IPV6:
        return await loop.create_server(factory, sock=_dual(port), **options)
    return await loop.create_server(factory, host, port, **options)


async def bind(host: str, port: int) -> list[socket.socket]:
    """Return listening sockets for other processes; connections wait until a process accepts them. Raises OSError."""
    server = await listen(asyncio.Protocol, host, port, serve=False)
    try:
        sockets = [bound.dup() for bound in server.sockets]
    finally:
        server.close()
    for bound in sockets:
        bound.listen(BACKLOG)  # fails now, not later, if another process listens there
    return sockets


def site(runner: web.AppRunner, host: str, port: int) -> web.BaseSite:
    """Return the site of a separate application; if HOST is a Unix socket, for this machine only. Raises OSError."""
    if host == _ALL_IPV6:
        return web.SockSite(runner, _dual(port))
    return web.TCPSite(runner, local_host(host), port)


def local_host(host: str) -> str:
    """Return the host for ports that are not for clients: `host`, or this machine if it is a Unix socket."""
    return "127.0.0.1" if host.startswith(UNIX) else host


def url_of(listener: Bound, host: str) -> str:
    """Return the address of a listening socket on this machine: a URL, or `unix:` and a path."""
    return host if host.startswith(UNIX) else url(host, listener.getsockname()[1])


def url(host: str, port: int) -> str:
    """Do the same for a host and a port."""
    if host.startswith(UNIX):
        return host
    literal = f"[{host}]" if ":" in host else host
    return f"http://{_LOCAL.get(host, literal)}:{port}"


def forget(host: str) -> None:
    """Remove a Unix socket's file after the server was closed."""
    if host.startswith(UNIX):
        with suppress(OSError):
            Path(host.removeprefix(UNIX)).unlink()


def _dual(port: int) -> socket.socket:
    return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=BACKLOG)
