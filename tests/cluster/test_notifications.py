"""Notifications over two nodes and the official client: each user gets theirs, now or at the next connect."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from gateway.dev.servers import PostgresProcess, RedisProcess
from tests.client.client import Client
from tests.client.raw import PATH
from tests.client.socket import ClientSocket
from tests.cluster.shop import Person, Shop, open_shop
from tests.timing import time_limit, until

NEW = "notification:new"


async def send(shop: Shop, *people: Person, title: str = "News", node: int = 0) -> list[str]:
    """Send a notification to people; return the ids of their copies, in the order of the people."""
    body = {"userIds": [person.id for person in people], "title": title, "message": "Something happened"}
    token = (await shop.owner()).token
    sent = await shop.request("POST", "/notifications", body=body, token=token, node=node, status={201})
    copies = {item["userId"]: item["id"] for item in sent["items"]}
    return [copies[person.id] for person in people]


async def settle(socket: ClientSocket) -> None:
    """Wait until all events sent to a socket so far have arrived."""
    await socket.call("leave:stream", {"streamId": "nowhere"})


async def ready(shop: Shop, node: int) -> None:
    """Wait until a node has all its servers again."""
    async with time_limit(10):
        while (await shop.request("GET", "/health/ready", node=node, status={200, 503}))["status"] != "ok":  # noqa: ASYNC110
            await asyncio.sleep(0.1)


async def test_every_socket_of_a_user_gets_a_notification_once(shop: Shop) -> None:
    person, other = await shop.person(), await shop.person()
    sockets = [await shop.connect(person, "/", node=node) for node in (0, 0, 1)]
    stranger = await shop.connect(other, "/", node=1)
    first, second = [(await send(shop, person, title=title))[0] for title in ("One", "Two")]

    for socket in sockets:
        one, two = await socket.expect_all(NEW, 2)
        assert one["type"] == NEW
        assert set(one["data"]) == {"id", "title", "message", "level", "timestamp"}
        assert [(published["data"]["id"], published["data"]["title"]) for published in (one, two)] == [
            (first, "One"),
            (second, "Two"),
        ]
        assert one["data"]["level"] == "INFO"
    third = (await send(shop, person, other, title="Three"))[0]
    for socket in sockets:
        assert (await socket.expect(NEW))["data"]["id"] == third, "the next one: none came twice"
    assert (await stranger.expect(NEW))["data"]["title"] == "Three"
    for socket in [*sockets, stranger]:
        await settle(socket)
        socket.refute(NEW)


async def test_missed_notifications_arrive_once_at_the_next_connect(shop: Shop) -> None:
    person = await shop.person()
    ids = [(await send(shop, person, title=str(number)))[0] for number in range(25)]  # more than one round
    socket = await shop.connect(person, "/", node=1)
    published = await socket.expect_all(NEW, 25)
    assert [one["data"]["id"] for one in published] == ids, "the oldest first"
    ids += await send(shop, person, title="another")
    assert (await socket.expect(NEW))["data"]["id"] == ids[-1], "the next one: none came twice"
    later = await shop.connect(person, "/", node=0)
    ids += await send(shop, person, title="the last")
    for each in (socket, later):
        assert (await each.expect(NEW))["data"]["id"] == ids[-1], "the next one: none came twice"
        await settle(each)
        each.refute(NEW)
    page = await shop.request("GET", "/notifications?limit=20", token=person.token, status={200})
    rest = await shop.request(
        "GET", f"/notifications?limit=20&cursor={page['nextCursor']}", token=person.token, status={200}
    )
    assert [item["id"] for item in page["items"] + rest["items"]] == ids[::-1]
    assert rest["nextCursor"] is None


async def test_a_guest_who_logs_in_gets_waiting_notifications(shop: Shop) -> None:
    person = await shop.person()
    (waiting,) = await send(shop, person)
    socket = await shop.connect(shop.guest(), "/")
    await socket.call("auth:refresh", {"token": person.token})
    assert (await socket.expect(NEW))["data"]["id"] == waiting
    (live,) = await send(shop, person, node=1)
    assert (await socket.expect(NEW))["data"]["id"] == live


async def test_an_unknown_recipient_refuses_the_whole_request(shop: Shop) -> None:
    person = await shop.person()
    socket = await shop.connect(person, "/")
    nobody = Person("00000000-0000-4000-8000-000000000000", "nobody", "", "USER", "")
    token = (await shop.owner()).token
    body: dict[str, Any] = {"userIds": [person.id, nobody.id], "title": "a", "message": "b"}
    answer = await shop.request("POST", "/notifications", body=body, token=token, status={404})
    assert answer["errorCode"] == "NOT_FOUND"
    wrong: tuple[dict[str, Any], ...] = (
        {"userId": person.id, "userIds": [person.id]},
        {"userIds": []},
        {"userId": "somebody"},
        {"userId": person.id, "level": "LOUD"},
        {"userId": person.id, "title": " "},
        {},
    )
    for fields in wrong:
        body = {"title": "a", "message": "b"} | fields
        assert (await shop.request("POST", "/notifications", body=body, token=token, status={400}))["errorCode"]
    for somebody in (await shop.person("HOST"), shop.guest()):
        body = {"userId": person.id, "title": "a", "message": "b"}
        await shop.request("POST", "/notifications", body=body, token=somebody.token, status={403})
    await shop.request("GET", "/notifications", token=shop.guest().token, status={403})
    assert (await shop.request("GET", "/notifications", token=person.token, status={200}))["items"] == []
    await settle(socket)
    socket.refute(NEW)


@pytest.fixture
async def fragile_shop(
    client: Client, database_url: str, own_redis: RedisProcess, tmp_path: Path
) -> AsyncIterator[tuple[Shop, asyncpg.Connection]]:
    """Two nodes on a Redis that may be killed."""
    connection = await asyncpg.connect(database_url)
    async with open_shop(client, tmp_path, database_url, own_redis.url) as shop:
        yield shop, connection
    await connection.close()


async def test_notifications_survive_a_redis_outage(
    fragile_shop: tuple[Shop, asyncpg.Connection], own_redis: RedisProcess
) -> None:
    shop, database = fragile_shop
    person = await shop.person()
    socket = await shop.connect(person, "/", node=1)
    own_redis.kill()
    # As after a node that committed and died before it notified the others.
    ids = [uuid.uuid4() for _ in range(3)]
    for waiting in ids:
        await database.execute(
            "INSERT INTO notifications (id, user_id, title, message, level, created_at) "
            "VALUES ($1, $2, 'News', 'Something happened', 'INFO', clock_timestamp())",
            waiting,
            uuid.UUID(person.id),
        )
    published = await socket.expect_all(NEW, 3, within=15)
    assert [one["data"]["id"] for one in published] == [str(waiting) for waiting in ids]
    own_redis.start()
    for node in (0, 1):
        await ready(shop, node)
    (later,) = await send(shop, person)
    assert (await socket.expect(NEW))["data"]["id"] == later
    await settle(socket)
    socket.refute(NEW)


async def test_notifications_to_a_dead_connection_arrive_at_the_next_connect(
    client: Client, tmp_path: Path, own_postgres: PostgresProcess, own_redis: RedisProcess
) -> None:
    servers = own_postgres.url, own_redis.url
    async with open_shop(client, tmp_path, *servers, PING_INTERVAL="300ms", PING_TIMEOUT="600ms") as shop:
        person = await shop.person()
        url = f"{shop.urls[0]}{PATH}websocket"
        async with aiohttp.ClientSession() as http, http.ws_connect(url) as phone:
            await phone.send_str("40" + json.dumps({"token": person.token}))
            while not (await phone.receive_str(timeout=5)).startswith("40"):
                pass
            await send(shop, person, title="In the tunnel")  # it answers no ping
            async with time_limit(10):
                while await shop.sockets(0):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        back = await shop.connect(person, "/", node=1)
        assert (await back.expect(NEW))["data"]["title"] == "In the tunnel"


async def test_a_client_lost_during_a_request_gets_its_notifications_later(
    fragile_shop: tuple[Shop, asyncpg.Connection],
) -> None:
    shop, database = fragile_shop
    person, key = await shop.person(), await shop.stream()
    other = await shop.person()
    witness = await shop.connect(other, "/")
    url = f"{shop.urls[0]}{PATH}websocket"

    async def waits() -> bool:
        return bool(await database.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"))

    async with database.transaction():
        await database.execute("LOCK TABLE rooms IN ACCESS EXCLUSIVE MODE")  # which the request waits for
        async with aiohttp.ClientSession() as http, http.ws_connect(url) as page:
            await page.send_str("40" + json.dumps({"token": person.token}))
            while not (await page.receive_str(timeout=5)).startswith("40"):
                pass
            await page.send_str("42" + json.dumps(["join:stream", {"streamId": key}]))
            await until(waits, what="the request waits for the lock")
        await settle(witness)  # the node has read the end of the connection before this
        sent, _ = await send(shop, person, other)
        await witness.expect(NEW)  # the node has sent what it has for its sockets
    back = await shop.connect(person, "/", node=1)
    assert (await back.expect(NEW))["data"]["id"] == sent
