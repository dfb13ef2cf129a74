"""A room of many, by every transport: all receive the same in the same order, with each answer at its position."""

import asyncio
import json
from collections.abc import AsyncIterator

import aiohttp
import pytest

from gateway.realtime.engineio.options import EngineOptions
from gateway.realtime.socketio.frame_batches import MAX_UNBATCHED
from tests.integration.abuse_scene import JOIN, Scene, scene
from tests.integration.engineio_echo import Poller, hello, websocket
from tests.timing import PATIENCE, allowed, time_limit

SEPARATOR = "\x1e"
SPEAKERS = 4
BURSTS, BURST = 12, 8  # what each of them says
END = '42/lounge,["said",{"text":"end"}]'
LAST_ANSWER = f"43/lounge,{BURSTS * BURST - 1}["


@pytest.fixture
async def stage() -> AsyncIterator[Scene]:
    """Return a server with a lounge."""
    async with scene(EngineOptions()) as running:  # nobody is to be late on a busy machine
        yield running


class Member:
    """Receives everything from its join until the event "end"."""

    def __init__(self, http: aiohttp.ClientSession, stage: Scene, joined: asyncio.Barrier) -> None:
        self.http, self.echo, self.joined = http, stage.echo, joined
        self.received: list[str] = []

    async def run(self) -> None:
        """Join, receive, and disconnect."""
        async with websocket(self.http, self.echo) as socket:
            await hello(socket)
            await socket.send_str(f"4{JOIN}")
            await self.receive(socket)

    async def receive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Receive everything that arrives on a websocket."""
        while END not in self.received[-1:]:
            await self.take(await socket.receive_str(timeout=allowed(PATIENCE)))

    async def take(self, *packets: str) -> None:
        """Record what arrived; members that have joined wait for the others."""
        for packet in packets:
            if packet.startswith("40/lounge,"):
                await self.joined.wait()
            elif packet != "6":
                self.received.append(packet)

    @property
    def said(self) -> list[str]:
        """The events of the room that it received."""
        return [packet for packet in self.received if packet.startswith("42")]


class PollingMember(Member):
    """The same by polling; changes over to a websocket after so many polls, if it does."""

    def __init__(
        self, http: aiohttp.ClientSession, stage: Scene, joined: asyncio.Barrier, changes: int | None = None
    ) -> None:
        super().__init__(http, stage, joined)
        self.changes = changes

    async def run(self) -> None:
        """See Member."""
        poller = await Poller(self.http, self.echo).open()
        await poller.post(f"4{JOIN}")
        polls = 0
        while END not in self.received[-1:]:
            if polls == self.changes:
                await self.change(poller)
                return
            await self.poll(poller)
            polls += 1
        await poller.post("1")

    async def poll(self, poller: Poller) -> None:
        """One answer."""
        status, body = await poller.get()
        assert status == 200
        await self.take(*body.split(SEPARATOR))

    async def change(self, poller: Poller) -> None:
        """As the official client: probe, let the last poll end, change over."""
        last = asyncio.create_task(self.poll(poller))
        async with websocket(self.http, self.echo, poller.sid) as socket:
            await socket.send_str("2probe")
            assert await socket.receive_str(timeout=allowed(PATIENCE)) == "3probe"
            await last
            await socket.send_str("5")
            await self.receive(socket)


class PasserBy(Member):
    """Joins and disconnects over and over: each join writes the room's waiting frames first."""

    async def run(self) -> None:
        """See Member."""
        while True:
            async with websocket(self.http, self.echo) as socket:
                await hello(socket)
                await socket.send_str(f"4{JOIN}")
                for _ in range(5):
                    await socket.receive_str(timeout=allowed(PATIENCE))


class Speaker(Member):
    """Sends events in bursts, and asks for acks; when all speakers have theirs, one of them sends "end".

    The server keeps the order within a connection, not between two: without that wait, "end" may overtake messages.
    """

    def __init__(
        self, http: aiohttp.ClientSession, stage: Scene, joined: asyncio.Barrier, done: asyncio.Barrier, name: str
    ) -> None:
        super().__init__(http, stage, joined)
        self.done, self.name = done, name
        self.answered = asyncio.Event()

    async def receive(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """See Member."""
        speaking = asyncio.create_task(self.speak(socket))
        await super().receive(socket)
        await speaking

    async def take(self, *packets: str) -> None:
        """See Member."""
        await super().take(*packets)
        if any(packet.startswith(LAST_ANSWER) for packet in packets):
            self.answered.set()

    async def speak(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Send all events."""
        await self.joined.wait()
        for number in range(BURSTS * BURST):
            await socket.send_str(f'42/lounge,{number}["say",{{"text":"{self.name} {number}"}}]')
            if number % BURST == 0:
                await asyncio.sleep(0.003)  # between two bursts
        await self.answered.wait()
        if await self.done.wait() == 0:
            await socket.send_str('42/lounge,["say",{"text":"end"}]')

    def answered_in_place(self) -> None:
        """Check that each ack comes after the events of the room that were sent before it, and before later ones."""
        answers = [at for at, packet in enumerate(self.received) if packet.startswith("43")]
        numbers = [int(self.received[at].removeprefix("43/lounge,").partition("[")[0]) for at in answers]
        assert numbers == list(range(BURSTS * BURST))
        for number, at in enumerate(answers):
            assert json.loads(self.received[at].partition(f",{number}")[2])[0]["ok"] is True
            before = [packet for packet in self.received[:at] if f'"{self.name} ' in packet and packet.startswith("42")]
            assert len(before) == number + 1


async def test_all_clients_receive_the_same_events_in_order(stage: Scene) -> None:
    listeners, polling, changing = MAX_UNBATCHED, 3, 6
    # A speaker waits twice: as it is let in, and before it speaks.
    joined = asyncio.Barrier(listeners + polling + changing + 2 * SPEAKERS)
    done = asyncio.Barrier(SPEAKERS)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        speakers = [Speaker(http, stage, joined, done, f"s{number}") for number in range(SPEAKERS)]
        members = [
            *speakers,
            *(Member(http, stage, joined) for _ in range(listeners)),
            *(PollingMember(http, stage, joined) for _ in range(polling)),
            *(PollingMember(http, stage, joined, changes=2 + number) for number in range(changing)),
        ]
        passing = [asyncio.create_task(PasserBy(http, stage, joined).run()) for _ in range(3)]
        try:
            async with time_limit(30), asyncio.TaskGroup() as tasks:
                for member in members:
                    tasks.create_task(member.run())
        finally:
            for task in passing:
                task.cancel()
            await asyncio.wait(passing)
    said = members[-1].said
    assert len(said) == len(set(said)) == SPEAKERS * BURSTS * BURST + 1
    assert all(member.said == said for member in members)
    for speaker in speakers:
        speaker.answered_in_place()
