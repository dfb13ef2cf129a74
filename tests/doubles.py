"""Doubles and people for the tests of services: a fan-out that remembers, principals of every role. Called by tests."""

import asyncio
import json
import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from gateway.errors import Unavailable
from gateway.keys import Room
from gateway.protocol.broadcasts import BROADCASTS
from gateway.protocol.wire import Payload, Typed
from gateway.realtime.logged import Head, LoggedEvent, LogStamp, Place, Read, Wanted
from gateway.realtime.notices import Notice
from gateway.realtime.packets import event_packet, stamped_packet
from gateway.security.principal import Principal, Role


def stand_in(double: object) -> Any:
    """Return a double as any type: it has the methods that the test calls."""
    return double


class Recorder:
    """A fan-out that remembers what was published, in its order."""

    def __init__(self) -> None:
        self.events: list[tuple[Room, str, Any]] = []
        self.sent: list[tuple[str, Any]] = []  # the events as clients decode them: logged ones with their stamps
        self.notices: list[Notice] = []
        self.delay = 0.0  # s that publishing takes at most

    async def publish(self, room: Room, event: str, payload: Payload, stamp: LogStamp | None = None) -> None:
        """See Fanout."""
        await asyncio.sleep(random.uniform(0, self.delay))  # publications overtake each other
        declared = BROADCASTS[room.namespace][event]  # what the documents say of it
        data = payload.data if isinstance(payload, Typed) else payload
        assert (type(data), isinstance(payload, Typed), stamp is not None) == (
            declared.data,
            declared.typed,
            declared.logged,
        ), f"{event} is told as gateway/protocol/broadcasts.py does not say"
        self.events.append((room, event, payload.model_dump(mode="json")))
        if stamp is None:
            packet = event_packet(room.namespace, event, payload)
        else:
            packet = stamped_packet(room, event, payload.model_dump_json(), stamp)
        self.sent.append(decoded(packet))

    async def publish_encoded(self, room: Room, event: str, payload: str, stamp: LogStamp) -> None:
        """See Fanout."""
        declared = BROADCASTS[room.namespace][event]
        content = json.loads(payload)
        data = declared.data.model_validate(content["data"])
        assert Typed(type=content["type"], data=data).model_dump_json() == payload, "as a payload would be encoded"
        await self.publish(room, event, Typed(type=content["type"], data=data), stamp)

    async def notify(self, notice: Notice) -> None:
        """See Fanout."""
        self.notices.append(notice)

    def named(self, *events: str) -> list[Any]:
        """Return the payloads of these events."""
        return [payload for _, event, payload in self.events if event in events]


def decoded(packet: bytes) -> tuple[str, Any]:
    """Return the name and the payload in an encoded event."""
    event, payload = json.loads(packet[packet.index(b"[") :])
    return event, payload


class EventLog:
    """The logs of rooms in memory."""

    EPOCH = "0123456789abcdef"

    def __init__(self) -> None:
        self.rooms: dict[Room, list[LoggedEvent]] = {}
        self.epoch = self.EPOCH
        self.began: datetime | None = None
        self.away = False
        self.reads = 0  # of the events of a room, not of heads
        self.statements = 0  # of `read`

    def write(self, room: Room, payload: str | None = "{}", *, event: str = "e") -> int:
        """Add an event; its place."""
        events = self.rooms.setdefault(room, [])
        events.append(LoggedEvent(len(events) + 1, event, payload))
        return len(events)

    async def heads(self, rooms: Sequence[Room]) -> dict[Room, Head]:
        """See Log."""
        await self._ask()
        return {
            room: Head(Place(self.epoch, len(self.rooms[room])), self.began) for room in rooms if room in self.rooms
        }

    async def after(self, room: Room, seq: int, limit: int) -> list[LoggedEvent]:
        """See Log."""
        self.reads += 1
        await self._ask()
        return [event for event in self.rooms[room] if event.seq > seq][:limit]

    async def read(self, wanted: Mapping[Room, Wanted], limit: int) -> dict[Room, Read]:
        """See Log."""
        self.statements += 1
        found = {}
        for room, head in (await self.heads(list(wanted))).items():
            if head.place == wanted[room].known:
                found[room] = Read(head.place, [])
            else:
                self.reads += 1
                found[room] = Read(
                    head.place, [event for event in self.rooms[room] if event.seq > wanted[room].seq][:limit]
                )
        return found

    async def _ask(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("database")


def principal(role: Role = Role.USER, user_id: str | None = None) -> Principal:
    """Somebody of a role; whether they are in the database is another matter."""
    moment = datetime.now(UTC)
    return Principal(
        user_id=user_id or str(uuid4()),
        username="somebody",
        role=role,
        session_id="session",
        issued_at=moment,
        expires_at=moment + timedelta(minutes=15),
    )
