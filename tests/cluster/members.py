"""Members of a chat room who stay whatever happens to the servers: what they are, and one by the official client."""

import asyncio
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Protocol

from tests.client.client import Client
from tests.cluster.room_reader import RoomReader
from tests.cluster.shop import Person
from tests.timing import scaled, time_limit

if TYPE_CHECKING:
    from tests.client.socket import ClientSocket

ARRIVE = 30.0  # s that a member may take to come in
PAUSE = 0.3  # s at most between two tries to connect, or to send


class Member(Protocol):
    """Somebody in a room of the ledger."""

    key: str  # of its room
    reading: RoomReader
    warned: int  # number of `server:shutdown` events
    connects: int
    recovered: int  # connects that went on as the same socket
    wrongs: list[str]  # what no server should have said to it

    async def start(self) -> None:
        """Come in; returns when it is in the room."""

    async def stop(self) -> None:
        """Go."""


class OfficialMember:
    """A member with the official client as an app would use it: it reconnects and recovers by itself.

    Only what the library leaves to the app is done here: to join with `since` when it was not recovered.
    """

    def __init__(self, client: Client, url: str, person: Person, key: str) -> None:
        self._client = client
        self._url = url  # of a balancer: the library knows one address
        self._person = person
        self.key = key
        self.reading = RoomReader()
        self.warned = self.connects = self.recovered = 0
        self.wrongs: list[str] = []
        self.ready = asyncio.Event()
        self._socket: ClientSocket | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Come in; returns when it is in the room."""
        options: dict[str, Any] = {
            "reconnection": True,
            "reconnectionDelay": 100,
            "reconnectionDelayMax": 500,
            "timeout": int(scaled(5000)),
        }
        self._socket = self._client.open(self._url, "/chat", token=self._person.token, **options)
        self._socket.listener = self._heard
        async with time_limit(ARRIVE):
            await self.ready.wait()

    async def stop(self) -> None:
        """Go."""
        assert self._socket is not None
        self._socket.listener = lambda line: None
        for task in list(self._tasks):
            task.cancel()
        self._client.tell("forget", name=self._socket.name)

    def _heard(self, line: dict[str, Any]) -> None:
        assert self._socket is not None
        match line.get("event") or line["lifecycle"]:
            case "chat:message":
                self.reading.received(line["args"][0]["data"])
            case "server:shutdown":
                self.warned += 1
            case "connect":
                self.connects += 1
                if line["recovered"]:
                    self.recovered += 1
                else:
                    self.reading.cut()
                if self.reading.joining:
                    self._soon(self._join(0))
            case "connect_error" if line["data"] is not None:
                self.wrongs.append(f"refused: {line}")
            case "disconnect" if line["reason"] == "io server disconnect":
                self.wrongs.append(f"{line}")
            case "error" | "auth:revoked" | "auth:expired":
                self.wrongs.append(f"{line}")

    def _soon(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _join(self, pause: float) -> None:
        assert self._socket is not None
        await asyncio.sleep(pause)  # between two tries
        joins = self.connects
        since = self.reading.since()
        try:
            ack = await self._socket.ask("chat:join-room", {"liveId": self.key, **since})
        except AssertionError:
            return  # the connection was lost in between
        if joins != self.connects:
            return
        if ack["ok"]:
            self.reading.joined(ack["data"])
            self.ready.set()
        elif ack["error"]["retryable"]:
            self._soon(self._join(PAUSE))
        else:
            self.wrongs.append(f"join: {ack['error']}")
