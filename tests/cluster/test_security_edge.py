"""The edge of real nodes against browsers of other pages, forged headers of proxies, and crowds."""

import asyncio
import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

import aiohttp
import pytest

from tests.client.client import Client
from tests.client.raw import PATH, raw_websocket
from tests.cluster.shop import open_shop
from tests.support import Databases, Keyspaces, Node
from tests.timing import time_limit

LISTED = "https://shop.example"
OWN = "the node's own page"
ORIGINS = (
    None,
    LISTED,
    OWN,
    "http://shop.example",
    "https://shop.example:8443",
    "https://shop.example.evil.example",
    "https://evil.example",
    "null",
)
HOUSES = {
    "own": {},
    "listed": {"CORS_ORIGINS": LISTED},
    "demanded": {"CORS_ORIGINS": LISTED, "ORIGIN_REQUIRED": "true"},
    "everybody": {"CORS_ORIGINS": "*"},  # in development alone
}
WELCOME: dict[str, set[str | None]] = {
    "own": {None, OWN},
    "listed": {None, OWN, LISTED},
    "demanded": {OWN, LISTED},
    "everybody": set(ORIGINS),
}
FORGED = {
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-For": "127.0.0.1",
    "Forwarded": "for=127.0.0.1;host=evil.example;proto=https",
    "X-Original-Host": "evil.example",
}


@pytest.fixture(scope="module")
async def gateways(
    databases: Databases, keyspaces: Keyspaces, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[dict[str, str]]:
    """Return the URL of a node with each setting."""
    folder, url = tmp_path_factory.mktemp("houses"), await databases.migrated()
    servers = {"DATABASE_URL": url, "REDIS_URL": keyspaces.fresh()}
    nodes = {name: Node(folder, **(servers | settings)) for name, settings in HOUSES.items()}
    await asyncio.gather(*(node.start() for node in nodes.values()))
    yield {name: node.url for name, node in nodes.items()}
    await asyncio.gather(*(node.stop() for node in nodes.values()))
    await databases.drop(url)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client that keeps no cookies."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


# --- origins --------------------------------------------------------------------------------------------------------


async def knock(http: aiohttp.ClientSession, url: str, transport: str, headers: dict[str, str]) -> int:
    """Return the status of a handshake."""
    if transport == "polling":
        async with http.get(f"{url}{PATH}polling", headers=headers) as response:
            return response.status
    try:
        async with http.ws_connect(f"{url}{PATH}websocket", headers=headers):
            return 200
    except aiohttp.WSServerHandshakeError as error:
        return error.status


@pytest.mark.parametrize("transport", ["polling", "websocket"])
@pytest.mark.parametrize("harness", HOUSES)
@pytest.mark.parametrize("origin", ORIGINS)
async def test_only_listed_pages_connect(
    http: aiohttp.ClientSession, gateways: dict[str, str], origin: str | None, harness: str, transport: str
) -> None:
    url = gateways[harness]
    sent = url if origin == OWN else origin
    headers = {} if sent is None else {"Origin": sent}
    expected = 200 if origin in WELCOME[harness] else 403
    assert await knock(http, url, transport, headers) == expected
    assert await knock(http, url, transport, headers | FORGED) == expected, "headers of a proxy that is none"


@pytest.mark.parametrize("harness", HOUSES)
@pytest.mark.parametrize("origin", ORIGINS)
async def test_only_listed_origins_may_read_with_cookies(
    http: aiohttp.ClientSession, gateways: dict[str, str], origin: str | None, harness: str
) -> None:
    """With cookies only pages that are listed by name, never those that `*` lets in; polling and API alike."""
    url = gateways[harness]
    sent = url if origin == OWN else origin
    for path in (f"{PATH}polling", "/api/v1/health/live"):
        async with http.get(url + path, headers=FORGED | ({} if sent is None else {"Origin": sent})) as response:
            result = response.headers
            assert result.getall("Vary") == ["Origin"]
        named = origin is not None and origin in {OWN, *HOUSES[harness].get("CORS_ORIGINS", "").split(",")}
        allowed = sent if named else "*" if harness == "everybody" and origin is not None else None
        assert result.get("Access-Control-Allow-Origin") == allowed
        assert result.get("Access-Control-Allow-Credentials") == ("true" if named else None)


async def test_the_wildcard_origin_gives_no_page_the_cookie(
    http: aiohttp.ClientSession, gateways: dict[str, str]
) -> None:
    url = gateways["everybody"]
    body = {"email": "ann@example.com", "username": "ann", "password": "correct horse"}
    async with http.post(f"{url}/api/v1/auth/register", json=body) as response:
        token = (await response.json())["accessToken"]
    for origin, answer in ((url, "40"), ("https://evil.example", "44")):
        async with raw_websocket(url, Origin=origin, Cookie=f"accessToken={token}") as raw:
            await raw.send("40")
            assert (await raw.until("4")).startswith(answer)


async def test_production_refuses_the_wildcard_origin() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "gateway", "serve"),
        env={
            "PATH": os.environ["PATH"],
            "APP_ENV": "production",
            "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
            "REDIS_URL": "redis://127.0.0.1:1/0",
            "JWT_SECRET": "a secret of tests, long enough for production",
            "CORS_ORIGINS": f"{LISTED},*",
        },
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (2, b"")
    assert err.decode().startswith('CORS_ORIGINS: "*" lets every web site act for your users')


# --- limits ---------------------------------------------------------------------------------------------------------


async def test_exactly_twenty_of_thirty_requests_pass_two_nodes(
    client: Client, databases: Databases, keyspaces: Keyspaces, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, url = tmp_path_factory.mktemp("limited"), await databases.migrated()
    numbers = itertools.count(1)
    async with open_shop(client, folder, url, keyspaces.fresh(), HTTP_RATE_LIMIT="20/minute") as shop:
        ann, bob = await shop.person(), await shop.person()

        async def rename(http: aiohttp.ClientSession, token: str) -> aiohttp.ClientResponse:
            number = next(numbers)
            # Another address each time: it is the user that is limited, and nobody here is a trusted proxy.
            headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": f"192.0.2.{number}"}
            me = f"{shop.urls[number % 2]}/api/v1/users/me"
            async with http.patch(me, json={"username": f"Ann {number}"}, headers=headers) as response:
                await response.read()
                return response

        async with aiohttp.ClientSession() as http:
            answers = await asyncio.gather(*(rename(http, ann.token) for _ in range(30)))
            assert (await rename(http, bob.token)).status == 200
        assert Counter(answer.status for answer in answers) == {200: 20, 429: 10}
        assert sorted(int(a.headers["RateLimit-Remaining"]) for a in answers if a.status == 200) == list(range(20))
        for answer in answers:
            if answer.status == 429:
                assert 0 < int(answer.headers["Retry-After"]) <= 60
                assert answer.headers["RateLimit-Remaining"] == "0"
    await databases.drop(url)


# --- crowds ---------------------------------------------------------------------------------------------------------

LIMIT = 300
FLOOD = 1000
SLOW = 300


async def opens(http: aiohttp.ClientSession, url: str) -> int:
    """Return the status of a new polling session that never does anything."""
    async with http.get(f"{url}{PATH}polling") as response:
        return response.status


async def slow_head(url: str, start: bytes) -> float:
    """Send the beginning of a request, a byte now and then, and give the seconds until the server has enough."""
    address = urlsplit(url)
    begun = time.monotonic()
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(start)
    try:
        while True:
            try:
                async with time_limit(1):
                    if not await reader.read(1000):
                        return time.monotonic() - begun
            except TimeoutError:
                writer.write(b"x")
    except ConnectionError:
        return time.monotonic() - begun
    finally:
        writer.close()


async def probe(http: aiohttp.ClientSession, url: str, until: asyncio.Event) -> list[float]:
    """Return the seconds that each health check took during the block."""
    took = []
    while not until.is_set():
        begun = time.perf_counter()
        async with http.get(f"{url}/api/v1/health/live") as response:
            assert response.status == 200
        took.append(time.perf_counter() - begun)
        await asyncio.sleep(0.02)
    return took


async def test_a_flood_from_one_address_is_limited_without_effect_on_others(
    database_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("flooded")
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    limits = {"MAX_ADDRESS_CONNECTIONS": str(LIMIT), "CONNECT_TIMEOUT": "3s"}
    async with Node(folder, **servers, **limits) as node, AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(limit=200)
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        calm = await stack.enter_async_context(aiohttp.ClientSession())
        done = asyncio.Event()
        probing = asyncio.create_task(probe(calm, node.url, done))
        slow = [
            asyncio.create_task(slow_head(node.url, start))
            for start, _ in zip(itertools.cycle([b"", b"GET /socket.io/", b"G"]), range(SLOW))
        ]
        begun = time.monotonic()
        statuses = Counter(await asyncio.gather(*(opens(http, node.url) for _ in range(FLOOD))))
        flooded = time.monotonic() - begun
        assert statuses[200] >= LIMIT
        assert statuses == {200: statuses[200], 429: FLOOD - statuses[200]}
        if flooded < 3:  # none had left yet to make room for another
            assert statuses[200] == LIMIT
        held = await asyncio.gather(*slow)
        done.set()
        took = sorted(await probing)
        slowest = took[int(len(took) * 0.99)]
        print(
            f"\nflood: {statuses[200]} of {FLOOD} let in, {SLOW} slow heads held for at most {max(held):.1f} s, "
            f"health p99 {slowest * 1000:.0f} ms"
        )
        assert max(held) < 10  # 5 s, on a busy machine
        assert await opens(http, node.url) == 200, "there is room again: who joined nothing was closed"
        assert "Traceback" not in node.logs
