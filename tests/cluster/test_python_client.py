"""python-socketio's own client, whose handlers take exactly one argument, against two nodes."""

import asyncio
from typing import Any

import pytest
import socketio

from tests.client.client import TRANSPORTS, Transport
from tests.cluster.shop import Shop
from tests.timing import PATIENCE, allowed, time_limit


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_without_offsets_logged_events_have_one_argument(shop: Shop, transport: Transport) -> None:
    key, ann = await shop.stream(), await shop.person()
    with_offsets = await shop.chatter(key, node=1)
    received: asyncio.Queue[Any] = asyncio.Queue()
    client = socketio.AsyncClient(reconnection=False, handle_sigint=False)

    @client.on("chat:message", namespace="/chat")  # type: ignore[untyped-decorator]
    async def on_message(message: Any) -> None:
        await received.put(message)

    transports = ["websocket"] if transport == "websocket" else ["polling"] if transport == "polling" else None
    auth = {"token": ann.token, "offset": False}
    await client.connect(
        shop.urls[0], namespaces=["/chat"], auth=auth, transports=transports, wait_timeout=allowed(PATIENCE)
    )
    try:
        await client.call("chat:join-room", {"liveId": key}, namespace="/chat")
        await with_offsets.call("chat:send-message", {"liveId": key, "message": "hello"})
        async with time_limit():
            assert (await received.get())["data"]["message"] == "hello"
    finally:
        await client.disconnect()
    await with_offsets.expect("chat:message", message="hello")


async def test_clients_without_offsets_are_not_recovered(shop: Shop) -> None:
    """It has no offset to send; it catches up by `since`."""
    ann = await shop.person()
    socket = await shop.client.connect(shop.urls[0], "/chat", auth={"token": ann.token, "offset": False})
    assert socket.pid is None
