"""Clients of the package `@dorami/client` in a Node process, with a check that they missed nothing."""

import asyncio
import contextlib
import itertools
import json
import os
import signal
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests import client_package
from tests.timing import time_limit, until

DRIVER = Path(__file__).parent.parent / "client" / "package.mjs"
LINE = 1 << 20  # bytes of the longest line that the driver writes


@dataclass
class Recorder:
    """The received and sent messages of one client, and the states of its connection."""

    messages: dict[str, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    statuses: list[tuple[str, str | None]] = field(default_factory=list)


class PackageClients:
    """A Node process with clients of the package. Each follows the chat, the products and the viewers of some rooms."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[Any]] = {}
        self.received: dict[str, Recorder] = defaultdict(Recorder)
        self.asked: dict[str, set[str]] = defaultdict(set)  # by room: the client message ids of what was to be said
        self.stored: dict[str, dict[str, int]] = defaultdict(dict)  # by room: client message id → seq
        self.refused: list[tuple[str, str]] = []
        self.trouble: list[str] = []
        self._reader = asyncio.create_task(self._read(), name="package driver")

    def tell(self, command: str, **fields: Any) -> None:
        """Write one command to the driver."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **fields}).encode() + b"\n")

    async def ask(self, command: str, **fields: Any) -> Any:
        """Write one command that is answered, and give the answer."""
        number = next(self._numbers)
        future = self._calls[number] = asyncio.get_running_loop().create_future()
        self.tell(command, id=number, **fields)
        async with time_limit(20):
            return await future

    async def state(self, name: str) -> Any:
        """How a client is, and what it shows."""
        return (await self.ask("state", name=name))["data"]

    async def joined(self, *names: str, within: float = 20.0) -> None:
        """Wait until clients are in all of their rooms."""

        async def everywhere(name: str) -> bool:
            state = await self.state(name)
            rooms = state["rooms"].values()
            return state["status"] == "connected" and all(room["statuses"] == ["joined"] * 3 for room in rooms)

        for name in names:
            await until(partial(everywhere, name), within=within, what=f"{name} is in", pause=0.05)

    def pause(self) -> None:
        """Freeze the process, as a phone does in a pocket."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Undo `pause`."""
        self._process.send_signal(signal.SIGCONT)

    async def settled(self, *, within: float = 30.0) -> None:
        """Wait until whatever was to be said is stored or refused."""

        def answered() -> bool:
            refused = {name for _, name in self.refused}
            return all(names <= self.stored[key].keys() | refused for key, names in self.asked.items())

        await until(answered, within=within, what="everything that was said is stored")

    async def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            match json.loads(raw):
                case {"call": number, **answer}:
                    if not self._calls[number].done():
                        self._calls[number].set_result(answer)
                case {"client": name, "key": key, "heard": [seq, named]}:
                    self.received[name].messages[key].append((seq, named))
                case {"key": key, "asked": named}:
                    self.asked[key].add(named)
                case {"key": key, "stored": [seq, named]}:
                    self.stored[key][named] = seq
                case {"refused": [code, named]}:
                    self.refused.append((code, named))
                case {"client": name, "status": status, "code": code}:
                    self.received[name].statuses.append((status, code))
                case {"trouble": trouble}:
                    self.trouble.append(trouble)


def check_received(messages: list[tuple[int, str]], stored: dict[str, int], who: str) -> None:
    """Check that every stored message was received once, in the order of the log."""
    seqs = [seq for seq, _ in messages]
    assert seqs == sorted(set(seqs)), f"{who} heard something twice or out of order"
    received = {named: seq for seq, named in messages}
    missed = {named: seq for named, seq in stored.items() if received.get(named) != seq}
    assert not missed, (
        f"{who} missed {len(missed)} of {len(stored)}: {sorted(missed.items(), key=lambda each: each[1])[:5]}"
    )


@contextlib.asynccontextmanager
async def package_clients() -> AsyncIterator[PackageClients]:
    """Build the package, start the Node process, and end it."""
    await asyncio.to_thread(client_package.build)
    process = await asyncio.create_subprocess_exec(
        client_package.node(), str(DRIVER),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=LINE,
        env=os.environ | {"NODE_NO_WARNINGS": "1"},
    )  # fmt: skip
    clients = PackageClients(process)
    try:
        yield clients
    finally:
        clients.resume()
        await clients.close()


class Tunnels:
    """An address for some nodes, in the order in which they are tried. Its connections can be cut and silenced."""

    def __init__(self, nodes: list[str]) -> None:
        self._nodes = nodes
        self._writers: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> "Tunnels":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exception: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        """Where it listens."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def cut(self, chosen: Callable[[], bool] = lambda: True) -> None:
        """Close the connections that are chosen, without a word."""
        for writer in list(self._writers):
            if chosen():
                writer.transport.abort()

    def silence(self) -> None:
        """Leave the connections open and let nothing more through, as a network does that a phone has left."""
        self._silent |= self._writers

    def reset(self) -> None:
        """Close the connections that are silent."""
        for writer in list(self._silent):
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for url in self._nodes:
            host, _, port = url.removeprefix("http://").partition(":")
            try:
                from_node, to_node = await asyncio.open_connection(host, int(port))
            except OSError:
                continue
            self._writers.add(writer)
            for source, sink in ((reader, to_node), (from_node, writer)):
                task = asyncio.create_task(self._pump(source, sink, writer))
                self._tasks.add(task)
                task.add_done_callback(partial(self._ended, sink, writer))
            return
        writer.transport.abort()

    async def _pump(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError, RuntimeError):  # uvloop raises the latter when the other end was aborted
            while data := await source.read(65536):
                if client not in self._silent:
                    sink.write(data)
                    await sink.drain()

    def _ended(self, sink: asyncio.StreamWriter, client: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        # A callback runs even if the task was cancelled before its first step.
        self._tasks.discard(task)
        self._writers.discard(client)
        self._silent.discard(client)
        for each in (sink, client):
            each.transport.abort()
