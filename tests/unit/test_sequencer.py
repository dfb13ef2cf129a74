"""The sequencer: logged events in the order of their places, each once, what is missing from the log."""

import asyncio
from collections.abc import AsyncIterator
from contextvars import ContextVar

import pytest

from gateway.keys import Room, chat_room, viewers_room
from gateway.metrics import Metrics
from gateway.realtime.fanout import sequencer
from gateway.realtime.fanout.sequencer import Sequencer
from gateway.realtime.logged import Head, LoggedEvent, Place
from gateway.realtime.packets import logged_packet, with_offset
from tests.delivered_packets import DeliveredPackets
from tests.doubles import EventLog
from tests.timing import scaled, stays, turns, until

ROOM = chat_room("demo")


class Bench:
    """A sequencer, its log and its listeners."""

    def __init__(self) -> None:
        self.log = EventLog()
        self.log.rooms[ROOM] = []
        self.inbox = DeliveredPackets()
        self.metrics = Metrics()
        self.sequencer = Sequencer(self.log, self.inbox.deliver, self.metrics)

    def write(self, count: int, room: Room = ROOM) -> None:
        for _ in range(count):
            self.log.write(room, f'{{"n":{len(self.log.rooms[room]) + 1}}}')

    def offer(self, *seqs: int) -> None:
        for seq in seqs:
            self.sequencer.offer(ROOM, seq, logged_packet(ROOM.namespace, "e", f'{{"n":{seq}}}'))

    def offer_own(self, seq: int) -> None:
        self.sequencer.offer_next(ROOM, seq, logged_packet(ROOM.namespace, "e", f'{{"n":{seq}}}'))

    @property
    def received(self) -> list[int]:
        """The places of what was delivered, which must be as it was written, with its offset."""
        seqs = [int(packet.rpartition(b".")[2].removesuffix(b'"]')) for packet in self.inbox.of(ROOM)]
        assert self.inbox.of(ROOM) == [published(seq) for seq in seqs]
        return seqs

    async def until(self, *seqs: int) -> None:
        await self.inbox.until(lambda _: self.received == list(seqs))

    def counted(self, name: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"dorami_room_{name}_total")


def published(seq: int) -> bytes:
    return with_offset(logged_packet(ROOM.namespace, "e", f'{{"n":{seq}}}'), f"live:demo@{EventLog.EPOCH[:8]}.{seq}")


@pytest.fixture
async def bench(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    monkeypatch.setattr(sequencer, "LATE", scaled(0.05))
    monkeypatch.setattr(sequencer, "RETRY", 0.01)
    monkeypatch.setattr(sequencer, "CHECK", 60.0)
    bench = Bench()
    await bench.sequencer.start()
    yield bench
    await bench.sequencer.close()


async def test_an_offset_is_the_last_argument(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.offer(1)
    assert bench.inbox.of(ROOM) == [b'2/chat,["e",{"n":1},"live:demo@01234567.1"]']


async def test_events_in_order_are_delivered_without_reading_the_log(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(3)
    bench.offer(1, 2, 3)
    assert bench.received == [1, 2, 3]
    assert bench.log.reads == 0


async def test_repeats_are_dropped(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(3)
    bench.offer(1, 1, 2, 1, 2, 3, 3)
    assert bench.received == [1, 2, 3]


async def test_early_events_wait_for_earlier_ones(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(5)
    bench.offer(3, 2, 5)
    assert bench.received == []
    bench.offer(1)
    assert bench.received == [1, 2, 3]
    bench.offer(4)
    assert bench.received == [1, 2, 3, 4, 5]
    await asyncio.sleep(2 * sequencer.LATE)  # in which the log would be read
    assert bench.log.reads == 0  # the late ones came in time


async def test_an_own_event_is_delivered_at_once_only_if_it_is_next(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(4)
    bench.offer_own(1)
    assert bench.received == [1]
    bench.offer_own(3)  # another node has stored the second, and Redis will bring both
    assert bench.received == [1]
    await asyncio.sleep(2 * sequencer.LATE)  # nothing happens that could be waited for
    assert bench.log.reads == 0  # an own event that is not next starts no wait for the events before it
    bench.offer(1, 2, 3)
    bench.offer_own(3)
    bench.offer(4)
    assert bench.received == [1, 2, 3, 4]


async def test_an_own_event_releases_held_ones(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(2)
    bench.offer(2)
    bench.offer_own(1)
    assert bench.received == [1, 2]


async def test_an_own_event_waits_while_the_place_is_unknown(bench: Bench) -> None:
    bench.log.away = True
    await bench.sequencer.watch(ROOM)
    bench.offer_own(1)
    assert bench.inbox.of(ROOM) == []


async def test_missing_events_are_read_from_the_log(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(6)
    bench.offer(1, 3, 6)
    await bench.until(1, 2, 3, 4, 5, 6)
    assert bench.log.reads == 1
    assert (bench.counted("gaps"), bench.counted("events_caught_up"), bench.counted("events_lost")) == (1, 5, 0)
    bench.offer(2, 4, 5)
    assert bench.received == [1, 2, 3, 4, 5, 6]


async def test_a_room_is_delivered_from_its_present_place(bench: Bench) -> None:
    bench.write(10)
    await bench.sequencer.watch(ROOM)
    assert bench.sequencer.place(ROOM) == Place(EventLog.EPOCH, 10)
    bench.offer(9, 10)
    assert bench.received == []
    bench.write(1)
    bench.offer(11)
    assert bench.received == [11]


async def test_events_wait_while_the_log_is_read(bench: Bench) -> None:
    bench.write(2)
    watching = [asyncio.create_task(bench.sequencer.watch(ROOM)) for _ in range(3)]
    await asyncio.sleep(0)
    bench.offer(4, 2, 3)
    assert bench.received == []
    await asyncio.gather(*watching)
    assert bench.received == [3, 4]


async def test_a_cancelled_waiter_does_not_affect_others(bench: Bench) -> None:
    watching = [asyncio.create_task(bench.sequencer.watch(ROOM)) for _ in range(2)]
    await asyncio.sleep(0)
    watching[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching[0]
    await watching[1]
    assert bench.sequencer.place(ROOM) == Place(EventLog.EPOCH, 0)


async def test_a_comparison_with_the_logs_finds_lost_events(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(450)  # more than a page
    bench.sequencer.check()
    await bench.until(*range(1, 451))
    assert bench.log.reads == 3


async def test_events_that_arrive_after_a_comparison_are_not_read(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(2)
    bench.sequencer.check()
    await asyncio.sleep(sequencer.LATE / 2)  # ends before the wait of the comparison, which begins later
    bench.offer(1, 2)
    await asyncio.sleep(2 * sequencer.LATE)  # in which the log would be read
    assert bench.received == [1, 2]
    assert bench.log.reads == 0


async def test_trimmed_events_are_skipped(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(20)
    bench.log.rooms[ROOM] = bench.log.rooms[ROOM][17:]
    bench.offer(20)
    await bench.until(18, 19, 20)
    assert bench.counted("events_lost") == 17
    assert bench.sequencer.place(ROOM) == Place(EventLog.EPOCH, 20)


async def test_deleted_messages_keep_their_place_without_delivery(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(3)
    bench.log.rooms[ROOM][1] = LoggedEvent(2, "e", None)
    bench.offer(3)
    await bench.until(1, 3)
    bench.write(1)
    bench.offer(4)
    assert bench.received == [1, 3, 4]


async def test_an_event_that_is_not_in_the_log_is_dropped(bench: Bench) -> None:
    """Foreign entries in our Redis can neither make a room wait for ever nor make it deaf."""
    await bench.sequencer.watch(ROOM)
    bench.write(1)
    bench.offer(1, 10**17)
    await until(lambda: bench.log.reads, what="a look for the events before it")
    await turns()
    reads = bench.log.reads
    bench.write(2)
    bench.offer(2, 3)
    assert bench.received == [1, 2, 3]
    await asyncio.sleep(2 * sequencer.LATE)  # in which the log would be read
    assert (bench.received, bench.log.reads) == ([1, 2, 3], reads)


async def test_the_log_is_read_outside_of_transactions(bench: Bench) -> None:
    """Who publishes may hold a connection, which Tortoise keeps in a context variable; tasks inherit those."""
    transaction: ContextVar[str | None] = ContextVar("transaction", default=None)
    seen: list[str | None] = []
    after = bench.log.after

    async def spy(room: Room, seq: int, limit: int) -> list[LoggedEvent]:
        seen.append(transaction.get())
        return await after(room, seq, limit)

    bench.log.after = spy  # type: ignore[method-assign]
    await bench.sequencer.watch(ROOM)
    bench.write(2)
    token = transaction.set("open")
    bench.offer(2)
    transaction.reset(token)
    await bench.until(1, 2)
    assert seen == [None]


async def test_a_gap_waits_for_an_unavailable_log(bench: Bench) -> None:
    await bench.sequencer.watch(ROOM)
    bench.write(3)
    bench.log.away = True
    bench.offer(1, 3)
    await until(lambda: bench.log.reads > 1, what="another attempt to read the log")
    assert bench.received == [1]
    bench.log.away = False
    await bench.until(1, 2, 3)


async def test_events_beyond_the_buffer_are_read_from_the_log(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sequencer, "HELD", 5)
    await bench.sequencer.watch(ROOM)
    bench.write(50)
    bench.offer(*range(2, 51))
    await bench.until(*range(1, 51))


async def test_a_room_with_an_unknown_log_gets_events_as_they_arrive(bench: Bench) -> None:
    bench.write(5)
    bench.log.away = True
    await bench.sequencer.watch(ROOM)
    packet = logged_packet(ROOM.namespace, "e", "{}")
    bench.sequencer.offer(ROOM, 7, packet)
    assert bench.inbox.of(ROOM) == [packet]  # without an offset, which could not be used for a recovery
    bench.log.away = False
    await bench.sequencer.watch(ROOM)
    assert bench.sequencer.place(ROOM) == Place(EventLog.EPOCH, 5)


async def test_a_new_epoch_is_followed(bench: Bench) -> None:
    bench.write(5)
    await bench.sequencer.watch(ROOM)
    bench.log.epoch, bench.log.rooms[ROOM] = "another", []
    bench.write(1)
    bench.sequencer.check()
    await until(lambda: bench.sequencer.place(ROOM) == Place("another", 1), within=1)


async def test_rooms_without_a_log_are_not_read(bench: Bench) -> None:
    room = viewers_room("demo")
    await bench.sequencer.watch(room)
    assert bench.sequencer.place(room) is None
    asked: list[Room] = []
    heads = bench.log.heads

    async def spy(rooms: list[Room]) -> dict[Room, Head]:
        asked.extend(rooms)
        return await heads(rooms)

    bench.log.heads = spy  # type: ignore[method-assign, assignment]
    await bench.sequencer.watch(room)
    await bench.sequencer.watch(ROOM)
    bench.sequencer.check()
    await stays(lambda: room not in asked, seconds=0.02)


async def test_reach_waits_for_a_log_position(bench: Bench) -> None:
    assert not await bench.sequencer.reach(ROOM, 1, 1.0)  # not watched
    await bench.sequencer.watch(ROOM)
    bench.write(3)
    assert await bench.sequencer.reach(ROOM, 3, 1.0)
    assert bench.received == [1, 2, 3]
    assert not await bench.sequencer.reach(ROOM, 4, 1.0)


async def test_a_room_that_is_left_is_forgotten(bench: Bench) -> None:
    before = asyncio.all_tasks()
    await bench.sequencer.watch(ROOM)
    bench.write(3)
    bench.offer(3)
    bench.sequencer.forget(ROOM)
    await asyncio.sleep(2 * sequencer.LATE)  # in which the log would be read
    assert bench.received == []
    assert asyncio.all_tasks() == before
