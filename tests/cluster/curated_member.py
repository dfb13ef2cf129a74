"""A member of a room that is curated while servers die: what a client shows, and what it asks for until it is done."""

import asyncio
import random
import time
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from gateway.protocol.payloads.chat import HISTORY
from tests.cluster.members import PAUSE
from tests.cluster.room_reader import RoomReader
from tests.cluster.shop import Person
from tests.cluster.wire_member import ANSWER, WireMember
from tests.timing import time_limit


class CuratedReader(RoomReader):
    """The messages and pins that a client shows, by all events of the room.

    `gone` says of each message when its deletion was acked: a client that connects after that must not see its text.
    """

    def __init__(self, gone: Mapping[str, float]) -> None:
        super().__init__()
        self.shown: dict[int, dict[str, Any]] = {}  # messages by place
        self.pinned: dict[str, None] = {}  # ids, in their order
        self.back: list[range] = []  # places that a client would read again
        self.returned: list[str] = []  # texts that came after they were gone
        self.connected = 0.0  # when this connection was begun
        self._gone = gone
        self._places: dict[str, int] = {}

    def joined(self, answer: dict[str, Any]) -> None:
        """See RoomReader."""
        cursor, fresh = answer["cursor"], not answer["recovered"]
        if fresh:
            self.restarts += self._epoch is not None
            self.begins = answer["history"][0]["seq"] if len(answer["history"]) == HISTORY else 0
            self.shown, self.pinned = {}, dict.fromkeys(pin["id"] for pin in answer["pinned"])
            for message in answer["history"]:
                self._show(message)
            for pin in answer["pinned"]:
                self._look(pin)
        else:
            for missed in answer["events"]:
                self.happened(missed["event"], missed["payload"]["data"], missed["seq"])
        self._epoch, self._last = cursor["epoch"], cursor["seq"]
        waiting, self._waiting = self._waiting or [], None
        for event in waiting:
            self.happened(**event)

    def received(self, message: dict[str, Any]) -> None:
        """Do nothing: the change was received as an event."""

    def published(self, event: str, data: dict[str, Any], seq: int) -> None:
        """Apply a broadcast of the room."""
        if self._waiting is None:
            self.happened(event, data, seq)
        else:
            self._waiting.append({"event": event, "data": data, "seq": seq})

    def happened(self, event: str, data: dict[str, Any], seq: int) -> None:
        """Something is next in the room's log."""
        if seq <= self._last:
            self.repeated += 1
            return
        self._last = seq
        match event:
            case "chat:message" if data["message"]:
                self._show(data)
            case "chat:message-deleted":
                self.shown.pop(self._places.get(data["messageId"], 0), None)
            case "chat:cleared":
                for place in range(data["fromSeq"], data["beforeSeq"]):
                    if place in self.shown and data.get("userId") in (None, self.shown[place]["userId"]):
                        del self.shown[place]
            case "chat:restored":
                self.back.append(range(data["fromSeq"], data["toSeq"] + 1))
            case "chat:pinned":
                self._look(data)
                self.pinned.pop(data["id"], None)
                self.pinned[data["id"]] = None
            case "chat:unpinned":
                self.pinned.pop(data["messageId"], None)

    def _show(self, message: dict[str, Any]) -> None:
        self._look(message)
        self.shown[message["seq"]] = message
        self._places[message["id"]] = message["seq"]

    def _look(self, message: dict[str, Any]) -> None:
        if message["message"] and self._gone.get(message["id"], self.connected) < self.connected:
            self.returned.append(message["message"])


class CuratedMember(WireMember):
    """A member who reads all events of the room, and repeats each request until it is answered."""

    reading: CuratedReader

    def __init__(
        self,
        http: aiohttp.ClientSession,
        where: Callable[[], str],
        person: Person,
        key: str,
        gone: Mapping[str, float],
    ) -> None:
        super().__init__(http, where, person, key)
        self.reading = CuratedReader(gone)

    async def done(self, event: str, **ask: Any) -> dict[str, Any]:
        """Ask until it is done, or refused for good; the answer's data or its error."""
        while True:
            await self.ready.wait()
            try:
                async with time_limit(ANSWER):
                    ack = await self._ask(event, {"liveId": self.key} | ask)
            except (ConnectionError, TimeoutError):
                continue
            if ack["ok"]:
                return dict(ack["data"])
            if not ack["error"]["retryable"] and ack["error"]["code"] != "NOT_IN_ROOM":
                return dict(ack["error"])
            await asyncio.sleep(random.uniform(0.05, PAUSE))

    async def _session(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.reading.connected = time.monotonic()
        await super()._session(socket)

    def _event(self, event: str, payload: Any, *rest: str) -> None:
        if rest:  # it is in the log, and this is its place
            self.reading.published(event, payload["data"], int(rest[0].rpartition(".")[2]))
        super()._event(event, payload, *rest)
