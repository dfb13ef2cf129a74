"""Who hears what when people come and go, in small rooms and in large ones; and the pace of numbers."""

import asyncio

from gateway.keys import chat_room, products_room, viewers_room
from gateway.realtime.presence import LocalPresence
from gateway.services.attendance import NAMED, Attendance
from gateway.services.pace import Paced
from tests.doubles import Heard

CHAT = chat_room("demo")


async def test_a_small_chat_room_hears_names_once_a_person() -> None:
    heard = Heard()
    attendance = Attendance(LocalPresence(), heard)
    assert [(await attendance.entered(CHAT, who)).count for who in ("ann", "ann", "bob")] == [1, 1, 2]
    assert [(await attendance.left(CHAT, who)).count for who in ("ann", "ann")] == [2, 1]
    assert (await attendance.census(CHAT)).count == 1
    assert [(event, payload["data"]["userId"], payload["data"]["liveId"]) for _, event, payload in heard.events] == [
        ("chat:user-joined", "ann", "demo"),
        ("chat:user-joined", "bob", "demo"),
        ("chat:user-left", "ann", "demo"),
    ]


async def test_a_large_chat_room_hears_a_number_once_for_all() -> None:
    heard = Heard()
    attendance = Attendance(LocalPresence(), heard)
    for number in range(NAMED + 20):
        await attendance.entered(CHAT, f"{number}")
    assert len(heard.named("chat:user-joined")) == NAMED
    await attendance.close()  # tells what is due without waiting
    assert heard.named("chat:room-state") == [
        {"type": "chat:room-state", "data": {"liveId": "demo", "members": NAMED + 20}}
    ]


async def test_the_root_hears_names_while_the_room_is_small_and_no_numbers() -> None:
    heard = Heard()
    attendance = Attendance(LocalPresence(), heard)
    room = products_room("demo")
    for number in range(NAMED + 1):
        await attendance.entered(room, f"{number}")
    await attendance.left(room, "0")
    await attendance.close()
    assert [event for _, event, _ in heard.events] == ["user:joined"] * NAMED + ["user:left"]
    assert {payload["streamId"] for payload in heard.named("user:joined", "user:left")} == {"demo"}


async def test_a_guest_who_logs_in_neither_comes_nor_goes() -> None:
    heard = Heard()
    attendance = Attendance(LocalPresence(), heard)
    await attendance.entered(CHAT, "guest_1")
    heard.events.clear()
    await attendance.became(CHAT, "guest_1", "ann")
    assert heard.events == []
    await attendance.left(CHAT, "ann")
    assert [payload["data"]["userId"] for payload in heard.named("chat:user-left")] == ["ann"]


async def test_a_guest_who_logs_in_beside_another_tab_changes_the_number() -> None:
    heard = Heard()
    attendance = Attendance(LocalPresence(), heard)
    for who in ("guest_1", "guest_1", "ann"):
        await attendance.entered(CHAT, who)
    heard.events.clear()
    await attendance.became(CHAT, "guest_1", "ann")  # the other tab is still a guest's, and ann was there
    assert (heard.events, (await attendance.census(CHAT)).count) == ([], 2)
    await attendance.became(CHAT, "guest_1", "ann")
    assert [(event, payload["data"]["userId"]) for _, event, payload in heard.events] == [("chat:user-left", "guest_1")]
    assert (await attendance.census(CHAT)).count == 1


class Told:
    """Remembers what was told."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    async def tell(self, key: str) -> None:
        self.keys.append(key)


async def test_what_is_due_again_and_again_is_told_once() -> None:
    told = Told()
    paced = Paced(0.01, told.tell, "test")
    for _ in range(100):
        paced.due("a")
        paced.due("b")
    assert told.keys == []
    await asyncio.sleep(0.05)
    assert sorted(told.keys) == ["a", "b"]
    assert [task for task in asyncio.all_tasks() if task.get_name() == "test"] == []


async def test_what_is_due_at_once_waits_for_nothing() -> None:
    told = Told()
    paced = Paced(60, told.tell, "test")
    paced.due("a")
    paced.due("a", at_once=True)
    paced.due("b")
    async with asyncio.timeout(1):
        while told.keys != ["a"]:  # noqa: ASYNC110
            await asyncio.sleep(0)
        await paced.close()
    assert told.keys == ["a", "b"]


async def test_what_becomes_due_while_it_is_told_is_told_again() -> None:
    keys: list[str] = []

    async def tell(key: str) -> None:
        keys.append(key)
        if len(keys) == 1:
            paced.due(key, at_once=True)

    paced = Paced(60, tell, "test")
    paced.due(viewers_room("demo").name, at_once=True)
    await paced.close()
    assert keys == ["stream:demo"] * 2


async def test_a_failure_to_tell_is_not_the_end() -> None:
    calls = 0

    async def tell(_key: str) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise RuntimeError("lost")

    paced = Paced(60, tell, "test")
    paced.due("a", at_once=True)
    await asyncio.sleep(0.01)
    paced.due("a", at_once=True)
    await paced.close()
    assert calls == 2
