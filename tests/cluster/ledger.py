"""A load with a ledger: the messages sent, acked and read, and a check that none is lost or doubled."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import aiohttp
import asyncpg

from gateway.keys import chat_room, room_log_name
from tests.cluster.chat_sender import ChatSender, Sent, text
from tests.cluster.faulty_cluster import FaultyCluster, balancer
from tests.cluster.members import Member, OfficialMember
from tests.cluster.wire_member import WireMember
from tests.timing import allowed, grows, time_limit, until

SECONDS = float(os.environ.get("LEDGER_SECONDS", "0"))  # of a load by hand
LONG = SECONDS > 0

PROMPT = 1.0  # s from a message's first try to its last reader, within which everything flows
RUN = 15  # messages, one after the other, that make a flow
SETTLE = 20.0  # s that the last message may take to the last member, when all servers are there again


@dataclass(frozen=True)
class Size:
    """How large a load is."""

    rooms: int = 1
    listeners: int = 12  # on the wire, of all rooms
    officials: int = 2  # with the official client
    speakers: int = 6  # they listen, too
    rate: float = 30.0  # messages per second of all speakers
    length: int = 30  # characters of a message


class Ledger:
    """The members of some rooms, and what they sent and read."""

    def __init__(
        self, cluster: FaultyCluster, size: Size, rooms: list[str], members: list[Member], speakers: list[ChatSender]
    ) -> None:
        self._park = cluster
        self._size = size
        self.rooms = rooms
        self._speakers = speakers
        self._talk = [asyncio.create_task(speaker.run()) for speaker in speakers]
        self.members = members

    @property
    def sent(self) -> list[Sent]:
        """Every message, in the order of first tries."""
        return sorted((sent for speaker in self._speakers for sent in speaker.sent), key=lambda sent: sent.begun)

    async def close(self) -> None:
        """Let all speakers finish, wait until all messages are read, and check what was stored and read."""
        for speaker in self._speakers:
            speaker.stop()
        async with time_limit(SETTLE):
            await asyncio.gather(*self._talk)
        print(self.figures())
        for room in self.rooms:
            await self._settle(room)
            self._check_room(room, await self._stored(room))
        wrongs = [wrong for member in self.members for wrong in member.wrongs]
        assert not wrongs, wrongs
        tracebacks = self._park.tracebacks()
        assert not tracebacks, tracebacks

    async def abandon(self) -> None:
        """Cancel all speakers."""
        for task in self._talk:
            task.cancel()
        await asyncio.gather(*self._talk, return_exceptions=True)

    # --- the check ----------------------------------------------------------------------------------------------------

    def _acked(self, room: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.room == room]

    def _members(self, room: str) -> list[Member]:
        return [member for member in self.members if member.key == room]

    async def _settle(self, room: str) -> None:
        head = max((sent.seq for sent in self._acked(room)), default=0)

        def late() -> list[Member]:
            return [member for member in self._members(room) if member.reading.last < head]

        try:
            await until(lambda: not late(), within=SETTLE, pause=0.05)
        except AssertionError:
            raise AssertionError(f"up to {head}, members have read {[m.reading.last for m in late()]}") from None

    async def _stored(self, room: str) -> list[Any]:
        connection = await asyncpg.connect(self._park.postgres.url)
        try:
            head = await connection.fetchval("SELECT seq FROM rooms WHERE name = $1", room_log_name(chat_room(room)))
            rows = await connection.fetch(
                "SELECT seq, id::text, client_message_id, text FROM messages WHERE stream_key = $1 ORDER BY seq", room
            )
        finally:
            await connection.close()
        assert [row["seq"] for row in rows] == list(range(1, head + 1))  # no gaps, and nothing half-done
        return list(rows)

    def _check_room(self, room: str, rows: list[Any]) -> None:
        """Check that acked messages are stored once, and read once by all members in order."""
        acked = {sent.name: (sent.seq, sent.id) for sent in self._acked(room)}
        assert all(seq for seq, _ in acked.values())
        assert {row["client_message_id"]: (row["seq"], row["id"]) for row in rows} == acked
        assert len(rows) == len(acked)
        assert all(row["text"] == text(row["client_message_id"], self._size.length) for row in rows)
        order = [(row["seq"], row["id"]) for row in rows]
        for member in self._members(room):
            assert member.reading.lines == order[member.reading.begins :]

    # --- figures ------------------------------------------------------------------------------------------------------

    async def more(self, count: int = 10) -> None:
        """Wait until `count` more messages are acked: the load goes on."""
        await grows(lambda: sum(one.acked > 0 for one in self.sent), count, within=SETTLE, what="acked messages")

    async def flows_again(self, what: str) -> float:
        """Wait after a fault until a run of messages is read by all members within PROMPT s each.

        Returns the seconds from now until the first of them is sent.
        """
        since = monotonic()
        while monotonic() < since + allowed(SETTLE):
            await asyncio.sleep(0.1)
            window = [sent for sent in self.sent if since <= sent.begun < monotonic() - allowed(PROMPT)]
            slow = [
                number for number, sent in enumerate(window) if self._last_read(sent) - sent.begun > allowed(PROMPT)
            ]
            run = window[slow[-1] + 1 :] if slow else window
            if len(run) >= RUN:
                print(f"{what}: flows again after {run[0].begun - since:.2f} s")
                return run[0].begun - since
        raise AssertionError(f"{what}: nothing flows {allowed(SETTLE):g} s later; {self.figures()}")

    def latency(self, part: float) -> float:
        """Return the seconds from a message's first try to its last reader, as the quantile `part` of all messages."""
        took = sorted(self._last_read(sent) - sent.begun for sent in self.sent)
        return took[int(part * (len(took) - 1))]

    def _last_read(self, sent: Sent) -> float:
        return max(member.reading.moments.get(sent.seq, float("inf")) for member in self._members(sent.room))

    def figures(self) -> str:
        """Return the figures of the run as text."""
        sent = self.sent
        readings = [member.reading for member in self.members]
        troubles: dict[str, int] = {}
        for trouble in (trouble for one in sent for trouble in one.troubles):
            troubles[trouble] = troubles.get(trouble, 0) + 1
        return (
            f"{len(sent)} messages, {sum(one.tries - 1 for one in sent)} tried again {troubles}, "
            f"slowest answer {max(one.slowest for one in sent):.2f} s; {len(self.members)} members, "
            f"{sum(member.connects for member in self.members) - len(self.members)} came back, "
            f"{sum(member.recovered for member in self.members)} recovered, "
            f"{sum(reading.restarts for reading in readings)} began anew; "
            f"{sum(reading.repeated for reading in readings)} events came twice"
        )


@asynccontextmanager
async def open_ledger(cluster: FaultyCluster, size: Size) -> AsyncIterator[Ledger]:
    """Join members to rooms and start their messages. The end of the block stops all of it; `close` checks."""
    shop = cluster.shop
    rooms = [await shop.stream() for _ in range(size.rooms)]
    async with AsyncExitStack() as stack:
        # A socket of each member: no limit of the library's pool.
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        url = await stack.enter_async_context(balancer(cluster.somewhere))
        wires = [
            WireMember(http, cluster.somewhere, await shop.person(), rooms[number % size.rooms])
            for number in range(size.listeners + size.speakers)
        ]
        officials = [
            OfficialMember(shop.client, url, await shop.person(), rooms[number % size.rooms])
            for number in range(size.officials)
        ]
        members: list[Member] = [*wires, *officials]
        for member in members:
            stack.push_async_callback(member.stop)
        await asyncio.gather(*(member.start() for member in members))
        pause = size.speakers / size.rate
        speakers = [
            ChatSender(member, f"s{number}", pause, size.length) for number, member in enumerate(wires[: size.speakers])
        ]
        ledger = Ledger(cluster, size, rooms, members, speakers)
        stack.push_async_callback(ledger.abandon)
        yield ledger
