"""The wire contract, "Connecting": how long a socket may stay, and what it may become meanwhile, over two nodes."""

import asyncio
import time
from typing import Any

import pytest

from tests.client.client import TRANSPORTS, Transport
from tests.client.raw import raw_websocket
from tests.client.socket import ClientSocket, FailedError, RefusedError
from tests.cluster.shop import Shop

NAMESPACES = ("/", "/chat", "/streaming")


async def farewell(socket: ClientSocket, event: str, code: str, within: float) -> dict[str, Any]:
    """A socket is told why and then ended by the server."""
    told: dict[str, Any] = await socket.expect(event, within=within)
    assert set(told) == {"code", "reconnect"}
    assert told["code"] == code
    assert isinstance(told["reconnect"], bool)
    assert await socket.ended() == "io server disconnect"
    return told


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_token_that_runs_out_ends_the_socket(shop: Shop, transport: Transport) -> None:
    ann = await shop.person()
    token = shop.token(ann, exp=int(time.time()) + 2)
    sockets = [
        await shop.client.connect(shop.urls[0], namespace, token=token, transport=transport) for namespace in NAMESPACES
    ]
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
    assert time.monotonic() - asked < 1
    await asyncio.gather(*(socket.expect_life("closed", within=2) for socket in sockets))

    for namespace in NAMESPACES:
        with pytest.raises(RefusedError) as caught:
            await shop.client.connect(shop.urls[0], namespace, token=session)
        assert caught.value.message == "Token has been revoked"
        assert caught.value.data == {"code": "TOKEN_REVOKED", "retryable": False}
    key = await shop.stream()
    await stays.call("chat:join-room", {"liveId": key})
    stays.refute("auth:revoked")


async def test_a_suspension_ends_all_sockets_and_says_so_to_who_comes_again(shop: Shop) -> None:
    admin, ann = await shop.person("ADMIN"), await shop.person()
    session = await shop.login(ann)
    sockets = [
        await shop.client.connect(url, namespace, token=session) for url in shop.urls for namespace in NAMESPACES
    ]
    asked = time.monotonic()
    await shop.request("POST", f"/users/{ann.id}/suspend", token=admin.token, status={200})
    await asyncio.gather(*(farewell(socket, "auth:revoked", "TOKEN_REVOKED", within=1) for socket in sockets))
    assert time.monotonic() - asked < 1

    for url in shop.urls:
        for namespace in NAMESPACES:
            with pytest.raises(RefusedError) as caught:
                await shop.client.connect(url, namespace, token=session)
            assert caught.value.message == "Account is suspended"
            assert caught.value.data == {"code": "FORBIDDEN", "retryable": False}
    told = await shop.request("GET", "/auth/me", token=session, status={403})
    assert (told["errorCode"], told["message"]) == ("FORBIDDEN", "Account is suspended")


async def test_who_stays_on_the_line_after_the_end_loses_it(shop: Shop) -> None:
    """The official client hangs up by itself; one that does not, and one that comes again, is hung up on."""
    ann = await shop.person()
    session = await shop.login(ann)
    async with raw_websocket(shop.urls[1]) as raw:
        await raw.join("/chat", session)
        await shop.request("POST", "/auth/logout", token=session, status={200, 204})
        assert '"TOKEN_REVOKED"' in await raw.until('42/chat,["auth:revoked"', within=1)
        await raw.until("41/chat,", within=1)
        await raw.closed(within=1)


async def test_a_fresh_token_keeps_the_socket_and_its_rooms(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    token = shop.token(ann, exp=int(time.time()) + 3)
    refreshed = await shop.client.connect(shop.urls[0], "/chat", token=token)
    forgotten = await shop.client.connect(shop.urls[0], "/chat", token=token)
    await refreshed.call("chat:join-room", {"liveId": key})
    answer = await refreshed.call("auth:refresh", {"token": ann.token})
    assert (answer["userId"], answer["role"]) == (ann.id, "USER")
    await farewell(forgotten, "auth:expired", "TOKEN_EXPIRED", within=4)
    await refreshed.call("chat:send-message", {"liveId": key, "message": "still here"})
    await refreshed.expect("chat:message", message="still here")
    refreshed.refute("auth:expired")


async def test_a_guest_becomes_a_member_without_losing_the_room(shop: Shop) -> None:
    key = await shop.stream()
    socket = await shop.connect(shop.guest(), "/chat")
    await socket.call("chat:join-room", {"liveId": key})
    ann = await shop.person()
    assert (await socket.call("auth:refresh", {"token": ann.token}))["userId"] == ann.id
    await socket.call("chat:send-message", {"liveId": key, "message": "hello"})
    told = await socket.expect("chat:message")
    assert (told["data"]["userId"], told["data"]["username"]) == (ann.id, ann.username)
    await socket.disconnect()
    await shop.settles(key, members=0, node=1)


async def test_a_guest_who_becomes_a_member_stays_one_viewer(shop: Shop) -> None:
    key = await shop.stream()
    other = await shop.viewer(key, node=1)
    socket = await shop.viewer(key, as_=shop.guest())
    ann = await shop.person()
    await socket.call("auth:refresh", {"token": ann.token})
    tab = await shop.viewer(key, as_=ann, node=1)
    assert (await other.call("stream:viewer:join", {"streamKey": key}))["viewerCount"] == 2
    assert (await tab.call("stream:viewer:leave", {"streamKey": key}))["viewerCount"] == 2, "the other tab is there"
    assert await socket.call("stream:viewer:leave", {"streamKey": key}) == {"streamKey": key, "viewerCount": 1}


async def test_a_socket_cannot_be_turned_into_somebody_else(shop: Shop) -> None:
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
