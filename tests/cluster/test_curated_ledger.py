"""Whatever dies while a room is curated: in the end everybody shows what is stored, and nothing that was deleted.

Short here. `LEDGER_SECONDS=12 pytest --timeout=900 -s tests/cluster/test_curated_ledger.py` is longer, with 15 seeds.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import asyncpg
import pytest

from gateway.keys import chat_room, room_log_name
from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.curated_member import CuratedMember
from tests.cluster.faulty_cluster import FaultyCluster
from tests.cluster.ledger import LONG, SECONDS, SETTLE
from tests.cluster.test_ledger import FAULTS
from tests.timing import time_limit

WRITERS, CURATORS = 6, 3
NEWEST = 30  # messages that anybody still cares about


class Room:
    """Who writes in it, who curates it, and what became of what they did."""

    def __init__(self, cluster: FaultyCluster, key: str, http: aiohttp.ClientSession) -> None:
        self._park = cluster
        self.key = key
        self._http = http
        self.members: list[CuratedMember] = []
        self._people: list[str] = []
        self._sent: list[str] = []  # ids of messages that were acked
        self._deleted: dict[str, float] = {}  # by id: when that was acked
        self._clears: list[str] = []
        self._over = asyncio.Event()

    async def come_in(self, role: str) -> CuratedMember:
        person = await self._park.shop.person(role)
        member = CuratedMember(self._http, self._park.somewhere, person, self.key, self._deleted)
        self.members.append(member)
        self._people.append(person.id)
        await member.start()
        return member

    def end(self) -> None:
        """Begin nothing more."""
        self._over.set()

    async def write(self, member: CuratedMember, name: str) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            text = f"text {name}-{number}"
            sent = await member.done("chat:send-message", message=text, clientMessageId=f"{name}-{number}")
            self._sent.append(sent["id"])
            await asyncio.sleep(random.uniform(0.2, 0.6))

    async def curate(self, member: CuratedMember, dice: random.Random) -> None:
        while not self._over.is_set():
            await asyncio.sleep(dice.uniform(0.05, 0.3))
            if self._sent:
                await self._curate(member, dice, dice.choice(self._sent[-NEWEST:]))

    async def _curate(self, member: CuratedMember, dice: random.Random, message: str) -> None:
        match dice.choices(["delete", "clear", "undo", "pin", "unpin"], [4, 1, 1, 3, 1])[0]:
            case "delete":
                answer = await member.done("chat:delete-message", messageId=message)
                assert "alreadyDeleted" in answer, answer
                self._deleted[message] = time.monotonic()
            case "clear":
                some: dict[str, Any] = dice.choice([{}, {"lastSeconds": 3}, {"userId": dice.choice(self._people)}])
                done = await member.done("chat:clear", **some)
                self._clears += [done["clearId"]] if done["clearId"] else []
            case "undo" if self._clears:
                await member.done("chat:undo-clear", clearId=dice.choice(self._clears[-3:]))
            case "pin":
                await member.done("chat:pin-message", messageId=message, seconds=dice.choice([None, 1, 30]))
            case "unpin":
                await member.done("chat:unpin-message", messageId=message)

    # --- the check ----------------------------------------------------------------------------------------------------

    async def check(self) -> None:
        """Check that every member shows the stored messages after receiving all events."""
        connection = await asyncpg.connect(self._park.postgres.url)
        try:
            await self._settle(connection)
            rows = await connection.fetch(
                "SELECT id::text, seq, text FROM messages WHERE stream_key = $1 ORDER BY seq", self.key
            )
            pins = "SELECT message_id::text FROM pins WHERE stream_key = $1 ORDER BY created_at"
            pinned = [row["message_id"] for row in await connection.fetch(pins, self.key)]
        finally:
            await connection.close()
        assert sorted(row["id"] for row in rows) == sorted(self._sent)
        stored = {row["seq"]: row["text"] for row in rows if row["text"] is not None}
        assert not {row["id"] for row in rows if row["text"] is not None} & set(self._deleted)
        for member in self.members:
            reading = member.reading
            again = {place: stored[place] for places in reading.back for place in places if place in stored}
            shown = {place: message["message"] for place, message in reading.shown.items()} | again
            assert shown == {place: text for place, text in stored.items() if place >= reading.begins}
            assert list(reading.pinned) == pinned
            assert not reading.returned
            assert not member.wrongs
        came_back = sum(member.connects for member in self.members) - len(self.members)
        print(f"{len(rows)} messages, {len(stored)} of them left, {len(self._deleted)} deleted, {came_back} came back")
        assert not self._park.tracebacks()

    async def _settle(self, connection: Any) -> None:
        """Wait for the end of temporary pins, and until every member has received the last event."""
        due = "SELECT count(*) FROM pins WHERE stream_key = $1 AND ends_at IS NOT NULL"
        await connection.execute("UPDATE pins SET ends_at = now() WHERE stream_key = $1 AND ends_at > now()", self.key)
        async with time_limit(SETTLE):
            while await connection.fetchval(due, self.key):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            name = room_log_name(chat_room(self.key))
            head = await connection.fetchval("SELECT seq FROM rooms WHERE name = $1", name)
            while any(member.reading.last < head for member in self.members):  # noqa: ASYNC110
                await asyncio.sleep(0.1)


@asynccontextmanager
async def open_room(cluster: FaultyCluster) -> AsyncIterator[Room]:
    """Run all actors in a room until the block is left, or `end`."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        room = Room(cluster, await cluster.shop.stream(), http)
        writers = [await room.come_in("USER") for _ in range(WRITERS)]
        curators = [await room.come_in("ADMIN") for _ in range(CURATORS)]
        for member in room.members:
            stack.push_async_callback(member.stop)
        async with asyncio.TaskGroup() as tasks:
            for number, member in enumerate(writers):
                tasks.create_task(room.write(member, f"w{number}"))
            for number, member in enumerate(curators):
                tasks.create_task(room.curate(member, random.Random(number)))
            yield room
            room.end()
        await room.check()


@pytest.mark.parametrize("seed", range(15) if LONG else [4])
async def test_clients_show_what_is_stored_after_random_moderation(
    open_faulty_cluster: OpenFaultyCluster, seed: int
) -> None:
    dice = random.Random(seed)
    async with open_faulty_cluster() as cluster, open_room(cluster) as room:
        ends = time.monotonic() + (SECONDS or 6)
        while time.monotonic() < ends:
            name = dice.choice(sorted(FAULTS))
            print(name)
            await FAULTS[name](cluster, dice)
            dice.choice(room.members).drop()
            await asyncio.sleep(dice.uniform(0, 1))
