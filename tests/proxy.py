"""Connections to Redis that can go silent without being closed, as a firewall does it. Used by the tests of faults."""

import asyncio

from gateway.dev.servers import RedisProcess as RedisServer


class Proxy:
    """Stands between a node and Redis; `mute` leaves its connections open and lets nothing more come from Redis."""

    def __init__(self, server: RedisServer) -> None:
        self.switch(server)
        self._muted: list[asyncio.Event] = []
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> str:
        self._listener = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}"

    def switch(self, server: RedisServer) -> None:
        """Lead new connections there; those that are open stay where they are."""
        self._path = server.url.removeprefix("unix://").partition("?")[0]

    def mute(self) -> None:
        for muted in self._muted:
            muted.set()

    async def close(self) -> None:
        assert self._listener is not None
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        muted = asyncio.Event()
        self._muted.append(muted)
        from_redis, to_redis = await asyncio.open_unix_connection(self._path)
        for source, sink, silent in ((reader, to_redis, None), (from_redis, writer, muted)):
            task = asyncio.create_task(self._pump(source, sink, silent))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, silent: asyncio.Event | None
    ) -> None:
        try:
            while data := await source.read(65536):
                if silent is None or not silent.is_set():
                    sink.write(data)
        finally:
            sink.close()
