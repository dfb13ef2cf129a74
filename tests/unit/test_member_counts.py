"""The events of joins and leaves in small and in large rooms, and the rate of member counts."""

import asyncio

import pytest

from gateway.keys import Room, chat_room, products_room, viewers_room
from gateway.realtime.presence.presence import Census, LocalPresence, PublishPermit
from gateway.services.streams import throttle
from gateway.services.streams.member_counts import NAMED, MemberCounts
from gateway.services.streams.throttle import Throttle
from tests.doubles import Recorder, stand_in
from tests.timing import scaled, stays, time_limit, until

CHAT = chat_room("demo")


async def test_a_small_chat_room_gets_one_event_per_person() -> None:
    received = Recorder()
    attendance = MemberCounts(LocalPresence(), received)
    assert [(await attendance.enter(CHAT, who)).count for who in ("ann", "ann", "bob")] == [1, 1, 2]
    assert [(await attendance.leave(CHAT, who)).count for who in ("ann", "ann")] == [2, 1]
    assert (await attendance.census(CHAT)).count == 1
    assert [(event, payload["data"]["userId"], payload["data"]["liveId"]) for _, event, payload in received.events] == [
        ("chat:user-joined", "ann", "demo"),
        ("chat:user-joined", "bob", "demo"),
        ("chat:user-left", "ann", "demo"),
    ]


async def test_a_large_chat_room_gets_one_event_with_the_number() -> None:
    received = Recorder()
    attendance = MemberCounts(LocalPresence(), received)
    for number in range(NAMED + 20):
        await attendance.enter(CHAT, f"{number}")
    assert len(received.named("chat:user-joined")) == NAMED
    await attendance.close()  # tells what is due without waiting
    assert received.named("chat:room-state") == [
        {"type": "chat:room-state", "data": {"liveId": "demo", "members": NAMED + 20}}
    ]


async def test_the_root_namespace_gets_names_in_small_rooms_and_no_numbers() -> None:
    received = Recorder()
    attendance = MemberCounts(LocalPresence(), received)
    room = products_room("demo")
    for number in range(NAMED + 1):
        await attendance.enter(room, f"{number}")
    await attendance.leave(room, "0")
    await attendance.close()
    assert [event for _, event, _ in received.events] == ["user:joined"] * NAMED + ["user:left"]
    assert {payload["streamId"] for payload in received.named("user:joined", "user:left")} == {"demo"}


async def test_a_login_of_a_guest_is_neither_a_join_nor_a_leave() -> None:
    received = Recorder()
    attendance = MemberCounts(LocalPresence(), received)
    await attendance.enter(CHAT, "guest_1")
    received.events.clear()
    await attendance.move(CHAT, "guest_1", "ann")
    assert received.events == []
    await attendance.leave(CHAT, "ann")
    assert [payload["data"]["userId"] for payload in received.named("chat:user-left")] == ["ann"]


async def test_a_login_of_a_guest_with_another_tab_changes_the_count() -> None:
    received = Recorder()
    attendance = MemberCounts(LocalPresence(), received)
    for who in ("guest_1", "guest_1", "ann"):
        await attendance.enter(CHAT, who)
    received.events.clear()
    await attendance.move(CHAT, "guest_1", "ann")  # the other tab is still a guest's, and ann was there
    assert (received.events, (await attendance.census(CHAT)).count) == ([], 2)
    await attendance.move(CHAT, "guest_1", "ann")
    assert [(event, payload["data"]["userId"]) for _, event, payload in received.events] == [
        ("chat:user-left", "guest_1")
    ]
    assert (await attendance.census(CHAT)).count == 1


class Reports:
    """A room whose count changes, and its published counts; each permit takes 20 ms, or `interval` s."""

    def __init__(self, interval: float = 0.02) -> None:
        self.presence = LocalPresence(interval)
        self.throttled = Throttle(self.presence, self.tell, "test")
        self.counts: list[int] = []
        self.rooms: list[Room] = []
        self.broken = 0

    async def tell(self, room: Room, census: Census) -> None:
        if self.broken:
            self.broken -= 1
            raise RuntimeError("lost")
        self.rooms.append(room)
        self.counts.append(census.count)

    def come(self, *people: str, room: Room = CHAT) -> None:
        for who in people:
            census = self.presence.add(room, who)
            self.throttled.due(room, at_once=census.count == 1)

    def go(self, *people: str, room: Room = CHAT) -> None:
        for who in people:
            census = self.presence.remove(room, who)
            self.throttled.due(room, at_once=census.count == 0)

    async def until(self, *counts: int) -> None:
        await until(lambda: self.counts == list(counts))


async def test_repeated_changes_are_published_once_per_permit() -> None:
    reported = Reports(interval=scaled(0.2))
    reported.come("a")
    await reported.until(1)
    reported.come(*"bcdefgh")
    reported.come(*"xyz", room=viewers_room("demo"))
    await reported.throttled.close()
    assert reported.counts == [1, 3, 8]
    assert reported.rooms == [CHAT, viewers_room("demo"), CHAT]
    assert [task for task in asyncio.all_tasks() if task.get_name() == "test"] == []


async def test_changes_from_and_to_zero_do_not_wait_for_a_permit() -> None:
    reported = Reports(interval=60)
    reported.come("a")
    await reported.until(1)
    reported.come("b")
    await stays(lambda: reported.counts == [1], seconds=0.02)
    reported.go(*"ab")
    await reported.until(1, 0)
    reported.come("a")
    await reported.until(1, 0, 1)


async def test_a_change_and_its_reversal_are_published_again() -> None:
    """A client may have got the count in between from an ack."""
    reported = Reports()
    reported.come("a")
    await reported.until(1)
    reported.come("b")
    reported.go("b")
    await reported.throttled.close()
    assert reported.counts == [1, 1]


async def test_a_failed_publication_is_repeated() -> None:
    reported = Reports()
    reported.broken = 1
    reported.come("a")
    await reported.throttled.close()
    assert reported.counts == []
    reported.come("b")
    await reported.throttled.close()
    assert reported.counts == [2]


class Busy:
    """A room that other nodes change all the time, so that there is always more to tell."""

    def __init__(self, permit: PublishPermit) -> None:
        self._permit = permit

    async def claim_permit(self, _room: Room) -> PublishPermit:
        await asyncio.sleep(0)
        return self._permit

    async def published(self, _room: Room, _permit: PublishPermit) -> bool:
        return True


@pytest.mark.parametrize("permit", [PublishPermit(Census(9, 9, changed=False), change=1), PublishPermit(wait=0.01)])
async def test_a_stopping_node_leaves_a_busy_room_to_other_nodes(
    permit: PublishPermit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "CLOSING", 0.1)
    reported = Reports()
    reported.throttled._permits = stand_in(Busy(permit))
    reported.throttled.due(CHAT)
    async with time_limit(2):
        await reported.throttled.close()
    assert (len(reported.counts) > 0) == (permit.census is not None)
    await asyncio.sleep(0)
    assert [task for task in asyncio.all_tasks() if task.get_name() == "test"] == []
