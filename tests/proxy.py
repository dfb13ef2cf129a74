"""Connections to a server that can go silent or be cut, as a firewall does it. Used by the tests of faults."""

import asyncio
from contextlib import suppress
from functools import partial

from gateway.dev.servers import RedisProcess as RedisServer

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Pumps:
    """Copies the bytes of connections to each other in both directions, until one end closes."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self, one: Streams, other: Streams) -> None:
        """Copy between two connections from now on."""
        for (source, _), (_, sink) in ((one, other), (other, one)):
            task = asyncio.create_task(_copy(source, sink))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, sink))

    async def close(self) -> None:
        """Close all connections."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _ended(self, sink: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        # A callback runs even if the task was cancelled before its first step.
        self._tasks.discard(task)
        sink.close()


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()


class Proxy:
    """Stands between a node and a server on a Unix socket.

    `mute` leaves its connections open and lets nothing more come from the server, for good; `stall` holds back what
    comes from the server until `resume`; `cut` closes all connections.
    """

    def __init__(self, server: RedisServer | str) -> None:
        self.switch(server)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._muted: list[asyncio.Event] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        """Begin to listen; the URL of the Redis behind it."""
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens, on the loopback."""
        assert self._listener is not None
        return int(self._listener.sockets[0].getsockname()[1])

    def switch(self, server: RedisServer | str) -> None:
        """Lead new connections to a Redis, or to the socket at a path; those that are open stay where they are."""
        self._path = server if isinstance(server, str) else server.url.removeprefix("unix://").partition("?")[0]

    def mute(self) -> None:
        for muted in self._muted:
            muted.set()

    def stall(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    def cut(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    async def close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        muted = asyncio.Event()
        self._muted.append(muted)
        self._writers.add(writer)
        from_server, to_server = await asyncio.open_unix_connection(self._path)
        for source, sink, silent in ((reader, to_server, None), (from_server, writer, muted)):
            task = asyncio.create_task(self._pump(source, sink, silent))
            self._tasks.add(task)
            task.add_done_callback(partial(self._ended, sink))

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, silent: asyncio.Event | None
    ) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65536):
                if silent is not None:
                    await self._flowing.wait()
                if silent is None or not silent.is_set():
                    sink.write(data)

    def _ended(self, sink: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._writers.discard(sink)
        sink.close()
