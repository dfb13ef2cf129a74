"""Compares the walks drawn in the documents with the files that a traced node really crosses.

The node runs in this process, on real servers, and clients use it over websockets and HTTP. The trace has the files of
the project whose code runs between the first byte of a client and the last byte that clients get. Each walk is done
several times. Files that every run enters must be drawn. Drawn files must be entered in some run, tools by the station
above them or by its other tools. In some run the stations are entered in the drawn order.
"""

import json
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import pytest

from gateway.settings import Settings
from tests.client.raw import RawSocket, raw_websocket
from tests.seeded_node import SeededNode, seeded_node
from tests.timing import until

ROOT = Path(__file__).parents[2]
OURS = tuple(f"{ROOT / folder}/" for folder in ("gateway", "namespaces", "models"))
DRAWINGS = (ROOT / "docs" / "architecture.md", ROOT / "docs" / "walks.md")

TIMES = 4
ATTEMPTS = 3  # on a busy machine other work falls into a walk, and steps that do not wait for each other change places
MOST_STATIONS = 14  # of a chat message
MOST_FILES = 40  # of a chat message, with tools and ground

# Used by all walks, and not drawn: names, metrics, errors, log context, payloads, asyncio tools, clients of servers.
GROUND = (
    "gateway/concurrency/",
    "gateway/errors.py",
    "gateway/instruments.py",
    "gateway/keys.py",
    "gateway/logs.py",
    "gateway/metrics.py",
    "gateway/postgres/",
    "gateway/protocol/",
    "gateway/redis/",
)


class Trace:
    """Records the files of the project whose code runs in the event loop's thread, and which of them call which."""

    def __init__(self) -> None:
        self.files: dict[str, None] = {}  # in the order of their first entry
        self.calls: set[tuple[str, str]] = set()

    def __enter__(self) -> "Trace":
        sys.setprofile(self._entered)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.setprofile(None)

    def crossed(self, file: str) -> bool:
        """Return whether a file has been entered. `file` is the end of its path."""
        return any(name.endswith(file) for name in self.files)

    def _entered(self, frame: FrameType, event: str, _argument: object) -> None:
        name = frame.f_code.co_filename
        if event != "call" or not name.startswith(OURS):
            return
        self.files.setdefault(name)
        back = frame.f_back
        while back is not None and not _drawable(back.f_code.co_filename):
            back = back.f_back
        if back is not None and back.f_code.co_filename != name:
            self.calls.add((back.f_code.co_filename, name))


@cache
def _drawable(name: str) -> bool:
    """Whether a file is the project's and above the ground."""
    return name.startswith(OURS) and not _short(name).startswith(GROUND)


class Walk(NamedTuple):
    """The files that a walk crosses."""

    orders: list[list[str]]  # the files of each run in the order of their first entry, without the ground
    calls: set[tuple[str, str]]  # which file calls which, in every run
    callers: dict[str, set[str]]  # which files call each, in some run
    files: set[str]  # all files that are crossed in every run, with the ground

    @classmethod
    def of(cls, traces: list[Trace]) -> "Walk":
        """Return the walk that several runs have traced."""
        orders = [[name for name in map(_short, trace.files) if not name.startswith(GROUND)] for trace in traces]
        common = set.intersection(*(trace.calls for trace in traces))
        files = set.intersection(*(set(map(_short, trace.files)) for trace in traces))
        callers: dict[str, set[str]] = {}
        for one, other in set.union(*(trace.calls for trace in traces)):
            callers.setdefault(_short(other), set()).add(_short(one))
        return cls(orders, {(_short(one), _short(other)) for one, other in common}, callers, files)

    @property
    def always(self) -> set[str]:
        """The files above the ground that are crossed in every run. Others belong to something else."""
        return set.intersection(*map(set, self.orders))

    @property
    def ever(self) -> set[str]:
        """The files above the ground that are crossed in at least one run."""
        return set().union(*self.orders)


class Drawing(NamedTuple):
    """A walk as the documents draw it: stations hand the walk on; tools are used by the station above."""

    stations: list[str]
    tools: dict[str, str]  # each with its station

    @classmethod
    def of(cls, title: str) -> "Drawing":
        """Read the block of a title: a line for each station; below it its tools, indented."""
        text = "".join(document.read_text() for document in DRAWINGS)
        block = re.search(rf"```walk {re.escape(title)}\n(.*?)```", text, re.DOTALL)
        assert block, f"no document draws {title}"
        lines = [line for line in block[1].splitlines() if line.strip()]
        stations = [line.split()[0] for line in lines if not line.startswith(" ")]
        tools: dict[str, str] = {}
        station = ""
        for line in lines:
            if line.startswith(" "):
                tools[line.split()[0]] = station
            else:
                station = line.split()[0]
        assert len({*stations, *tools}) == len(lines), f"{title} draws a file twice"
        return cls(stations, tools)

    def compare(self, walk: Walk) -> None:
        """Check that the walk crosses exactly the drawn files, and that tools hand nothing on."""
        drawn = {*self.stations, *self.tools}
        assert walk.always - drawn == set(), "crossed and not drawn"
        assert drawn - walk.ever == set(), "drawn and not crossed"
        orders = [[name for name in order if name in self.stations] for order in walk.orders]
        assert self.stations in orders, "crossed in another order"
        for one, other in walk.calls:
            if one in self.tools and other in self.stations:
                assert (other, one) in walk.calls, f"{one} hands the walk on to {other}: it is no tool"
        owners = {**{station: station for station in self.stations}, **self.tools}
        for tool, station in self.tools.items():
            found = {owners.get(caller, caller) for caller in walk.callers.get(tool, ())}
            assert station in found or not found, f"{tool} is drawn below {station} and called from {found}"


def _short(name: str) -> str:
    return str(Path(name).relative_to(ROOT))


class Shop(SeededNode):
    """A node whose walks are traced."""

    async def connected(self, namespace: str, token: str) -> RawSocket:
        """Connect a websocket to one namespace."""
        socket = await self.connections.enter_async_context(raw_websocket(self.url))
        return await socket.join(namespace, token)

    async def walked(self, walk: Callable[[Trace], Awaitable[None]]) -> Walk:
        """Trace a walk, a function that enters the given trace where the walk begins."""
        await walk(Trace())  # so that one-time work is not traced
        traces = [Trace() for _ in range(TIMES)]
        for trace in traces:
            await walk(trace)
        return Walk.of(traces)

    async def compare(self, title: str, walk: Callable[[Trace], Awaitable[None]]) -> tuple[Drawing, Walk]:
        """Compare a walk with its drawing; return both. The drawing must be true in one of several attempts."""
        drawing = Drawing.of(title)
        for attempt in range(1, ATTEMPTS + 1):
            walked = await self.walked(walk)
            try:
                drawing.compare(walked)
            except AssertionError:
                if attempt == ATTEMPTS:
                    raise
            else:
                break
        return drawing, walked


@pytest.fixture
async def shop(settings: Callable[..., Settings]) -> AsyncIterator[Shop]:
    chosen = settings(http_rate_limit="1000/second", join_rate_limit="1000/second")
    async with seeded_node(chosen, Shop) as shop:
        yield shop


def event(name: str, **payload: Any) -> str:
    """Return an event in the form in which the test client takes it after the namespace."""
    return f'["{name}",{json.dumps(payload)}]'


async def test_walk_of_a_message(shop: Shop) -> None:
    sender, other = [await shop.connected("/chat", await shop.login(name)) for name in ("viewer1", "viewer2")]
    for socket in (sender, other):
        assert (await socket.answer("/chat," + event("chat:join-room", liveId="demo")))["ok"]
    numbers = iter(range(1000))

    async def walk(trace: Trace) -> None:
        number = next(numbers)
        ask = event("chat:send-message", liveId="demo", message=f"hello {number}", clientMessageId=f"{number}")
        with trace:
            assert (await sender.answer("/chat," + ask))["ok"]
            while f"hello {number}" not in await other.until('42/chat,["chat:message"'):
                pass
            await until(lambda: trace.crossed("fanout/subscriber.py"))  # the event returns after its delivery

    drawing, walked = await shop.compare("a message", walk)
    assert len(drawing.stations) <= MOST_STATIONS
    assert len(walked.files) <= MOST_FILES


async def test_walk_of_a_price_change(shop: Shop) -> None:
    token = await shop.login("admin")
    viewer = await shop.connected("/", await shop.login("viewer1"))
    joined = await viewer.answer(event("join:stream", streamId="demo"))
    product = joined["data"]["products"][0]["id"]
    prices = iter(range(1, 1000))

    async def walk(trace: Trace) -> None:
        price = next(prices)
        with trace:
            answer = await shop.http.patch(
                f"{shop.url}/api/v1/products/{product}",
                json={"price": price, "originalPrice": None},
                headers={"Authorization": f"Bearer {token}"},
            )
            assert answer.status == 200, await answer.text()
            await viewer.until('42["live:product:updated"')
            await until(lambda: trace.crossed("fanout/subscriber.py"))

    await shop.compare("a price change", walk)


async def test_walk_of_a_joining_viewer(shop: Shop) -> None:
    host = {"Authorization": f"Bearer {await shop.login('host')}"}
    viewer = await shop.connected("/streaming", await shop.login("viewer1"))
    numbers = iter(range(1000))
    update = '42/streaming,["stream:viewer:update"'

    async def walk(trace: Trace) -> None:
        key = f"show-{next(numbers)}"  # the first viewer of a room is counted at once
        answer = await shop.http.post(f"{shop.url}/api/v1/streams", json={"title": "Show", "key": key}, headers=host)
        assert answer.status == 201, await answer.text()
        viewer.received.clear()
        with trace:
            assert (await viewer.answer("/streaming," + event("stream:viewer:join", streamKey=key)))["ok"]
            if not any(frame.startswith(update) for frame in viewer.received):
                await viewer.until(update)

    await shop.compare("a viewer joins", walk)


async def test_walk_of_a_revocation(shop: Shop) -> None:
    async def walk(trace: Trace) -> None:
        token = await shop.login("viewer1")
        viewer = await shop.connected("/chat", token)
        with trace:
            answer = await shop.http.post(
                f"{shop.url}/api/v1/auth/logout", json={}, headers={"Authorization": f"Bearer {token}"}
            )
            assert answer.status < 300, await answer.text()
            await viewer.until('42/chat,["auth:revoked"')

    await shop.compare("a revocation", walk)


async def test_walk_of_a_recovery(shop: Shop) -> None:
    token = await shop.login("viewer1")
    sender = await shop.connected("/chat", await shop.login("viewer2"))
    async with raw_websocket(shop.url) as member:
        await member.join("/chat", token)
        session = json.loads(member.received[-1].removeprefix("40/chat,"))
        for socket in (member, sender):
            assert (await socket.answer("/chat," + event("chat:join-room", liveId="demo")))["ok"]
    numbers = iter(range(1000))
    last: dict[str, str] = {}
    message = '42/chat,["chat:message"'  # delivered before the walk begins; the ack has the text, too

    async def walk(trace: Trace) -> None:
        await sender.until('42/chat,["chat:user-left"')
        text = f"hello {next(numbers)}"
        assert (await sender.answer("/chat," + event("chat:send-message", liveId="demo", message=text)))["ok"]
        if not any(frame.startswith(message) and f'"{text}"' in frame for frame in sender.received):
            while f'"{text}"' not in await sender.until(message):
                pass
        with trace:
            async with raw_websocket(shop.url) as member:
                await member.send(f"40/chat,{json.dumps({'token': token, 'pid': session['pid'], **last})}")
                while text not in (frame := await member.until("42/chat,")):
                    pass
                await sender.until('42/chat,["chat:user-joined"')
        last["offset"] = json.loads(frame.removeprefix("42/chat,"))[-1]
        assert session["sid"] in next(received for received in member.received if received.startswith("40/chat,"))

    await shop.compare("a recovery", walk)
