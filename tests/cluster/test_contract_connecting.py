"""The wire contract, "Connecting", through the official client against two nodes."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.client.client import TRANSPORTS, Transport
from tests.client.socket import RefusedError
from tests.cluster.shop import Shop
from tests.timing import scaled

NAMESPACES = ("/", "/chat", "/streaming")
GREETING = {"message", "userId", "role", "authenticated", "protocol", "serverTime", "expiresAt", "limits"}

by_transport = pytest.mark.parametrize("transport", TRANSPORTS)
in_every_namespace = pytest.mark.parametrize("namespace", NAMESPACES)


async def refusal(shop: Shop, namespace: str = "/", **how: Any) -> RefusedError:
    """How a connection is refused; the transport must be closed with it."""
    socket = shop.client.open(shop.urls[0], namespace, **how)
    with pytest.raises(RefusedError) as caught:
        await socket.connected()
    assert caught.value.data["retryable"] is False
    assert set(caught.value.data) == {"code", "retryable"}
    await socket.expect_life("closed", within=2)
    return caught.value


# --- who may come in ----------------------------------------------------------------------------------------------


@by_transport
async def test_the_root_namespace_greets_a_user(shop: Shop, transport: Transport) -> None:
    ann = await shop.person("HOST")
    socket = await shop.connect(ann, "/", transport=transport)
    published = await socket.expect("connected")
    assert set(published) == GREETING
    assert (published["userId"], published["role"], published["authenticated"]) == (ann.id, "HOST", True)
    assert published["protocol"] == "1.0"
    server_time, expires_at = (datetime.fromisoformat(published[name]) for name in ("serverTime", "expiresAt"))
    assert abs(server_time - datetime.now(UTC)) < timedelta(seconds=scaled(5))
    assert timedelta(minutes=14) < expires_at - server_time <= timedelta(minutes=15, seconds=1)
    assert published["limits"]["messageLength"] == 500
    other = {"count": 100, "seconds": 10}
    rates = {"chat": {"count": 20, "seconds": 10}, "event": other, "join": other, "refused": other}
    rates |= {"report": {"count": 10, "seconds": 60}}
    assert published["limits"]["rates"] == rates


@by_transport
@pytest.mark.parametrize("namespace", ["/chat", "/streaming"])
async def test_chat_and_streaming_greet_a_user(shop: Shop, namespace: str, transport: Transport) -> None:
    ann = await shop.person()
    socket = await shop.connect(ann, namespace, transport=transport)
    published = await socket.expect("connection:success")
    assert set(published) == {"type", "data"}
    assert published["type"] == "connection:success"
    assert set(published["data"]) == GREETING | {"timestamp"}
    assert (published["data"]["userId"], published["data"]["role"], published["data"]["authenticated"]) == (
        ann.id,
        "USER",
        True,
    )
    assert published["data"]["timestamp"].endswith("Z")


@in_every_namespace
async def test_a_guest_is_connected_as_not_authenticated(shop: Shop, namespace: str) -> None:
    socket = await shop.connect(shop.guest(), namespace)
    published = await socket.expect("connected" if namespace == "/" else "connection:success")
    published = published.get("data", published)
    assert (published["role"], published["authenticated"]) == ("GUEST", False)


async def test_three_namespaces_share_one_connection(shop: Shop) -> None:
    ann = await shop.person()
    root = await shop.connect(ann, "/")
    chat = await shop.connect(ann, "/chat", beside=root)
    streaming = await shop.connect(ann, "/streaming", beside=root)
    assert len({root.id, chat.id, streaming.id}) == 3
    await chat.disconnect()
    key = await shop.stream()
    assert (await streaming.call("stream:viewer:join", {"streamKey": key}))["viewerCount"] == 1


async def test_polling_upgrades_to_websocket(shop: Shop) -> None:
    key = await shop.stream()
    socket = await shop.connect(await shop.person(), "/chat", transport="upgrade")
    await socket.call("chat:join-room", {"liveId": key})
    upgraded = await socket.expect_life("upgrade")
    assert upgraded["transport"] == "websocket"
    await socket.call("chat:send-message", {"liveId": key, "message": "after the upgrade"})
    await socket.expect("chat:message", message="after the upgrade")


async def test_upgrade_loses_and_reorders_nothing(shop: Shop) -> None:
    key = await shop.stream()
    talker = await shop.chatter(key, node=1)
    listener = await shop.chatter(key, transport="upgrade")
    for number in range(20):
        talker.emit("chat:send-message", {"liveId": key, "message": str(number)})
    published = await listener.expect_all("chat:message", 20)
    assert [event["data"]["message"] for event in published] == [str(number) for number in range(20)]
    await listener.expect_life("upgrade")


# --- where the token is -------------------------------------------------------------------------------------------


@by_transport
async def test_the_token_may_come_in_the_authorization_header(shop: Shop, transport: Transport) -> None:
    ann = await shop.person()
    headers = {"Authorization": f"Bearer {ann.token}"}
    socket = await shop.client.connect(shop.urls[0], "/", transport=transport, extraHeaders=headers)
    await socket.expect("connected", userId=ann.id)


async def test_bearer_before_the_token_is_dropped(shop: Shop) -> None:
    ann = await shop.person()
    socket = await shop.client.connect(shop.urls[0], "/", token=f"Bearer {ann.token}")
    await socket.expect("connected", userId=ann.id)


@by_transport
async def test_the_token_may_come_in_the_cookie(shop: Shop, transport: Transport) -> None:
    ann = await shop.person()
    headers = {"Cookie": f"accessToken={ann.token}", "Origin": shop.urls[0]}
    socket = await shop.client.connect(shop.urls[0], "/", transport=transport, extraHeaders=headers)
    await socket.expect("connected", userId=ann.id)


async def test_auth_comes_before_the_header_and_the_header_before_the_cookie(shop: Shop) -> None:
    ann, bob, cat = [await shop.person() for _ in range(3)]
    headers = {"Authorization": f"Bearer {bob.token}", "Cookie": f"accessToken={cat.token}", "Origin": shop.urls[0]}
    socket = await shop.client.connect(shop.urls[0], "/", token=ann.token, extraHeaders=headers)
    await socket.expect("connected", userId=ann.id)
    socket = await shop.client.connect(shop.urls[0], "/", extraHeaders=headers)
    await socket.expect("connected", userId=bob.id)


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_foreign_page_cannot_use_the_cookie(shop: Shop, transport: Transport) -> None:
    ann = await shop.person()
    headers = {"Cookie": f"accessToken={ann.token}", "Origin": "https://evil.example"}
    socket = shop.client.open(shop.urls[0], "/", transport=transport, extraHeaders=headers)
    with pytest.raises(RefusedError):
        await socket.connected()


# --- who may not --------------------------------------------------------------------------------------------------


@in_every_namespace
@by_transport
async def test_connect_without_a_token(shop: Shop, namespace: str, transport: Transport) -> None:
    refused = await refusal(shop, namespace, transport=transport)
    assert refused.message == "No token provided"
    assert refused.data == {"code": "AUTH_REQUIRED", "retryable": False}


@in_every_namespace
async def test_connect_with_a_foreign_token(shop: Shop, namespace: str) -> None:
    ann = await shop.person()
    head, claims, signature = ann.token.split(".")
    unsigned = shop.unsigned(ann)
    bad = ["rubbish", ".".join((head, claims, signature[::-1])), unsigned]
    bad += [shop.token(ann, aud="others"), shop.token(ann, iss="others"), shop.token(ann, type="refresh")]
    bad += [shop.token(ann, sub="00000000-0000-4000-8000-000000000000"), shop.token(ann, secret="another secret " * 4)]
    for refused in await asyncio.gather(*(refusal(shop, namespace, token=token) for token in bad)):
        assert refused.message == "Invalid token"
        assert refused.data == {"code": "AUTH_REQUIRED", "retryable": False}


async def test_an_empty_token_counts_as_missing(shop: Shop) -> None:
    refused = await refusal(shop, auth={"token": ""})
    assert refused.message == "No token provided"
    ann = await shop.person()
    headers = {"Cookie": f"accessToken={ann.token}", "Origin": shop.urls[0]}
    socket = await shop.client.connect(shop.urls[0], auth={"token": ""}, extraHeaders=headers)
    assert (await socket.expect("connected"))["userId"] == ann.id


@pytest.mark.parametrize("auth", [{"token": 5}, {"token": ["x"]}, {"token": {"a": 1}}, {"token": True}])
async def test_connect_with_a_token_that_is_not_text(shop: Shop, auth: dict[str, Any]) -> None:
    refused = await refusal(shop, auth=auth)
    assert refused.message in {"Invalid token", "No token provided"}
    assert refused.data == {"code": "AUTH_REQUIRED", "retryable": False}


@in_every_namespace
async def test_connect_with_an_expired_token(shop: Shop, namespace: str) -> None:
    refused = await refusal(shop, namespace, token=shop.token(await shop.person(), exp=int(time.time()) - 60))
    assert refused.message == "Token expired"
    assert refused.data == {"code": "TOKEN_EXPIRED", "retryable": False}


@in_every_namespace
async def test_connect_with_a_suspended_account(shop: Shop, namespace: str) -> None:
    refused = await refusal(shop, namespace, token=(await shop.person(status="SUSPENDED")).token)
    assert refused.message == "Account is suspended"
    assert refused.data == {"code": "FORBIDDEN", "retryable": False}


@by_transport
async def test_connect_to_an_unknown_namespace(shop: Shop, transport: Transport) -> None:
    ann = await shop.person()
    refused = await refusal(shop, "/elsewhere", token=ann.token, transport=transport)
    assert refused.message
    assert refused.data["retryable"] is False


async def test_a_refused_namespace_does_not_affect_others(shop: Shop) -> None:
    ann = await shop.person()
    root = await shop.connect(ann, "/")
    elsewhere = shop.client.open(shop.urls[0], "/elsewhere", token=ann.token, beside=root)
    with pytest.raises(RefusedError):
        await elsewhere.connected()
    nobody = shop.client.open(shop.urls[0], "/chat", beside=root)
    with pytest.raises(RefusedError):
        await nobody.connected()
    key = await shop.stream()
    assert (await root.call("join:stream", {"streamId": key}))["room"] == f"stream:{key}"
