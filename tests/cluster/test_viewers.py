"""The number of viewers against the truth, on two nodes: random tabs, nodes and Redis killed, a stream that ends."""

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
import redis.asyncio

from gateway.dev.servers import RedisProcess
from tests.client.client import Client
from tests.cluster.shop import Person, Shop, open_shop
from tests.cluster.viewer_tabs import Tab
from tests.timing import time_limit, until

SEED = 20261121
TOLD = 1.5  # s until all viewers have the count: a second, and some time on a busy machine
HEALED = 5.0  # s after a fault until the number is exact


class Harness:
    """One stream, its viewers, and their true number."""

    def __init__(self, shop: Shop, key: str, server: redis.asyncio.Redis, http: aiohttp.ClientSession) -> None:
        self.shop = shop
        self.key = key
        self._server = server
        self._name = f"stream:{key}:viewers"
        self._http = http
        self._dice = random.Random(SEED)
        self._people: list[Person] = []
        self.tabs: list[Tab] = []
        self.ever: set[str] = set()
        self.most = 0
        self.witnesses: list[Tab] = []

    async def open(self) -> None:
        """Open a witness on each node: a tab that stays and records the counts."""
        self._people = [await self.shop.person() for _ in range(12)] + [self.shop.guest() for _ in range(8)]
        for node in (0, 1):
            self.witnesses.append(await self.come(self._people[node], node))

    async def come(self, person: Person, node: int) -> Tab:
        """Open one more tab."""
        tab = await Tab(person, self.key, node).open(self._http, self.shop.urls[node])
        self.tabs.append(tab)
        self.ever.add(person.id)
        self.most = max(self.most, self.truth)
        return tab

    @property
    def truth(self) -> int:
        """The true number of viewers."""
        return len({tab.person.id for tab in self.tabs})

    async def stir(self, times: int) -> None:
        """Open and close tabs, and log guests in, at random."""
        for _ in range(times):
            others = [tab for tab in self.tabs if tab not in self.witnesses]
            guests = [tab for tab in others if tab.person.role == "GUEST"]
            what = self._dice.choices(["come", "leave", "drop", "login"], [6, 2, 2, 1])[0]
            if what == "come" or not others:
                await self.come(self._dice.choice(self._people), self._dice.randrange(2))
            elif what == "login" and guests:
                await self.log_in(self._dice.choice(guests))
            else:
                tab = self._dice.choice(others)
                self.tabs.remove(tab)
                if what == "leave":
                    await tab.leave()
                else:
                    tab.drop()

    async def log_in(self, tab: Tab) -> None:
        """Log a guest in on this tab; the guest's other tabs stay a guest's."""
        guest, member = tab.person, self._dice.choice([who for who in self._people if who.role != "GUEST"])
        await tab.become(member)
        self.ever.add(member.id)
        if guest.id not in {tab.person.id for tab in self.tabs}:
            self.ever.discard(guest.id)

    async def count(self) -> int:
        """Return the viewers in Redis, and check that nobody is counted less than once."""
        people = await self._server.hgetall(self._name)
        assert all(int(tabs) > 0 for tabs in people.values()), people
        return len(people)

    async def exact(self, within: float, *, witnesses: list[Tab] | None = None) -> None:
        """Wait until the count is right and broadcast to everybody."""
        witnesses = self.witnesses if witnesses is None else witnesses
        found: tuple[object, ...] = ()
        try:
            async with time_limit(within):
                while found != (self.truth, [self.truth] * len(witnesses)):
                    await asyncio.sleep(0.02)
                    found = (await self.count(), [tab.published[-1][1] if tab.published else None for tab in witnesses])
        except TimeoutError:
            there, seen = {tab.person.id for tab in self.tabs}, set(await self._server.hkeys(self._name))
            raise AssertionError(
                f"{self.truth} watch, {found} are counted and told; too many: {seen - there}, missing: {there - seen}"
            ) from None

    async def sockets(self) -> int:
        """Return the number of sockets of both nodes."""
        return sum([await self.shop.sockets(node) for node in (0, 1)])

    async def kill(self, node: int) -> None:
        """Kill a node with its tabs."""
        await self.shop.nodes[node].kill()
        for tab in [tab for tab in self.tabs if tab.node == node]:
            self.tabs.remove(tab)
            if tab in self.witnesses:
                self.witnesses.remove(tab)

    async def close(self) -> None:
        """Close all tabs."""
        await asyncio.gather(*(tab.close() for tab in self.tabs))


@pytest.fixture
async def harness(client: Client, tmp_path: Path, database_url: str, own_redis: RedisProcess) -> AsyncIterator[Harness]:
    server = redis.asyncio.Redis.from_url(own_redis.url, decode_responses=True)
    async with (
        open_shop(client, tmp_path, database_url, own_redis.url, JOIN_RATE_LIMIT="10000/10seconds") as shop,
        aiohttp.ClientSession() as http,
    ):
        harness = Harness(shop, await shop.stream(), server, http)
        await shop.request("POST", f"/streams/{harness.key}/start", token=(await shop.owner()).token, status={200})
        await harness.open()
        yield harness
        await harness.close()
        await server.aclose()


def once_a_second(tab: Tab) -> bool:
    """Whether a tab got a count at most once a second. On a busy machine it may get one late, and the next in time."""
    times = [moment for moment, _ in tab.published[1:]]
    return all(later - earlier > 0.5 for earlier, later in pairwise(times))


async def test_viewer_counts_are_exact_after_random_faults(harness: Harness, own_redis: RedisProcess) -> None:
    for _ in range(3):
        await harness.stir(15)
        await harness.exact(TOLD)
    assert all(once_a_second(tab) for tab in harness.witnesses)

    await harness.kill(1)
    assert await harness.count() > harness.truth, "nobody was on the dead node alone: the test shows nothing"
    await harness.exact(HEALED)
    await harness.shop.nodes[1].start()
    harness.shop.urls[1] = harness.shop.nodes[1].url
    await asyncio.gather(*(harness.come(person, 1) for person in harness._people[1:8]))
    harness.witnesses.append(harness.tabs[-1])
    await harness.exact(2.0)

    own_redis.kill()
    gone = [tab for tab in harness.tabs if tab not in harness.witnesses][:4]
    before = await harness.sockets()
    for tab in gone:
        harness.tabs.remove(tab)
        tab.drop()

    async def noticed() -> bool:
        return await harness.sockets() == before - len(gone)

    await until(noticed, what="the nodes notice that tabs are gone")
    own_redis.start()
    await harness.exact(HEALED)
    await harness.stir(10)
    await harness.exact(TOLD)
    assert [line for node in (0, 1) for line in harness.shop.complaints(node)] == []


async def test_a_hanging_redis_removes_no_viewers(harness: Harness, own_redis: RedisProcess) -> None:
    await harness.stir(12)
    await harness.exact(TOLD)
    truth, since = harness.truth, asyncio.get_running_loop().time()
    own_redis.pause()
    await asyncio.sleep(5)  # the length of the fault, a time-out longer than leases
    own_redis.resume()
    counts = set()
    async with time_limit(HEALED):
        while asyncio.get_running_loop().time() < since + 8:
            counts.add(await harness.count())
            await asyncio.sleep(0.01)
    assert counts == {truth}, "the nodes have taken each other for dead"
    await harness.exact(TOLD)


async def test_viewers_of_a_stalled_node_are_removed_and_restored(harness: Harness) -> None:
    await harness.stir(12)
    await harness.exact(TOLD)
    away = [tab for tab in harness.tabs if tab.node == 1]
    stay = [tab for tab in harness.witnesses if tab.node == 0]
    harness.shop.nodes[1].pause()
    harness.tabs = [tab for tab in harness.tabs if tab.node == 0]
    await harness.exact(HEALED, witnesses=stay)
    harness.shop.nodes[1].resume()
    harness.tabs += away
    await harness.exact(2.0)


async def test_a_stream_that_ends_has_no_viewers(harness: Harness) -> None:
    await harness.stir(20)
    await harness.exact(TOLD)
    token = (await harness.shop.owner()).token
    await harness.shop.request("POST", f"/streams/{harness.key}/stop", token=token, status={200})
    stay, late = harness.tabs, await harness.shop.person()
    harness.tabs = []
    await harness.exact(TOLD)
    again = await Tab(late, harness.key, 1).open(harness._http, harness.shop.urls[1])
    for tab in (*stay, again):
        answer = (await tab.ask("stream:viewer:join", {"streamKey": harness.key}))["data"]
        assert (answer["viewerCount"], answer["live"], answer["peakViewers"]) == (0, False, harness.most)
        assert (await tab.ask("stream:viewer:leave", {"streamKey": harness.key}))["data"]["viewerCount"] == 0
    await harness.exact(TOLD)

    async def kept() -> tuple[int, int]:
        stream = await harness.shop.request("GET", f"/streams/{harness.key}", status={200})
        return stream["peakViewers"], stream["totalViewers"]

    await within(2.0, lambda found: found == (harness.most, len(harness.ever)), kept)
    harness.tabs = [*stay, again]


async def within(seconds: float, holds: Callable[[tuple[int, int]], bool], ask: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    found = None
    try:
        async with time_limit(seconds):
            while found is None or not holds(found):
                found = await ask()  # type: ignore[misc]
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {found}") from None
