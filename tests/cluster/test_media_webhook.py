"""The media server starts and stops streams by signed messages, and their viewers receive it."""

import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from gateway.clocks import iso, now
from gateway.security.sessions.refresh_tokens import fingerprint
from gateway.security.webhooks import WebhookSignature
from tests.cluster.conftest import WEBHOOK_SECRET
from tests.cluster.shop import Shop
from tests.cluster.stamps import unstamped

NOTHING: Mapping[str, str] = {}


async def report(shop: Shop, what: str, key: str, **how: Any) -> int:
    """Send a message of a stream by its key; see `deliver`."""
    return await deliver(shop, what, {"streamKey": key}, **how)


async def deliver(
    shop: Shop,
    what: str,
    stream: Mapping[str, str],
    *,
    node: int = 0,
    changed: Mapping[str, str] = NOTHING,
    message: str | None = None,
) -> int:
    """Send a message as the media server does, or with another body or header; the status of the answer."""
    body = json.dumps({"type": what, "timestamp": iso(now()), "data": stream}).encode()
    sent, message = int(time.time()), message or f"msg_{secrets.token_hex(8)}"
    headers = {
        "webhook-id": message,
        "webhook-timestamp": str(sent),
        "webhook-signature": WebhookSignature(WEBHOOK_SECRET).sign(message, sent, body),
        "Content-Type": "application/json",
    }
    data = changed.get("body", body)
    headers |= {name: value for name, value in changed.items() if name != "body"}
    url = f"{shop.urls[node]}/api/v1/webhooks/media"
    async with (
        aiohttp.ClientSession() as http,
        http.post(url, data=data, headers=headers) as response,
    ):
        return response.status


async def stream(shop: Shop, key: str) -> Any:
    return await shop.request("GET", f"/streams/{key}", token=(await shop.person()).token, status={200})


async def test_the_media_server_starts_and_ends_a_stream(shop: Shop) -> None:
    key = await shop.stream()
    viewer = await shop.viewer(key, node=1)
    follower = await shop.connect(await shop.person(), "/", node=1)
    assert await report(shop, "stream.started", key) == 204
    started = await viewer.expect("stream:started", streamKey=key)
    assert set(unstamped(started, f"stream:{key}")) == {"streamKey", "timestamp"}
    published = await follower.expect("upcoming:updated")
    assert key not in [upcoming["key"] for upcoming in published["streams"]]
    active = await shop.request("GET", "/streams/active", token=(await shop.person()).token, node=1, status={200})
    assert key in [live["key"] for live in active["streams"]]
    assert await report(shop, "stream.started", key, node=1) == 204, "it may say so again"
    assert await report(shop, "stream.ended", key) == 204
    assert (await stream(shop, key))["status"] == "LIVE", "its encoder may come back"
    assert await report(shop, "stream.started", key) == 204
    assert await report(shop, "stream.ended", key, node=1) == 204
    await viewer.expect("stream:ended", streamKey=key)
    assert await report(shop, "stream.ended", key) == 204
    assert (await stream(shop, key))["status"] == "ENDED"
    active = await shop.request("GET", "/streams/active", token=(await shop.person()).token, node=1, status={200})
    assert key not in [live["key"] for live in active["streams"]]
    assert await report(shop, "stream.started", key) == 204
    assert (await viewer.expect("stream:started", resumed=True))["streamKey"] == key
    await viewer.expect("stream:viewer:update", viewerCount=1)


async def test_a_repeated_message_has_no_effect(shop: Shop) -> None:
    key = await shop.stream()
    for _ in range(2):
        assert await report(shop, "stream.ended", key, message=f"early-{key}") == 409
    assert await report(shop, "stream.started", key) == 204
    assert await report(shop, "stream.ended", key, node=1, message=f"early-{key}") == 409
    assert (await stream(shop, key))["status"] == "LIVE"


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-signature": "v1,AAAA"},
        {"webhook-signature": ""},
        {"webhook-id": "msg_2"},
        {"webhook-timestamp": "1700000000"},
        {"webhook-timestamp": "soon"},
        {"body": '{"type": "stream.ended"}'},
    ],
)
async def test_unsigned_webhooks_are_refused(shop: Shop, changed: dict[str, str]) -> None:
    key = await shop.stream()
    assert await report(shop, "stream.started", key, changed=changed) == 401
    assert (await stream(shop, key))["status"] == "SCHEDULED"


async def test_invalid_webhooks_are_refused(shop: Shop) -> None:
    assert await report(shop, "stream.started", "nowhere") == 404
    assert await report(shop, "stream.ended", await shop.stream()) == 409
    assert await report(shop, "stream.paused", await shop.stream()) == 400


async def test_an_unknown_ingest_key_is_remembered_too(shop: Shop) -> None:
    key, secret = await shop.stream(), secrets.token_hex(8)
    message = f"unknown-{key}"
    assert await deliver(shop, "stream.started", {"ingestKey": secret}, message=message) == 404
    await shop._database.execute("UPDATE streams SET ingest_key_hash = $2 WHERE key = $1", key, fingerprint(secret))
    assert await deliver(shop, "stream.started", {"ingestKey": secret}, message=message, node=1) == 404
    assert (await stream(shop, key))["status"] == "SCHEDULED"
    assert await deliver(shop, "stream.started", {"ingestKey": secret}) == 204
    assert (await stream(shop, key))["status"] == "LIVE"
