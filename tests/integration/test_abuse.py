"""Hostile clients against one node's engine, server and pipeline: each is refused or closed, and nobody else notices.

The contract's view of it, on real nodes, is tests/cluster/test_contract_abuse.py; here are what those cannot see, the
server's own tables and logs, and thousands of random mutations.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
import structlog

from gateway.realtime.engineio.connection import Connection
from gateway.realtime.socketio.server import MAX_REFUSALS
from tests.integration.abuse_corpus import CLOSED, LET_BE, PIECES, POLITE, REFUSED, REQUESTS, SPEECH
from tests.integration.abuse_scene import JOIN, SOON, PollingVisitor, Scene, Visitor, WebsocketVisitor, scene
from tests.integration.engineio_echo import masked, upgrade_request, wire
from tests.timing import allowed, time_limit

SEED = 20260
VISITORS: dict[str, Callable[[aiohttp.ClientSession, Scene], Visitor]] = {
    "websocket": WebsocketVisitor,
    "polling": PollingVisitor,
}


@pytest.fixture(scope="module")
async def stage() -> AsyncIterator[Scene]:
    """One server for all of it: what a case leaves behind, the next one finds."""
    async with scene() as running:
        yield running


@pytest.fixture(autouse=True)
async def quiet(stage: Scene, caplog: pytest.LogCaptureFixture, request: pytest.FixtureRequest) -> AsyncIterator[None]:
    """Around every case: nothing to look at in the log, the witness is served, and nothing is left."""
    tasks = len(asyncio.all_tasks())
    with structlog.testing.capture_logs() as entries:
        yield
        await stage.unharmed(tasks)
    loud = [entry for entry in entries if entry["log_level"] in {"error", "critical"} or "exc_info" in entry]
    expected = "explode" in request.node.name or "events without an ack" in request.node.name
    assert all(expected and entry["event"] == "a handler failed" for entry in loud), loud
    records = [record for phase in ("setup", "call", "teardown") for record in caplog.get_records(phase)]
    assert not [record for record in records if record.levelno >= logging.WARNING or record.exc_info]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=allowed(SOON))) as session:
        yield session


@pytest.fixture(params=VISITORS)
async def visitor(request: pytest.FixtureRequest, stage: Scene, http: aiohttp.ClientSession) -> AsyncIterator[Visitor]:
    """Return a client in the lounge, of each transport."""
    visitor = VISITORS[request.param](http, stage)
    await visitor.open()
    await visitor.join()
    yield visitor
    await visitor.leave()


# --- picked by hand -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CLOSED)
async def test_forbidden_packets_close_the_connection(visitor: Visitor, name: str) -> None:
    await visitor.send(CLOSED[name])
    assert await visitor.until("4") == "closed"


@pytest.mark.parametrize("name", REFUSED)
async def test_impossible_requests_are_refused(visitor: Visitor, name: str) -> None:
    body, code = REFUSED[name]
    await visitor.send(f"2/lounge,7{body}")
    answer = await visitor.answer(7)
    assert (answer["ok"], answer["error"]["code"]) == (False, code)
    assert (await visitor.probed()).startswith("43")


@pytest.mark.parametrize("name", LET_BE)
async def test_harmless_oddities_are_tolerated(visitor: Visitor, name: str) -> None:
    for packet in LET_BE[name]:
        await visitor.send(packet)
    assert (await visitor.probed()).startswith("43")


async def test_a_flood_is_answered_in_order(visitor: Visitor) -> None:
    for number in range(200):
        await visitor.send(f'2/lounge,{number}["say",{{"text":"{number}"}}]')
    for number in range(200):
        assert (await visitor.answer(number))["data"] == {"text": str(number)}


@pytest.mark.parametrize(
    "token", ["null", '""', "5", '"bad"', '["good"]', '{"token":"good"}', '"' + "x" * 60_000 + '"']
)
@pytest.mark.parametrize("transport", VISITORS)
async def test_a_connect_without_token_closes_the_transport(
    stage: Scene, http: aiohttp.ClientSession, transport: str, token: str
) -> None:
    visitor = await VISITORS[transport](http, stage).open()
    await visitor.send(f'0/lounge,{{"token":{token}}}')
    assert (await visitor.until("4")).startswith('44/lounge,{"message":')
    assert await visitor.until("4") == "closed"
    await visitor.leave()


async def test_repeatedly_refused_connects_close_the_transport(visitor: Visitor) -> None:
    """A joined socket does not let its client have tokens checked without end."""
    for _ in range(MAX_REFUSALS + 1):
        await visitor.send('0/elsewhere,{"token":"bad"}')
    refused = 0
    while (packet := await visitor.next()) is not None:
        refused += packet.startswith("44/elsewhere,")
    assert refused == MAX_REFUSALS + 1


async def test_a_flood_of_refused_connects_sets_one_timer(
    stage: Scene, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, looks = stage.birds.server, 0
    look = server._close_now_if_idle

    def counted(connection: Connection) -> None:
        nonlocal looks
        looks += 1
        look(connection)

    monkeypatch.setattr(server, "_close_now_if_idle", counted)
    visitor = await WebsocketVisitor(http, stage).open()
    for _ in range(MAX_REFUSALS):
        await visitor.send('0/lounge,{"token":"bad"}')
    assert await visitor.until("closed") == "closed"
    assert 1 <= looks < 10  # it is set again while the client is busy
    await visitor.leave()


async def answered(stage: Scene, data: bytes, within: float = SOON) -> int:
    """Return the status of the answer to what is no request, 0 if the connection is cut instead."""
    async with wire(stage.echo) as client:
        with contextlib.suppress(ConnectionError):
            await client.send(data)
            async with time_limit(within):
                head = await client.reader.read(65_536)
            return int(head.split(b" ", 2)[1]) if head else 0
    return 0


@pytest.mark.parametrize("name", REQUESTS)
async def test_malformed_requests_are_refused(stage: Scene, http: aiohttp.ClientSession, name: str) -> None:
    visitor = PollingVisitor(http, stage)
    await visitor.open()
    target, headers, body = REQUESTS[name]
    method, _, query = target.partition(" ")
    query = query.format(sid=f"sid={visitor.poller.sid}")
    base = "" if "EIO=" in query else "EIO=4&"
    base += "" if "transport=" in query else "transport=polling&"
    head = [f"{method} /socket.io/?{base}{query} HTTP/1.1", "Host: localhost", *headers, "", ""]
    status = await answered(stage, "\r\n".join(head).encode("latin-1") + body)
    assert status == 0 or 400 <= status < 500
    await visitor.leave()


@pytest.mark.parametrize("name", SPEECH)
async def test_malformed_http_is_refused(stage: Scene, name: str) -> None:
    assert await answered(stage, SPEECH[name]) in {0, 400, 404, 505}


# --- at random, but the same every time -----------------------------------------------------------------------------


def mutated(chance: random.Random, text: str) -> str:
    """Return a text with a few places cut, doubled, swapped or replaced."""
    for _ in range(chance.randint(1, 3)):
        start, end = sorted(chance.randint(0, len(text)) for _ in range(2))
        end = min(end, start + chance.choice([1, 1, 4, 100]))
        middle = chance.choice(["", text[start:end] * 2, text[start:end][::-1], chance.choice(PIECES)])
        text = text[:start] + middle + text[end:]
    return text


def mutated_bytes(chance: random.Random, data: bytes) -> bytes:
    """Bytes with a few of them cut, doubled or replaced."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[at] = chance.randrange(256)
            case 1:
                changed[at] ^= 1 << chance.randrange(8)
            case 2:
                del changed[at : at + chance.choice([1, 2, 10])]
                changed = changed or bytearray(b"x")
            case _:
                changed[at:at] = changed[at : at + chance.choice([1, 2, 50])]
    return bytes(changed)


@pytest.mark.parametrize("transport", VISITORS)
async def test_random_packets_close_or_are_answered(stage: Scene, http: aiohttp.ClientSession, transport: str) -> None:
    chance = random.Random(SEED)
    for _ in range(120):
        visitor = await VISITORS[transport](http, stage).open()
        await visitor.join()
        packets = [mutated(chance, chance.choice(POLITE)) for _ in range(6)]
        for packet in packets:
            await visitor.send(packet)
        await visitor.send(JOIN)  # it may have left
        assert await visitor.probed(), packets
        await visitor.leave()
        if isinstance(visitor, PollingVisitor):
            assert visitor.statuses <= {200, 400, 413}, packets


async def test_random_frames_do_not_affect_others(stage: Scene) -> None:
    chance = random.Random(SEED)
    opening = masked(f"4{JOIN}")

    async def one(data: bytes) -> None:
        async with wire(stage.echo) as client:
            with contextlib.suppress(ConnectionError):
                await client.upgrade(stage.echo, rest=opening + data)
                # Half a frame has no answer: who waits for the rest is let wait.
                with contextlib.suppress(TimeoutError):
                    await client.gone(within=0.05)

    polite = (
        b"".join(masked(f"4{packet}") for packet in POLITE[1:6]) + masked(b"ping", 0x89) + masked(b"\x03\xe8", 0x88)
    )
    for _ in range(10):
        await asyncio.gather(*(one(mutated_bytes(chance, polite)) for _ in range(50)))


async def test_random_requests_are_refused_or_answered(stage: Scene, http: aiohttp.ClientSession) -> None:
    chance = random.Random(SEED)
    polite = [
        upgrade_request(stage.echo),
        b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /socket.io/?EIO=4&transport=polling&sid=x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n4x",
    ]
    for _ in range(10):
        requests = [mutated_bytes(chance, chance.choice(polite)) for _ in range(50)]
        found = await asyncio.gather(*(answered(stage, request, 2 * SOON) for request in requests))
        strange = [
            (status, request)
            for status, request in zip(found, requests, strict=True)
            if status >= 500 and status != 505  # another version of HTTP
        ]
        assert not strange
