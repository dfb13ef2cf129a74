"""How connections that send a lot share the event loop with the others."""

import asyncio
import operator
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, cast

import pytest

from gateway.metrics import Metrics
from gateway.realtime.engineio import turns as turns_module
from gateway.realtime.engineio.connection import BURST_TIME, MAX_CONTROLS, MAX_MESSAGES, STEADY_RATE, Connection
from gateway.realtime.engineio.server import EngineOptions, EngineServer
from gateway.realtime.engineio.turns import TURN, SpreadCalls, Turns


class Silent:
    """A transport that sends nothing."""

    def __init__(self) -> None:
        self.ended: list[int] = []
        self.polling = None

    def check_at(self, _now: float) -> None:
        return None

    def pause_reading(self) -> None:
        """Nothing comes anyway."""

    def resume_reading(self) -> None:
        """See pause_reading."""

    def abort(self) -> None:
        """See pause_reading."""

    def end(self, _last: str, code: int, _grace: float) -> None:
        self.ended.append(code)


def engine() -> EngineServer:
    return EngineServer(EngineOptions(), Metrics(), origin_allowed=lambda _: True)


def connect(server: EngineServer, sid: str) -> tuple[Connection, Silent]:
    transport = Silent()
    connection = Connection(server, sid, cast("Any", None), "websocket", "127.0.0.1")
    connection.start(cast("Any", transport))
    server.connections[sid] = connection
    server.address_limit.entered("127.0.0.1")
    return connection, transport


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110  a tick is what is counted here
        await asyncio.sleep(0)


def burn(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


async def test_turns_are_given_in_order() -> None:
    turns, order = Turns(), []

    async def wait(number: int) -> None:
        await turns.next()
        order.append(number)

    await asyncio.gather(*(wait(number) for number in range(200)))
    assert order == list(range(200))


async def test_fast_senders_share_the_first_turn_of_a_tick_while_nobody_waits() -> None:
    turns, loop = Turns(), asyncio.get_running_loop()
    start = loop.time()
    assert turns.free(start)
    assert turns.free(start + TURN / 2), "the same tick, and time is left"
    assert not turns.free(start + 2 * TURN)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert turns.free(loop.time()), "another tick"
    waiting = asyncio.ensure_future(turns.next())
    await asyncio.sleep(0)
    assert not turns.free(loop.time()), "those who wait go first"
    await waiting


async def test_a_tick_has_one_long_turn_or_many_short_ones() -> None:
    turns = Turns()
    running = [0]
    together: list[int] = []

    async def wait(seconds: float) -> None:
        await turns.next()
        running[0] += 1
        burn(seconds)

    async def watch() -> None:
        while running[0] < 20:
            before = running[0]
            await asyncio.sleep(0)
            together.append(running[0] - before)

    await asyncio.gather(watch(), *(wait(2 * TURN) for _ in range(20)))
    assert max(together[4:]) <= 2
    running[0] = 0
    together.clear()
    await asyncio.gather(watch(), *(wait(0) for _ in range(20)))
    assert max(together) > 2


async def test_a_message_is_handled_between_the_turns_of_flooding_clients() -> None:
    """64 connections with 64 messages of 2 ms each: 8 s of work, in which nobody else may wait for long."""
    server = engine()
    handled: list[str] = []

    async def handle(connection: Connection, text: str) -> None:
        handled.append(connection.sid)
        if text == "slow":
            burn(0.002)

    server.on_message = handle
    flood = [connect(server, f"f{number}")[0] for number in range(64)]
    for connection in flood:
        for _ in range(MAX_MESSAGES):
            connection.received("4slow")
    polite, _ = connect(server, "polite")
    waits: list[int] = []
    for _ in range(5):
        await asyncio.sleep(0.005)  # the flood goes on
        handled.clear()
        polite.received("4hello")
        await until(partial(operator.contains, handled, "polite"))
        waits.append(handled.index("polite"))
    # In messages of the flood: a turn or two. In one round of everybody it would be 64 turns with 3 messages each.
    assert sorted(waits)[2] <= 16, waits
    for connection in flood:
        connection.drop("test")


async def test_a_fast_sender_waits_in_a_busy_tick() -> None:
    server = engine()
    given = 0

    async def handle(_connection: Connection, _text: str) -> None:
        """Nothing to do."""

    async def count() -> None:
        nonlocal given
        given += 1
        await asyncio.sleep(0)

    server.on_message = handle
    server.turns.next = count  # type: ignore[method-assign]
    connection, _ = connect(server, "s")
    for _ in range(int(STEADY_RATE * BURST_TIME)):
        connection.received("4x")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert given == 0
    connection.received("4x")
    connection.received("4" + "x" * 60_000)
    await until(lambda: not connection.busy)
    connection.received("4x")
    await until(lambda: not connection.busy)
    assert given == 0, "the tick has time left"
    server.turns.free = lambda now: False  # type: ignore[method-assign]
    connection.received("4x")
    await until(lambda: not connection.busy)
    assert given == 1
    connection.drop("test")


async def test_a_flood_of_pongs_ends_the_connection() -> None:
    server = engine()
    connection, transport = connect(server, "s")
    for _ in range(MAX_CONTROLS):
        connection.received("3")
    assert transport.ended == []
    connection.received("3")
    assert transport.ended == [1008]


async def test_few_calls_are_made_at_once() -> None:
    calls, made = SpreadCalls(), list[int]()
    for _ in range(3):
        assert calls.call(partial(made.append, len(made)))
        await asyncio.sleep(0)
    assert made == [0, 1, 2]


async def test_many_calls_are_spread_over_ticks_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "TURN", 0.0)  # one call a tick
    calls, made = SpreadCalls(), list[int]()
    assert [calls.call(partial(made.append, number)) for number in range(5)] == [True, False, False, False, False]
    progress = []
    while len(made) < 5:
        await asyncio.sleep(0)
        progress.append(len(made))
    assert all(after - before <= 1 for before, after in pairwise([1, *progress]))
    assert made == [0, 1, 2, 3, 4]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert calls.call(partial(made.append, 5))


async def test_a_failed_call_does_not_stop_those_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "TURN", 0.0)
    calls, made = SpreadCalls(), list[int]()
    for function in (partial(made.append, 1), partial(operator.truediv, 1, 0), partial(made.append, 2)):
        calls.call(function)
    await until(lambda: made == [1, 2])


async def test_lost_connections_are_closed_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns_module, "TURN", 0.0)
    server, closed = engine(), list[str]()
    server.on_close = lambda connection, _reason: closed.append(connection.sid)
    connections = [connect(server, f"{number}")[0] for number in range(4)]
    for connection in connections:
        connection.lost("transport close")
    assert closed == ["0"]
    assert all(connection.over for connection in connections)
    connections[2].close("server shutdown")
    assert closed == ["0", "2"]
    await until(lambda: len(closed) == 4)
    assert closed == ["0", "2", "1", "3"]
