"""Connects `dorami reload` with the master on the same machine, by a socket that is named after the node's URL.

The socket has no file. The master accepts requests only of its own user and of root.
"""

import asyncio
import hashlib
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

import structlog

log = structlog.get_logger()

Reload = Callable[[Callable[[str], None]], Awaitable[bool]]
DONE: Final = b"done\n"  # the last line of a successful reload
_PEER: Final = struct.Struct("3i")  # pid, uid, gid


def address(url: str) -> str:
    """Return the name of the control socket, in Linux' abstract namespace: it ends with the master."""
    return f"\0dorami-{hashlib.sha256(url.encode()).hexdigest()[:32]}"


@asynccontextmanager
async def serving(url: str, reload: Reload) -> AsyncIterator[None]:
    """Call `reload` for each client that connects, and send it a line for each step, while the context is open."""

    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("socket").getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _PEER.size)
        if _PEER.unpack(peer)[1] in (0, os.getuid()) and await reload(lambda line: writer.write(f"{line}\n".encode())):
            writer.write(DONE)
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(address(url))
        server = await asyncio.start_unix_server(answer, sock=listener)
    except OSError as error:
        listener.close()
        log.warning("`dorami reload` does not find this master, use SIGHUP", reason=error.strerror)
        yield
        return
    try:
        yield
    finally:
        server.close()


async def ask(url: str, show: Callable[[str], None]) -> bool:
    """Have the master of this URL reload, and call `show` with its lines; return whether all workers were replaced.

    Raises OSError if there is no such master.
    """
    end = socket.socket(socket.AF_UNIX)
    try:
        end.connect(address(url))
        reader, writer = await asyncio.open_unix_connection(sock=end)
    except OSError:
        end.close()
        raise
    try:
        async for line in reader:
            if line == DONE:
                return True
            show(line.decode().rstrip("\n"))
        return False
    finally:
        writer.close()
