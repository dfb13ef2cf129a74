"""The wire contract, "Connecting": how long a socket may stay, and how its principal may change, on two nodes."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.client.client import TRANSPORTS, Client, Transport
from tests.client.raw import raw_websocket
from tests.client.socket import ClientSocket, FailedError, RefusedError
from tests.cluster.shop import PASSWORD, Shop, open_shop
from tests.support import Databases, Keyspaces
from tests.timing import allowed

NAMESPACES = ("/", "/chat", "/streaming")


async def farewell(socket: ClientSocket, event: str, code: str, within: float) -> dict[str, Any]:
    """Check that the server sends the reason to a socket and ends it."""
    published: dict[str, Any] = await socket.expect(event, within=within)
    assert set(published) == {"code", "reconnect"}
    assert published["code"] == code
    # After a closed transport official clients come back by themselves, after a disconnection they do not.
    assert published["reconnect"] is (event == "auth:expired")
    assert await socket.ended() == ("transport close" if published["reconnect"] else "io server disconnect")
    return published


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_socket_without_a_session_ends_with_its_token(shop: Shop, transport: Transport) -> None:
    ann = await shop.person()
    token = shop.token(ann, exp=int(time.time()) + 2)
    sockets = [
        await shop.client.connect(shop.urls[0], namespace, token=token, transport=transport) for namespace in NAMESPACES
    ]
    expiring = await asyncio.gather(*(socket.expect("auth:expiring", within=2) for socket in sockets))
    assert [set(published) for published in expiring] == [{"expiresAt"}] * len(NAMESPACES)
    await asyncio.gather(*(farewell(socket, "auth:expired", "TOKEN_EXPIRED", within=4) for socket in sockets))
    await asyncio.gather(*(socket.expect_life("closed", within=2) for socket in sockets))


async def test_logout_ends_all_sockets_of_the_session_on_every_node(shop: Shop) -> None:
    ann = await shop.person()
    session, other = await shop.login(ann), await shop.login(ann)
    sockets = [
        await shop.client.connect(url, namespace, token=session, transport=transport)
        for url in shop.urls
        for namespace in NAMESPACES
        for transport in TRANSPORTS
    ]
    stays = await shop.client.connect(shop.urls[1], "/chat", token=other)
    asked = time.monotonic()
    await shop.request("POST", "/auth/logout", token=session, status={200, 204})
    await asyncio.gather(*(farewell(socket, "auth:revoked", "TOKEN_REVOKED", within=1) for socket in sockets))
    assert time.monotonic() - asked < allowed(1)
    await asyncio.gather(*(socket.expect_life("closed", within=2) for socket in sockets))

    for namespace in NAMESPACES:
        with pytest.raises(RefusedError) as caught:
            await shop.client.connect(shop.urls[0], namespace, token=session)
        assert caught.value.message == "Token has been revoked"
        assert caught.value.data == {"code": "TOKEN_REVOKED", "retryable": False}
    key = await shop.stream()
    await stays.call("chat:join-room", {"liveId": key})
    stays.refute("auth:revoked")


async def test_a_suspension_ends_all_sockets_and_refuses_new_ones(shop: Shop) -> None:
    admin, ann = await shop.person("ADMIN"), await shop.person()
    session = await shop.login(ann)
    sockets = [
        await shop.client.connect(url, namespace, token=session) for url in shop.urls for namespace in NAMESPACES
    ]
    asked = time.monotonic()
    await shop.request("POST", f"/users/{ann.id}/suspend", token=admin.token, status={200})
    await asyncio.gather(*(farewell(socket, "auth:revoked", "TOKEN_REVOKED", within=1) for socket in sockets))
    assert time.monotonic() - asked < allowed(1)

    for url in shop.urls:
        for namespace in NAMESPACES:
            with pytest.raises(RefusedError) as caught:
                await shop.client.connect(url, namespace, token=session)
            assert caught.value.message == "Account is suspended"
            assert caught.value.data == {"code": "FORBIDDEN", "retryable": False}
    published = await shop.request("GET", "/auth/me", token=session, status={403})
    assert (published["errorCode"], published["message"]) == ("FORBIDDEN", "Account is suspended")


async def test_an_expired_connection_is_closed_by_the_server(shop: Shop) -> None:
    """The official client hangs up by itself; one that does not, and one that comes again, is hung up on."""
    ann = await shop.person()
    session = await shop.login(ann)
    async with raw_websocket(shop.urls[1]) as raw:
        await raw.join("/chat", session)
        await shop.request("POST", "/auth/logout", token=session, status={200, 204})
        assert '"TOKEN_REVOKED"' in await raw.until('42/chat,["auth:revoked"', within=1)
        await raw.until("41/chat,", within=1)
        await raw.closed(within=1)


async def test_a_new_token_keeps_the_socket_and_its_rooms(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    token = shop.token(ann, exp=int(time.time()) + 3)
    refreshed = await shop.client.connect(shop.urls[0], "/chat", token=token)
    forgotten = await shop.client.connect(shop.urls[0], "/chat", token=token)
    await refreshed.call("chat:join-room", {"liveId": key})
    answer = await refreshed.call("auth:refresh", {"token": ann.token})
    left = datetime.fromisoformat(answer.pop("expiresAt")) - datetime.now(UTC)
    assert timedelta(minutes=13) < left < timedelta(minutes=15, seconds=2), "as the new token"
    assert answer == {"userId": ann.id, "role": "USER"}
    await farewell(forgotten, "auth:expired", "TOKEN_EXPIRED", within=4)
    await refreshed.call("chat:send-message", {"liveId": key, "message": "still here"})
    await refreshed.expect("chat:message", message="still here")
    refreshed.refute("auth:expired")


async def test_one_refresh_renews_all_namespaces_of_a_connection(shop: Shop) -> None:
    ann = await shop.person()
    token = shop.token(ann, exp=int(time.time()) + 3)
    root = await shop.client.connect(shop.urls[0], "/", token=token)
    chat = await shop.client.connect(shop.urls[0], "/chat", token=token, beside=root)
    alone = await shop.client.connect(shop.urls[0], "/chat", token=token)
    await root.call("auth:refresh", {"token": ann.token})
    await farewell(alone, "auth:expired", "TOKEN_EXPIRED", within=5)
    for socket in (root, chat):
        await socket.fail("fence")
        socket.refute("auth:expired")


async def test_a_changed_name_reaches_all_sockets_on_every_node(shop: Shop) -> None:
    """Nobody is in a room under two names."""
    key, ann = await shop.stream(), await shop.person()
    listener = await shop.chatter(key)
    tabs = [await shop.chatter(key, as_=ann, node=node) for node in (0, 1)]
    name = f"renamed-{ann.id[:8]}"
    body, asked = {"username": name}, time.monotonic()
    await shop.request("PATCH", "/users/me", body=body, token=ann.token, status={200})
    names: set[str] = set()
    while names != {name}:
        assert time.monotonic() < asked + allowed(1.0), f"after a second: {names}"
        for number, tab in enumerate(tabs):
            await tab.call("chat:send-message", {"liveId": key, "message": f"tab {number}"})
        received = await listener.expect_all("chat:message", len(tabs))
        names = {message["data"]["username"] for message in received}
    joined = await shop.chatter(key, as_=ann, node=1)
    await joined.call("chat:send-message", {"liveId": key, "message": "a third tab"})
    assert (await listener.expect("chat:message", message="a third tab"))["data"]["username"] == name


async def test_a_socket_lives_as_long_as_its_session_and_reconnects(
    client: Client, databases: Databases, keyspaces: Keyspaces, tmp_path: Path
) -> None:
    """Access tokens of 4 s; sessions of members end 8 s after their last refresh, those of guests after their last use.

    All of it happens at the same time, so that several lifetimes take as long as the longest of them.
    """
    servers = await databases.migrated(), keyspaces.fresh()
    async with open_shop(
        client, tmp_path, *servers, JWT_EXPIRATION="4s", JWT_REFRESH_EXPIRATION="8s", GUEST_EXPIRATION="8s"
    ) as shop:
        key, ann = await shop.stream(), await shop.person()

        async def refreshed() -> None:
            body = {"email": ann.email, "password": PASSWORD}
            session = await shop.request("POST", "/auth/login", body=body, status={200})
            socket = await client.connect(shop.urls[0], "/chat", token=session["accessToken"])
            await socket.call("chat:join-room", {"liveId": key})
            await asyncio.sleep(5)  # longer than an access token, shorter than a session
            body = {"refreshToken": session["refreshToken"]}
            await shop.request("POST", "/auth/refresh", body=body, status={200})
            await asyncio.sleep(6)  # longer than the session without its refresh
            await stays(socket)

        async def abandoned() -> None:
            socket = await client.connect(shop.urls[1], "/", token=await shop.login(ann))
            await asyncio.sleep(5)  # longer than an access token
            await stays(socket)
            await farewell(socket, "auth:expired", "TOKEN_EXPIRED", within=8)

        async def guest() -> None:
            session = await shop.request("POST", "/auth/guest", body={}, status={200})
            socket = await client.connect(shop.urls[0], "/streaming", token=session["accessToken"])
            await asyncio.sleep(11)  # longer than a session
            await stays(socket)

        async def comes_back(transport: Transport) -> None:
            token = shop.token(ann, exp=int(time.time()) + 7)
            options = {"reconnection": True, "reconnectionDelay": 100}
            socket = await client.connect(shop.urls[0], "/chat", token=token, transport=transport, **options)
            await socket.call("chat:join-room", {"liveId": key})
            client.tell("auth", name=socket.name, auth={"token": ann.token})  # what it has by the time it comes back
            await farewell(socket, "auth:expired", "TOKEN_EXPIRED", within=9)
            await socket.connected()
            assert socket.recovered, "it is still in its rooms"

        async with asyncio.TaskGroup() as group:
            for life in (refreshed(), abandoned(), guest(), *map(comes_back, TRANSPORTS)):
                group.create_task(life)


async def stays(socket: ClientSocket) -> None:
    """Check that a socket is open and got no event of an end."""
    await socket.fail("fence")
    socket.refute("auth:expiring")
    socket.refute("auth:expired")


async def test_with_socket_lifetime_token_a_socket_ends_with_its_token(
    client: Client, databases: Databases, keyspaces: Keyspaces, tmp_path: Path
) -> None:
    servers = await databases.migrated(), keyspaces.fresh()
    async with open_shop(client, tmp_path, *servers, JWT_EXPIRATION="2s", SOCKET_LIFETIME="token") as shop:
        socket = await client.connect(shop.urls[0], "/chat", token=await shop.login(await shop.person()))
        await socket.expect("auth:expiring", within=2)
        await farewell(socket, "auth:expired", "TOKEN_EXPIRED", within=4)


async def test_a_guest_logs_in_without_leaving_the_room(shop: Shop) -> None:
    key = await shop.stream()
    socket = await shop.connect(shop.guest(), "/chat")
    await socket.call("chat:join-room", {"liveId": key})
    ann = await shop.person()
    assert (await socket.call("auth:refresh", {"token": ann.token}))["userId"] == ann.id
    await socket.call("chat:send-message", {"liveId": key, "message": "hello"})
    published = await socket.expect("chat:message")
    assert (published["data"]["userId"], published["data"]["username"]) == (ann.id, ann.username)
    await socket.disconnect()
    await shop.settles(key, members=0, node=1)


async def test_a_guest_who_logs_in_stays_one_viewer(shop: Shop) -> None:
    key = await shop.stream()
    other = await shop.viewer(key, node=1)
    socket = await shop.viewer(key, as_=shop.guest())
    ann = await shop.person()
    await socket.call("auth:refresh", {"token": ann.token})
    tab = await shop.viewer(key, as_=ann, node=1)
    assert (await other.call("stream:viewer:join", {"streamKey": key}))["viewerCount"] == 2
    assert (await tab.call("stream:viewer:leave", {"streamKey": key}))["viewerCount"] == 2, "the other tab is there"
    assert await socket.call("stream:viewer:leave", {"streamKey": key}) == {"streamKey": key, "viewerCount": 1}


async def test_a_socket_cannot_change_to_another_user(shop: Shop) -> None:
    ann, bob = await shop.person(), await shop.person()
    socket = await shop.connect(ann, "/chat")
    assert (await socket.fail("auth:refresh", {"token": bob.token}))["code"] == "FORBIDDEN"
    assert (await socket.fail("auth:refresh", {"token": "rubbish"}))["code"] == "AUTH_REQUIRED"
    expired = shop.token(ann, exp=int(time.time()) - 60)
    assert (await socket.fail("auth:refresh", {"token": expired}))["code"] == "TOKEN_EXPIRED"
    key = await shop.stream()
    assert (await socket.call("chat:join-room", {"liveId": key}))["you"]["userId"] == ann.id


async def test_a_revoked_session_cannot_be_refreshed_with_its_own_token(shop: Shop) -> None:
    ann = await shop.person()
    revoked = await shop.login(ann)
    await shop.request("POST", "/auth/logout", token=revoked, status={200, 204})
    socket = await shop.connect(ann, "/chat")
    with pytest.raises(FailedError) as caught:
        await socket.call("auth:refresh", {"token": revoked})
    assert caught.value.code == "TOKEN_REVOKED"
