"""The official JavaScript client for the tests: one Node process, any number of sockets."""

import asyncio
import contextlib
import itertools
import json
import shutil
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

from tests.client.socket import ClientSocket
from tests.timing import time_limit

HERE = Path(__file__).parent

Transport = Literal["websocket", "polling", "upgrade"]
TRANSPORTS: tuple[Transport, ...] = ("websocket", "polling", "upgrade")
_OFFERED: dict[Transport, list[str]] = {
    "websocket": ["websocket"],
    "polling": ["polling"],
    "upgrade": ["polling", "websocket"],
}


class Client:
    """The Node process with the official client in it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._numbers = itertools.count(1)
        self._calls: dict[int, asyncio.Future[list[Any]]] = {}
        self._sockets: dict[str, ClientSocket] = {}
        self._reader = asyncio.create_task(self._read(), name="client driver")

    async def connect(self, url: str, namespace: str = "/", **how: Any) -> ClientSocket:
        """Open a socket and wait until it is connected; see `open`. Raises RefusedError."""
        return await self.open(url, namespace, **how).connected()

    def open(
        self,
        url: str,
        namespace: str = "/",
        *,
        token: str | None = None,
        transport: Transport = "websocket",
        beside: ClientSocket | None = None,
        **options: Any,
    ) -> ClientSocket:
        """Begin to open a socket, with a connection of its own or on that of `beside`.

        `token` is sent as `auth.token`; other options are the client library's own.
        """
        socket = ClientSocket(self, f"{next(self._numbers)}:{namespace}")
        self._sockets[socket.name] = socket
        options.setdefault("transports", _OFFERED[transport])
        if token is not None:
            options["auth"] = {"token": token}
        self.tell(
            "open",
            name=socket.name,
            url=url,
            namespace=namespace,
            options=options,
            beside=beside.name if beside else None,
        )
        return socket

    def tell(self, command: str, **fields: Any) -> None:
        """Write one command to the driver."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **fields}).encode() + b"\n")

    async def ask(self, command: str, within: float, **fields: Any) -> dict[str, Any]:
        """Write one command whose answer is an ack, and give the ack."""
        number = next(self._numbers)
        future = self._calls[number] = asyncio.get_running_loop().create_future()
        self.tell(command, call=number, **fields)
        try:
            async with time_limit(within):
                answer = await future
        except TimeoutError:
            raise AssertionError(f"no ack in {within} s for {fields}") from None
        finally:
            del self._calls[number]
        assert len(answer) == 1, f"an ack has one argument, not {answer}"
        assert isinstance(answer[0], dict)
        return answer[0]

    def forget_all(self) -> None:
        """Close every socket: the end of a test."""
        for name in self._sockets:
            self.tell("forget", name=name)
        self._sockets.clear()

    async def close(self) -> None:
        """End the Node process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        await self._process.wait()
        await self._reader

    async def _read(self) -> None:
        assert self._process.stdout is not None
        async for raw in self._process.stdout:
            line = json.loads(raw)
            if "call" in line:
                future = self._calls.get(line["call"])
                if future is not None and not future.done():
                    future.set_result(line["answer"])
            elif (socket := self._sockets.get(line["socket"])) is not None:
                socket.received(line)


@contextlib.asynccontextmanager
async def official_client() -> AsyncIterator[Client]:
    """Start the Node process, and end it."""
    # The machine's own, or the one that was installed into the environment.
    node = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert node, "the client tests need Node on the PATH"
    assert (HERE / "node_modules").is_dir(), "run `make install` first: the client tests need socket.io-client"
    process = await asyncio.create_subprocess_exec(
        node,
        str(HERE / "driver.mjs"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=16 * 1024 * 1024,
    )
    client = Client(process)
    try:
        yield client
    finally:
        await client.close()
