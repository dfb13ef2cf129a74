"""The watch over a server: when it is taken for away, how it is probed, and how its return is noticed."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from gateway.concurrency import watch as module
from gateway.concurrency.watch import ServerWatch
from tests.timing import stays, until


class Server:
    """A server that can be away, and counts its probes."""

    def __init__(self) -> None:
        self.away = False
        self.probes = 0

    async def probe(self) -> None:
        self.probes += 1
        if self.away:
            raise OSError


@pytest.fixture
def server() -> Server:
    return Server()


Watching = Callable[..., ServerWatch]


@pytest.fixture
async def watching(server: Server, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watching]:
    """Return a factory of running watches."""
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.001)
    made: list[ServerWatch] = []

    def make(interval: float = 60.0) -> ServerWatch:
        watch = ServerWatch("shop", server.probe, interval, lambda: None)
        watch.answered = time.perf_counter()
        made.append(watch)
        watch.start()
        return watch

    yield make
    for watch in made:
        await watch.close()


async def test_a_use_that_fails_beside_others_that_succeed_is_its_own_trouble(
    server: Server, watching: Watching
) -> None:
    watch, began = watching(), time.perf_counter()
    watch.answered = time.perf_counter()
    watch.failed(began)
    assert not watch.away
    await asyncio.sleep(0)
    assert server.probes == 0


async def test_a_probe_tells_whether_it_is_away_when_nobody_was_answered(server: Server, watching: Watching) -> None:
    watch, returns = watching(), asyncio.Event()

    async def back() -> None:
        returns.set()

    watch.on_return(back)
    watch.failed(time.perf_counter())
    await until(lambda: server.probes == 1)
    assert (watch.away, server.probes) == (False, 1), "it was one use's own trouble"
    server.away = True
    watch.failed(time.perf_counter())
    await until(lambda: server.probes > 3)
    assert watch.away
    assert not returns.is_set()
    server.away = False
    await until(lambda: not watch.away)
    assert returns.is_set()
    probes = server.probes
    await stays(lambda: server.probes == probes, seconds=0.02)


async def test_a_returned_server_is_away_until_it_is_prepared(server: Server, watching: Watching) -> None:
    watch, began, go = watching(), asyncio.Event(), asyncio.Event()

    async def prepare() -> None:
        began.set()
        await go.wait()

    watch.before_return(prepare)
    watch.leave()
    await began.wait()
    assert watch.away
    go.set()
    await until(lambda: not watch.away)


async def test_a_server_that_a_check_finds_away_is_probed_until_it_is_back(server: Server, watching: Watching) -> None:
    watch = watching()
    await asyncio.sleep(0.01)  # its task waits for the interval to end
    server.away = True
    assert not await watch.check()
    server.away = False
    await until(lambda: not watch.away)


async def test_what_fails_after_a_return_does_not_end_the_watch(server: Server, watching: Watching) -> None:
    watch = watching()

    async def stumble() -> None:
        raise ZeroDivisionError

    watch.on_return(stumble)
    for _ in range(2):
        watch.leave()
        await until(lambda: not watch.away)


async def test_pauses_between_probes_grow_to_a_bound(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    watch = ServerWatch("shop", server.probe, 60, lambda: pauses.append(watch._pause))
    monkeypatch.setattr(module, "LAST_PAUSE", 0.05)
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.002)
    monkeypatch.setattr(watch, "_pause", 0.002)
    server.away = True
    watch.leave()
    watch.start()
    await until(lambda: len(pauses) > 8)
    await watch.close()
    assert pauses[0] < pauses[3]
    assert max(pauses) <= 0.05


async def test_an_idle_server_is_probed_and_one_in_use_is_not(server: Server, watching: Watching) -> None:
    idle = watching(0.002)
    await until(lambda: server.probes > 2)
    await idle.close()
    server.probes = 0
    used = watching(0.2)
    used.answered = time.perf_counter()
    await used.check(60)
    assert server.probes == 0
    await used.check(0)
    assert server.probes == 1
    await used.check()
    assert server.probes == 2


async def test_checks_at_the_same_time_share_a_probe(server: Server, watching: Watching) -> None:
    watch = watching()
    assert await asyncio.gather(*(watch.check() for _ in range(10))) == [True] * 10
    assert server.probes == 1
