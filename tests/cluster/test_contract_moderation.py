"""The wire contract, moderation: people and rooms, with the official client over two nodes."""

import asyncio
import json
import secrets
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.dev.servers import PostgresProcess, RedisProcess
from tests.client.client import Client
from tests.client.raw import PATH
from tests.client.socket import ClientSocket, RefusedError
from tests.cluster.shop import Person, Shop, open_shop
from tests.cluster.stamps import unstamped
from tests.timing import allowed, turns

NAMESPACES = ("/", "/chat", "/streaming")
SOON = 3.0  # s that are waited for what holds on every node after 1 s; a busy machine may need more
MANY = 2_000


async def room_of(shop: Shop, host: Person) -> str:
    """Return a fresh stream of a host."""
    key = f"m-{secrets.token_hex(6)}"
    await shop.request("POST", "/streams", body={"title": key, "key": key}, token=host.token, status={201})
    return key


async def say(socket: ClientSocket, key: str, text: str = "hello", **more: Any) -> dict[str, Any]:
    return await socket.ask("chat:send-message", {"liveId": key, "message": text} | more)


async def code_of(answer: Any) -> str:
    ack = await answer
    return "ok" if ack["ok"] else str(ack["error"]["code"])


async def put_out(socket: ClientSocket, **banned: Any) -> None:
    """Check that a socket gets its ban and is disconnected, soon."""
    await socket.expect("chat:banned", within=SOON, **banned)
    assert await socket.ended(within=SOON) == "io server disconnect"


# --- people ---------------------------------------------------------------------------------------------------------


async def test_mute_and_unmute(shop: Shop) -> None:
    host, ann = await shop.person("HOST"), await shop.person()
    key = await room_of(shop, host)
    hosts = await shop.connect(host, "/chat")
    anns = [await shop.chatter(key, as_=ann, node=node) for node in (0, 1)]
    elsewhere = await shop.chatter(await shop.stream(), as_=ann, node=1)
    first = await anns[0].call("chat:send-message", {"liveId": key, "message": "a", "clientMessageId": "c-1"})

    ack = await hosts.call("chat:mute-user", {"liveId": key, "userId": ann.id, "seconds": 600, "reason": "rude"})
    assert set(ack) == {"liveId", "userId", "until", "sanctionId"}
    for socket in anns:
        assert await socket.expect("chat:muted", within=SOON) == {"liveId": key, "until": ack["until"]}
        error = await socket.fail("chat:send-message", {"liveId": key, "message": "b"})
        assert (error["code"], error["details"]) == ("MUTED", {"until": ack["until"]})
        assert 500_000 < error["retryAfterMs"] <= 600_000
    assert await anns[1].call(
        "chat:send-message", {"liveId": key, "message": "a", "clientMessageId": "c-1"}
    ) == first | {"duplicate": True}
    you = (await anns[1].call("chat:join-room", {"liveId": key}))["you"]
    assert (you["mutedUntil"], you["canSend"]) == (ack["until"], False)

    await hosts.call("chat:unmute-user", {"liveId": key, "userId": ann.id})
    for socket in anns:
        assert await socket.expect("chat:muted", within=SOON) == {"liveId": key, "until": None}
        assert await socket.expect("chat:unmuted", within=SOON) == {"userId": ann.id, "liveId": key}
        assert await code_of(say(socket, key)) == "ok"
    elsewhere.refute("chat:muted")


async def test_a_join_tells_whether_the_user_moderates(shop: Shop) -> None:
    host = await shop.person("HOST")
    key = await room_of(shop, host)
    for role, expected in (("ADMIN", True), ("MODERATOR", True), ("HOST", False), ("USER", False)):
        socket = await shop.connect(await shop.person(role), "/chat")
        assert (await socket.call("chat:join-room", {"liveId": key}))["you"]["moderator"] is expected
    hosts = await shop.connect(host, "/chat")
    assert (await hosts.call("chat:join-room", {"liveId": key}))["you"]["moderator"] is True


async def test_ban_from_a_room(shop: Shop) -> None:
    admin, ann = await shop.person("ADMIN"), await shop.person()
    key, other = await shop.stream(), await shop.stream()
    admins = await shop.connect(admin, "/chat")
    inside = [await shop.chatter(key, as_=ann, node=node) for node in (0, 1)]
    outside = await shop.chatter(other, as_=ann, node=1)
    ban = {"liveId": key, "userId": ann.id, "reason": "enough"}
    await say(inside[0], key, "something rude")
    ack = await admins.call("chat:ban-user", ban | {"seconds": 600, "deleteMessages": True})
    assert (ack["liveId"], ack["deleted"]) == (key, 1)
    await asyncio.gather(*(put_out(socket, liveId=key, until=ack["until"], reason="enough") for socket in inside))
    back = await inside[1].reconnect()
    assert (await back.fail("chat:join-room", {"liveId": key}))["code"] == "BANNED"
    assert await code_of(say(outside, other)) == "ok"
    for _ in range(2):
        await admins.call("chat:unban-user", {"liveId": key, "userId": ann.id})
    joined = await back.call("chat:join-room", {"liveId": key})
    assert (joined["history"], joined["you"]["canSend"]) == ([], True)


async def test_ban_everywhere(shop: Shop) -> None:
    admin, ann = await shop.person("ADMIN"), await shop.person()
    token = await shop.login(ann)
    session = await shop.request(
        "POST", "/auth/login", body={"email": ann.email, "password": "correct horse battery"}, status={200}
    )
    sockets = [await shop.connect(ann, namespace, node=node) for namespace in NAMESPACES for node in (0, 1)]
    admins = await shop.connect(admin, "/chat")
    ban_end = (await admins.call("chat:ban-user", {"userId": ann.id, "reason": "enough"}))["until"]
    await asyncio.gather(*(put_out(socket, liveId=None, reason="enough") for socket in sockets))
    for socket in sockets:
        assert await socket.expect("auth:revoked") == {"code": "BANNED", "reconnect": False}
    for namespace in NAMESPACES:
        with pytest.raises(RefusedError) as refused:
            await shop.connect(ann, namespace, node=1)
        assert refused.value.message == "You are banned"
        assert refused.value.data == {"code": "BANNED", "retryable": False, "until": ban_end}
    refresh = {"refreshToken": session["refreshToken"]}
    for method, path, body, bearer in (
        ("POST", "/auth/login", {"email": ann.email, "password": "correct horse battery"}, None),
        ("POST", "/auth/refresh", refresh, None),
        ("GET", "/auth/me", None, token),
        ("GET", "/orders", None, token),
    ):
        answer = await shop.request(method, path, body=body, token=bearer, node=1, status={403})
        assert answer["errorCode"] == "BANNED", path
    await admins.call("chat:unban-user", {"userId": ann.id})
    await shop.connect(ann, "/chat", node=1)
    await shop.request("POST", "/auth/refresh", body=refresh, status={200})


async def test_a_banned_guest_cannot_return(shop: Shop) -> None:
    browser = {"User-Agent": f"a browser {secrets.token_hex(8)}"}

    async def enter(status: int, body: Any = None, **headers: str) -> Any:
        return await shop.request("POST", "/auth/guest", body=body, headers=browser | headers, status={status})

    guest = await enter(200, {"deviceId": "an-app-without-cookies"})
    sockets = [
        await shop.client.connect(shop.urls[node], "/chat", token=guest["accessToken"]) for node in (0, 1)
    ]  # fmt: skip
    admins = await shop.connect(await shop.person("ADMIN"), "/chat", node=1)
    await admins.call("chat:ban-user", {"userId": guest["user"]["id"]})
    await asyncio.gather(*(put_out(socket) for socket in sockets))
    with pytest.raises(RefusedError, match="banned"):
        await shop.client.connect(shop.urls[0], "/chat", token=guest["accessToken"])
    for attempt in (
        enter(403, {"refreshToken": guest["refreshToken"]}),
        enter(403, {"deviceId": "an-app-without-cookies"}),
        enter(403, {"deviceId": "an-app-without-cookies"}, **{"User-Agent": "another"}),
    ):
        assert (await attempt)["errorCode"] == "BANNED"
    await enter(200, {"deviceId": "a-neighbour-behind-the-same-carrier"})
    await admins.call("chat:unban-user", {"userId": guest["user"]["id"]})
    await enter(200)


async def test_the_device_cookie_is_persistent_and_http_only(shop: Shop) -> None:
    async with aiohttp.ClientSession() as browser:
        async with browser.post(f"{shop.urls[0]}/api/v1/auth/guest", json={}) as response:
            cookie = response.cookies["deviceId"]
        assert (bool(cookie["httponly"]), int(cookie["max-age"]) > 30_000_000, cookie["samesite"]) == (
            True,
            True,
            "Lax",
        )
        async with browser.post(f"{shop.urls[0]}/api/v1/auth/guest", cookies={"deviceId": cookie.value}) as response:
            assert response.cookies["deviceId"].value == cookie.value
        async with browser.post(f"{shop.urls[0]}/api/v1/auth/guest", cookies={"deviceId": "x"}) as response:
            assert response.cookies["deviceId"].value not in ("x", cookie.value)


async def test_a_banned_user_cannot_log_in_on_a_guest_socket(shop: Shop) -> None:
    admin, ann = await shop.person("ADMIN"), await shop.person()
    key = await shop.stream()
    session = await shop.request("POST", "/auth/guest", headers={"User-Agent": key}, status={200})
    socket = await shop.client.connect(shop.urls[0], "/chat", token=session["accessToken"])
    await socket.call("chat:join-room", {"liveId": key})
    admins = await shop.connect(admin, "/chat", node=1)
    await admins.call("chat:ban-user", {"liveId": key, "userId": ann.id})
    assert (await socket.fail("auth:refresh", {"token": ann.token}))["code"] == "BANNED"
    assert (await socket.call("chat:join-room", {"liveId": key}))["you"]["role"] == "GUEST"


# --- rooms ----------------------------------------------------------------------------------------------------------


async def test_slow_mode_freezing_and_guests(shop: Shop) -> None:
    host, ann = await shop.person("HOST"), await shop.person()
    key = await room_of(shop, host)
    hosts = await shop.chatter(key, as_=host)
    anns = await shop.chatter(key, as_=ann, node=1)
    settings = {"liveId": key, "slowModeSeconds": 0, "frozen": False, "guestsAllowed": False}

    async def changed(event: str, ask: dict[str, Any], **change: Any) -> None:
        settings.update(change)
        assert await hosts.call(event, {"liveId": key} | ask) == settings
        published = unstamped(await anns.expect("chat:settings", within=SOON), f"live:{key}")
        assert published == {"type": "chat:settings", "data": settings}

    await changed("chat:slow-mode", {"seconds": 300}, slowModeSeconds=300)
    assert await code_of(say(anns, key)) == "ok"
    again = await shop.chatter(key, as_=ann, node=0)
    error = await again.fail("chat:send-message", {"liveId": key, "message": "b"})
    assert (error["code"], error["retryable"]) == ("SLOW_MODE", True)
    assert 290_000 < error["retryAfterMs"] <= 300_000
    for _ in range(2):
        assert await code_of(say(hosts, key)) == "ok"
    await changed("chat:slow-mode", {"seconds": 0}, slowModeSeconds=0)
    await changed("chat:freeze", {"frozen": True}, frozen=True)
    assert await code_of(say(anns, key)) == "ROOM_FROZEN"
    await changed("chat:freeze", {"frozen": False}, frozen=False)
    guest = await shop.chatter(key, as_=shop.guest(), node=1)
    assert await code_of(say(guest, key)) == "FORBIDDEN"
    await changed("chat:allow-guests", {"allowed": True}, guestsAllowed=True)
    assert await code_of(say(guest, key)) == "ok"
    joined = await guest.call("chat:join-room", {"liveId": key})
    assert {"liveId": key} | joined["settings"] == settings
    assert joined["you"]["canSend"]


async def test_announcements(shop: Shop) -> None:
    key = await shop.stream()
    moderators = await shop.connect(await shop.person("MODERATOR"), "/chat")
    receives = await shop.chatter(key, node=1)
    cursor = (await receives.call("chat:join-room", {"liveId": key}))["cursor"]
    ack = await moderators.call("chat:announce", {"liveId": key, "message": "  last call  "})
    published = await receives.expect("chat:announcement", within=SOON)
    assert (published["data"]["message"], published["data"]["seq"]) == ("last call", ack["seq"])
    back = await receives.call("chat:join-room", {"liveId": key, "since": cursor})
    assert [missed["payload"] for missed in back["events"]] == [published]
    assert (await receives.fail("chat:announce", {"liveId": key, "message": "me too"}))["code"] == "FORBIDDEN"
    said = await receives.call("chat:send-message", {"liveId": key, "message": "coming"})
    joined = await (await shop.connect(await shop.person(), "/chat")).call("chat:join-room", {"liveId": key})
    announced, message = joined["history"]
    assert announced == published["data"] | {"id": announced["id"], "clientMessageId": None, "kind": "announcement"}
    assert (message["id"], message.get("kind")) == (said["id"], None)
    page = await receives.call("chat:history", {"liveId": key, "before": announced["id"]})
    assert page == {"messages": [], "nextBefore": None}, "it has a place to go back from, as messages have"


# --- lost notices ---------------------------------------------------------------------------------------------------


async def test_sanctions_hold_if_their_notice_is_lost(
    client: Client, tmp_path: Path, database_url: str, own_redis: RedisProcess
) -> None:
    async with open_shop(client, tmp_path, database_url, own_redis.url) as shop:
        key = await shop.stream()
        admins = await shop.connect(await shop.person("ADMIN"), "/chat")
        banned, muted, here = [await shop.person() for _ in range(3)]
        sockets = [await shop.chatter(key, as_=person, node=1) for person in (banned, muted, here)]
        own_redis.kill()
        await admins.call("chat:ban-user", {"userId": banned.id})
        await admins.call("chat:mute-user", {"liveId": key, "userId": muted.id})
        codes = [await code_of(say(socket, key)) for socket in sockets]
        assert codes == ["BANNED", "MUTED", "ok"]
        own_redis.start()
        await sockets[0].expect("chat:banned", within=15, liveId=None)
        await sockets[0].ended()
        assert await code_of(say(sockets[2], key)) == "ok"


# --- how fast -------------------------------------------------------------------------------------------------------


@pytest.mark.timeout(180)
async def test_a_moderation_event_reaches_two_thousand_sockets_on_two_nodes(
    client: Client, tmp_path: Path, own_postgres: PostgresProcess, own_redis: RedisProcess
) -> None:
    servers = own_postgres.url, own_redis.url
    async with (
        open_shop(client, tmp_path, *servers, MAX_ADDRESS_CONNECTIONS="5000", CONNECT_TIMEOUT="30s") as shop,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http,
        AsyncExitStack() as stack,
    ):
        key = await shop.stream()
        admins = await shop.connect(await shop.person("ADMIN"), "/chat")
        people = await shop.clients(MANY)
        gate = asyncio.Semaphore(50)

        async def arrive(number: int) -> aiohttp.ClientWebSocketResponse:
            async with gate:
                url = f"{shop.urls[number % 2]}{PATH}websocket"
                socket = await stack.enter_async_context(http.ws_connect(url))
                await socket.send_str(f"40/chat,{json.dumps({'token': people[number].token})}")
                await receive(socket, "40/chat,")
                await socket.send_str(f'42/chat,1["chat:join-room",{json.dumps({"liveId": key})}]')
                assert '"ok":true' in await receive(socket, "43/chat,1")
                return socket

        sockets = await asyncio.gather(*(arrive(number) for number in range(MANY)))
        for event, ask, received in (
            ("chat:freeze", {"frozen": True}, '"frozen":true'),
            ("chat:freeze", {"frozen": False}, '"frozen":false'),
        ):
            hearing = [asyncio.create_task(receive(socket, "42/chat,", received)) for socket in sockets]
            await turns()  # all of them wait for the event
            begun = time.perf_counter()
            acked = asyncio.create_task(admins.call(event, {"liveId": key} | ask))
            moments = [moment async for moment in _moments(hearing)]
            await acked
            print(f"\n{event}: seen by {MANY} sockets on two nodes, the last {moments[-1] - begun:.3f} s after asking")
            assert moments[-1] - begun < allowed(5)  # 1 s is promised; a busy machine may need more to count to 2,000


async def receive(socket: aiohttp.ClientWebSocketResponse, beginning: str, holding: str = "") -> str:
    """Return the next packet that begins so and holds something."""
    while True:
        packet = await socket.receive_str()
        if packet == "2":
            await socket.send_str("3")
        elif packet.startswith(beginning) and holding in packet:
            return packet


async def _moments(hearing: list[asyncio.Task[str]]) -> Any:
    for done in asyncio.as_completed(hearing):
        await done
        yield time.perf_counter()


# --- who may --------------------------------------------------------------------------------------------------------

IN_OWN_ROOM = {"ADMIN", "MODERATOR", "HOST"}


async def test_who_may_moderate_a_room(shop: Shop) -> None:
    people = {role: await shop.person(role) for role in ("ADMIN", "MODERATOR", "HOST", "USER")}
    people |= {"OTHER_HOST": await shop.person("HOST"), "GUEST": shop.guest()}
    key, ann = await room_of(shop, people["HOST"]), await shop.person()
    sockets = {role: await shop.chatter(key, as_=who, node=n % 2) for n, (role, who) in enumerate(people.items())}
    sent = await (await shop.chatter(key)).call("chat:send-message", {"liveId": key, "message": "hello"})
    whom, message = {"userId": ann.id}, {"messageId": sent["id"]}
    asks: tuple[tuple[str, dict[str, Any], set[str]], ...] = (
        ("chat:mute-user", whom, IN_OWN_ROOM),
        ("chat:unmute-user", whom, IN_OWN_ROOM),
        ("chat:slow-mode", {"seconds": 0}, IN_OWN_ROOM),
        ("chat:freeze", {"frozen": False}, IN_OWN_ROOM),
        ("chat:allow-guests", {"allowed": False}, IN_OWN_ROOM),
        ("chat:pin-message", message, IN_OWN_ROOM),
        ("chat:unpin-message", message, IN_OWN_ROOM),
        ("chat:announce", {"message": "hear, hear"}, IN_OWN_ROOM),
        ("chat:ban-user", whom, {"ADMIN"}),
        ("chat:unban-user", whom, {"ADMIN"}),
        ("chat:clear", {"dryRun": True}, {"ADMIN"}),
        ("chat:delete-message", message, {"ADMIN"}),
    )
    for event, ask, may in asks:
        answers = {role: await code_of(socket.ask(event, {"liveId": key} | ask)) for role, socket in sockets.items()}
        assert answers == {role: "ok" if role in may else "FORBIDDEN" for role in people}, event
