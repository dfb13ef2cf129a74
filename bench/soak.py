"""Finds leaks: two nodes under mixed load for a long time. `python -m bench.soak --minutes 60` prints slopes.

Shows begin and end; guests and members connect to all namespaces, chat, buy, moderate, log in and out. All retentions
are minutes, so that every kind of row and key is created and deleted within a quarter of an hour: rows and keys whose
number still grows in the second half of the run are never deleted. Accounts are never deleted, and not created here.

Slopes are those of a straight line through the second half of the run. They do not depend on the rate of the load,
which is lower on a busy machine. Not part of `make bench`: it has no goals and no peers.
"""

import argparse
import asyncio
import collections
import itertools
import json
import os
import random
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import psutil
import redis.asyncio
import uvloop

from bench.report import SOAK
from bench.tables import table
from gateway.dev.servers import Stack
from tests.client.raw import RawSocket, raw_websocket
from tests.cluster.shop import PASSWORD, Person, Shop
from tests.doubles import stand_in
from tests.support import Databases, Node, server_folder

VISITORS = 3.0  # new ones a second
SAMPLE = 10.0  # s between two samples
SHOW = 60.0  # s of a show
SHOWS = 3  # at the same time
PEOPLE = 150  # accounts, each of which visits many times
STAY = 20.0  # s of a visit at most
MODERATE = 3.0  # s between two acts of moderation in a show
LOGINS = 0.15  # of the accounts' visits: each login costs a password hash
END = 15.0  # s for the last visits to end

# All rows and keys are deleted within minutes.
SHORT = {
    "MESSAGE_RETENTION": "2m",
    "DELETION_RETENTION": "1m",
    "MODERATION_RETENTION": "2m",
    "ORDER_RETENTION": "2m",
    "STREAM_RETENTION": "3m",
    "NOTIFICATION_RETENTION": "1m",
    "JOB_RETENTION": "1m",
    "GUEST_EXPIRATION": "3m",
    "GUEST_UNUSED_EXPIRATION": "1m",
    "JWT_EXPIRATION": "1m",
    "JWT_REFRESH_EXPIRATION": "3m",
    "RECOVERY_WINDOW": "20s",
    "STREAM_END_GRACE": "2s",
    "STREAM_REOPEN": "20s",
    "ORDER_TTL": "20s",
    "DATABASE_TIMEOUT": "10s",  # a busy machine is no outage
    "PING_INTERVAL": "5s",
    "PING_TIMEOUT": "5s",
    "LOG_LEVEL": "WARNING",
}

TABLES = """
    SELECT relname AS name, pg_total_relation_size(relid) AS bytes FROM pg_stat_user_tables ORDER BY relname
"""

Sample = dict[str, float]  # values by name


def key_kind(key: str) -> str:
    """Return the kind of a Redis key: its name without ids."""
    parts = re.sub(r"\{[^}]*\}", "{}", key).split(":")
    words = [part if re.fullmatch(r"[a-z_-]{2,20}|\{\}", part) else "*" for part in parts]
    return ":".join(word for word, _ in itertools.groupby(words))


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """Return the growth per minute, by least squares, of (time in s, value) pairs."""
    if len(samples) < 2:
        return 0.0
    line = statistics.linear_regression([moment for moment, _ in samples], [value for _, value in samples])
    return line.slope * 60


class Soak:
    """Two nodes, their servers, the load on them, and the samples."""

    def __init__(self, shop: Shop, servers: Stack, rate: float) -> None:
        self._shop = shop
        self._servers = servers
        self._rate = rate
        self._people: list[Person] = []
        self._numbers = itertools.count(1)
        self.samples: list[tuple[float, Sample]] = []
        self.done: collections.Counter[str] = collections.Counter()  # acts and errors

    async def run(self, seconds: float, database: asyncpg.Pool) -> None:
        """Create load and take samples for `seconds`."""
        self._people = await self._shop.clients(PEOPLE)
        sampling = asyncio.create_task(self._sample(database))
        shows = [asyncio.create_task(self._shows(number, seconds)) for number in range(SHOWS)]
        await asyncio.sleep(seconds)
        for task in shows:
            task.cancel()
        await asyncio.gather(*shows, return_exceptions=True)
        await asyncio.sleep(END)
        sampling.cancel()
        await asyncio.gather(sampling, return_exceptions=True)

    # --- the load -----------------------------------------------------------------------------------------------------

    async def _shows(self, number: int, seconds: float) -> None:
        ends = time.monotonic() + seconds
        await asyncio.sleep(number * SHOW / SHOWS)
        while time.monotonic() < ends:
            await self._safely("show", self._show)

    async def _safely(self, what: str, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
            self.done[what] += 1
        except Exception as error:  # counted and shown
            text = str(error).splitlines()[0][:100] if str(error) else ""
            self.done[f"! {what}: {type(error).__name__} {text}"] += 1

    def _node(self) -> int:
        return random.randrange(len(self._shop.nodes))

    async def _ask(self, method: str, path: str, token: str | None = None, body: Any = None, **more: Any) -> Any:
        """Send a request to one of the nodes. Raises AssertionError for an answer that is a fault of the server."""
        status = {200, 201, 202, 204, 400, 401, 403, 404, 409}
        return await self._shop.request(method, path, token=token, body=body, node=self._node(), status=status, **more)

    async def _show(self) -> None:
        owner = await self._shop.owner()
        key = await self._shop.stream()
        products = [await self._shop.product(key, stock=30) for _ in range(3)]
        await self._ask("POST", f"/streams/{key}/start", owner.token)
        ends = time.monotonic() + SHOW
        async with asyncio.TaskGroup() as visits:
            visits.create_task(self._moderate(key, products, ends))
            while time.monotonic() < ends:
                visits.create_task(self._safely("visit", lambda: self._visit(key, products)))
                await asyncio.sleep(random.expovariate(self._rate / SHOWS))
        await self._ask("POST", f"/streams/{key}/stop", owner.token)

    async def _visit(self, key: str, products: list[dict[str, Any]]) -> None:
        """Connect, join, chat and buy as one visitor, and disconnect with or without leaving first."""
        session, who = await self._session()
        token, guest = session["accessToken"], who is None
        async with raw_websocket(self._shop.urls[self._node()]) as socket:
            for namespace in ("/", "/chat", "/streaming"):
                await socket.join(namespace, token)
            await socket.answer(request("/chat", "chat:join-room", liveId=key))
            await socket.answer(request("/streaming", "stream:viewer:join", streamKey=key))
            await socket.answer(request("/", "join:stream", streamId=key))
            for number in range(random.randrange(4)):
                await socket.answer(request("/chat", "chat:send-message", liveId=key, message=f"hello {number}"))
                self.done["message"] += 1
                await listen(socket, random.uniform(0, STAY / 4))
            if not guest and random.random() < 0.5:
                await self._buy(token, random.choice(products))
            if "refreshToken" in session and random.random() < 0.5:
                session = await self._ask("POST", "/auth/refresh", body={"refreshToken": session["refreshToken"]})
            if random.random() < 0.5:
                await socket.answer(request("/streaming", "stream:viewer:leave", streamKey=key))
        if "refreshToken" in session and random.random() < 0.5:
            await self._ask("POST", "/auth/logout", session["accessToken"], {"refreshToken": session["refreshToken"]})

    async def _session(self) -> tuple[dict[str, Any], Person | None]:
        """Return the session of a guest, of a login, or of an account with a token."""
        if random.random() < 0.4:
            return await self._ask("POST", "/auth/guest", body={}), None
        who = random.choice(self._people)
        if random.random() < LOGINS:
            self.done["login"] += 1
            return await self._ask("POST", "/auth/login", body={"email": who.email, "password": PASSWORD}), who
        return {"accessToken": self._shop.token(who, exp=round(time.time()) + 60)}, who

    async def _buy(self, token: str, product: dict[str, Any]) -> None:
        """Place an order; pay it, cancel it, or let it expire."""
        body = {"items": [{"productId": product["id"], "quantity": 1}]}
        headers = {"Idempotency-Key": f"soak-{next(self._numbers)}"}
        order = await self._ask("POST", "/orders", token, body, headers=headers)
        if "errorCode" in order:
            return
        self.done["order"] += 1
        match random.randrange(3):
            case 0:
                await self._ask("DELETE", f"/orders/{order['id']}", token)
            case 1:
                await self._ask("POST", f"/orders/{order['id']}/paid", (await self._shop.owner()).token)

    async def _moderate(self, key: str, products: list[dict[str, Any]], ends: float) -> None:
        acts = [self._erase, self._sanction, self._notify, self._trade]
        while time.monotonic() < ends:
            act = random.choice(acts)
            await self._safely("moderation", lambda act=act: act(key, products))  # type: ignore[misc]
            await asyncio.sleep(MODERATE)

    async def _erase(self, key: str, _products: list[dict[str, Any]]) -> None:
        admin = await self._shop.owner()
        async with raw_websocket(self._shop.urls[self._node()]) as socket:
            await socket.join("/chat", admin.token)
            joined = (await socket.answer(request("/chat", "chat:join-room", liveId=key)))["data"]
            if joined["history"]:
                message = random.choice(joined["history"])["id"]
                await socket.answer(request("/chat", "chat:pin-message", liveId=key, messageId=message, seconds=5))
                await socket.answer(request("/chat", "chat:delete-message", liveId=key, messageId=message))
            await socket.answer(request("/chat", "chat:clear", liveId=key, lastSeconds=2))

    async def _sanction(self, key: str, _products: list[dict[str, Any]]) -> None:
        admin, who = await self._shop.owner(), random.choice(self._people)
        async with raw_websocket(self._shop.urls[self._node()]) as socket:
            await socket.join("/chat", admin.token)
            for event in ("chat:mute-user", "chat:ban-user"):
                await socket.answer(request("/chat", event, liveId=key, userId=who.id, seconds=5))

    async def _notify(self, _key: str, _products: list[dict[str, Any]]) -> None:
        admin, who = await self._shop.owner(), random.choice(self._people)
        body = {"userId": who.id, "title": "Soak", "message": "of interest"}
        await self._ask("POST", "/notifications", admin.token, body)

    async def _trade(self, key: str, products: list[dict[str, Any]]) -> None:
        product = random.choice(products)
        await self._shop.change(product, stock=random.randrange(50), node=self._node())
        await self._ask(
            "PUT", f"/streams/{key}/featured-product", (await self._shop.owner()).token, {"productId": product["id"]}
        )
        await self._ask("GET", f"/products?streamKey={key}")
        await self._ask("GET", "/streams/active")

    # --- samples ------------------------------------------------------------------------------------------------------

    async def _sample(self, database: asyncpg.Pool) -> None:
        begun = time.monotonic()
        processes = [psutil.Process(node.pid) for node in self._shop.nodes]
        assert self._servers.redis is not None
        async with redis.asyncio.Redis.from_url(self._servers.redis.url, decode_responses=True) as client:
            while True:
                seen: Sample = {}
                for number, process in enumerate(processes):
                    seen[f"node {number} resident MB"] = process.memory_info().rss / 1e6
                    seen[f"node {number} descriptors"] = process.num_fds()
                seen["redis used MB"] = (await client.info("memory"))["used_memory"] / 1e6
                kinds = collections.Counter([key_kind(key) async for key in client.scan_iter(count=1000)])
                seen |= {f"redis keys {kind}": count for kind, count in kinds.items()}
                for table in await database.fetch(TABLES):
                    name = table["name"]
                    seen[f"table {name} rows"] = await database.fetchval(f'SELECT count(*) FROM "{name}"')
                    seen[f"table {name} kB"] = table["bytes"] / 1000
                self.samples.append((time.monotonic() - begun, seen))
                await asyncio.sleep(SAMPLE)

    def _grown(self) -> list[tuple[str, list[float]]]:
        """Return for each name the first, middle, last and largest value, and the growth per minute."""
        half = self.samples[len(self.samples) // 2 :]
        rows = []
        for name in sorted({name for _, seen in self.samples for name in seen}):
            values = [seen.get(name, 0.0) for _, seen in self.samples]
            growth = slope([(moment, seen.get(name, 0.0)) for moment, seen in half])
            rows.append((name, [values[0], half[0][1].get(name, 0.0), values[-1], max(values), growth]))
        return rows

    def memory(self) -> list[list[str]]:
        """Return the rows of the processes' memory and descriptors, and of Redis' memory."""
        shown = [(name, values) for name, values in self._grown() if re.match("node|redis used", name)]
        return [[name, *(f"{value:.1f}" for value in values[:-1]), f"{values[-1]:+.2f}"] for name, values in shown]

    def report(self) -> str:
        """Return a table of all values and their growth, the acts, and the nodes' logs."""
        lines = [f"{'':44}{'first':>10}{'half':>10}{'last':>10}{'most':>10}{'a minute':>10}"]
        for name, (*values, growth) in self._grown():
            lines.append(f"{name:44}{''.join(f'{value:10.1f}' for value in values)}{growth:+10.2f}")
        lines += [f"{name:44}{count:10}" for name, count in sorted(self.done.items())]
        for number, node in enumerate(self._shop.nodes):
            counts = collections.Counter(re.sub(r"^\S+\s*", "", line)[:90] for line in node.logs.splitlines())
            lines += [f"node {number} logged {count} times: {line}" for line, count in counts.most_common(10)]
        return "\n".join(lines)


def request(namespace: str, event: str, **payload: Any) -> str:
    """Return the packet of an event, as RawSocket takes it."""
    prefix = "" if namespace == "/" else f"{namespace},"
    return prefix + json.dumps([event, payload])


async def listen(socket: RawSocket, seconds: float) -> None:
    """Read and drop a visitor's events for some seconds."""
    try:
        await socket.until("never", within=seconds)
    except TimeoutError:
        socket.received.clear()


async def _soaked(minutes: float, rate: float, changes: Mapping[str, str]) -> Soak:
    """Run, and return the result."""
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(server_folder())
        servers = stack.enter_context(Stack(folder, durable=False))
        logs = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        assert servers.postgres is not None
        assert servers.redis is not None
        url = await Databases(servers.postgres).migrated()
        environment = SHORT | {"DATABASE_URL": url, "REDIS_URL": servers.redis.url} | dict(changes)
        environment |= {f"{name}_RATE_LIMIT": "100000/second" for name in ("CHAT", "EVENT", "JOIN", "GUEST", "HTTP")}
        nodes = [await stack.enter_async_context(Node(logs, **environment)) for _ in range(2)]
        http = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        database = await stack.enter_async_context(asyncpg.create_pool(url, min_size=1, max_size=2))
        run = Soak(Shop(nodes, stand_in(None), http, database), servers, rate)
        await run.run(minutes * 60, database)
        return run


def write(minutes: float) -> str:
    """Run, and write the growth of memory to `docs/performance/soak.md`; return the whole report."""
    moment, load = datetime.now(UTC), os.getloadavg()[0]
    run = uvloop.run(_soaked(minutes, VISITORS, {}))
    about = (
        f"`python -m bench.soak`, {moment:%d %B %Y, %H:%M} UTC: {minutes:g} minutes of mixed load on two nodes, "
        f"{VISITORS:g} visitors a second, with retentions of minutes. Load average before: {load:.1f}. "
        "The last column is the slope of a straight line through the second half."
    )
    lines = [
        about,
        "",
        table(["", "first", "half", "last", "most", "a minute"], run.memory()),
        "",
    ]
    SOAK.write_text("\n".join(lines))
    return run.report()


def main() -> None:
    """Read the arguments, run, and print the report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60.0, help="how long (60)")
    parser.add_argument("--rate", type=float, default=VISITORS, help="visitors per second (3)")
    parser.add_argument("settings", nargs="*", metavar="NAME=VALUE", help="settings of the nodes that differ")
    given = parser.parse_args()
    changes = dict(each.split("=", 1) for each in given.settings)
    sys.stdout.write(uvloop.run(_soaked(given.minutes, given.rate, changes)).report() + "\n")


if __name__ == "__main__":
    main()
