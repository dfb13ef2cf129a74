"""Reading what returning sockets have missed: once for many, exact for each, and never what was deleted."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.errors import Unavailable
from gateway.keys import Room, chat_room
from gateway.realtime.logged import LoggedEvent, Place
from gateway.realtime.socketio import missed_events
from gateway.realtime.socketio.missed_events import LIMIT, MissedEvent, MissedEvents
from tests.doubles import EventLog
from tests.timing import until

ROOM, OTHER = chat_room("demo"), chat_room("other")


class Reader:
    """Missed events of a log in memory."""

    def __init__(self) -> None:
        self.log = EventLog()
        self.missed = MissedEvents(self.log)
        self.write(10)

    def write(self, count: int, room: Room = ROOM) -> None:
        for _ in range(count):
            self.log.write(room, '{"n":1}')

    async def after(self, seq: int, room: Room = ROOM, epoch: str = EventLog.EPOCH) -> list[MissedEvent]:
        return (await self.missed.after({room: Place(epoch, seq)}))[room]

    async def places(self, seq: int, room: Room = ROOM) -> list[int]:
        return [event.seq for event in await self.after(seq, room)]


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    reader = Reader()
    yield reader
    await reader.missed.close()


async def test_many_sockets_share_one_reading(reader: Reader) -> None:
    found = await asyncio.gather(*(reader.places(seq % 10) for seq in range(400)))
    assert found == [list(range(seq % 10 + 1, 11)) for seq in range(400)]
    assert (reader.log.statements, reader.log.reads) == (1, 1)


async def test_an_event_is_encoded_once_for_all_sockets(reader: Reader) -> None:
    [first], [second] = await asyncio.gather(reader.after(9), reader.after(9))
    assert first.frame is second.frame
    assert first.frame is not None
    assert first.frame.text == '42/chat,["e",{"n":1},"live:demo@01234567.10"]'


async def test_a_reading_is_used_while_the_log_is_the_same(reader: Reader) -> None:
    assert await reader.places(5) == await reader.places(5) == [6, 7, 8, 9, 10]
    assert await reader.places(8) == [9, 10]
    assert await reader.places(10) == []
    assert (reader.log.statements, reader.log.reads) == (4, 1)
    reader.write(1)
    assert await reader.places(8) == [9, 10, 11]
    assert await reader.places(7) == [8, 9, 10, 11]  # it begins before the kept reading
    assert reader.log.reads == 3


async def test_content_that_was_deleted_meanwhile_is_not_sent(reader: Reader) -> None:
    assert [event.frame is None for event in await reader.after(8)] == [False, False]
    reader.log.rooms[ROOM][8] = LoggedEvent(9, "e", None)
    reader.write(1)  # its deletion
    assert [event.frame is None for event in await reader.after(8)] == [True, False, False]


async def test_rooms_are_read_in_few_statements(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed_events, "STATEMENT", 4)
    rooms = [chat_room(f"{number}") for number in range(10)]
    for room in rooms:
        reader.write(2, room)
    found = await reader.missed.after({room: Place(EventLog.EPOCH, 1) for room in rooms})
    assert {room: [event.seq for event in events] for room, events in found.items()} == {room: [2] for room in rooms}
    assert (reader.log.statements, reader.log.reads) == (3, 10)


async def test_sockets_that_are_far_apart_get_as_many_events_each(reader: Reader) -> None:
    reader.write(2 * LIMIT)
    far, near = await asyncio.gather(reader.places(0), reader.places(LIMIT))
    assert far[:LIMIT] == list(range(1, LIMIT + 1))
    assert near[:LIMIT] == list(range(LIMIT + 1, 2 * LIMIT + 1))
    assert reader.log.statements == 1


async def test_a_reading_that_does_not_reach_the_head_is_not_kept(reader: Reader) -> None:
    reader.write(LIMIT)
    assert await reader.places(0) == list(range(1, LIMIT + 1))
    assert await reader.places(LIMIT) == list(range(LIMIT + 1, LIMIT + 11))
    assert reader.log.reads == 2


async def test_an_unknown_log_and_one_of_another_epoch_have_no_events(reader: Reader) -> None:
    assert await reader.after(0, OTHER) == []
    assert await reader.after(0, epoch="another") == []


async def test_the_least_recently_read_rooms_are_forgotten(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed_events, "ROOMS", 1)
    reader.write(1, OTHER)
    for room in (ROOM, OTHER, OTHER, ROOM):
        await reader.places(0, room)
    assert reader.log.reads == 3


async def test_readings_are_forgotten_when_nobody_returns(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(missed_events, "KEPT", 0.01)
    await reader.places(0)
    await until(lambda: not reader.missed._kept, what="the reading is forgotten")
    await reader.places(0)
    assert reader.log.reads == 2


async def test_an_outage_fails_all_who_wait(reader: Reader) -> None:
    reader.log.away = True
    found = await asyncio.gather(*(reader.after(0) for _ in range(3)), return_exceptions=True)
    assert [type(error) for error in found] == [Unavailable] * 3
    reader.log.away = False
    assert len(await reader.places(0)) == 10
