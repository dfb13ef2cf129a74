"""The holes of stock python-socketio that show from outside: promises that the gateway keeps and stock breaks.

Breaking them is what makes keeping them worth something: each promise is tried on a plain python-socketio server too,
and must fail there. One that no longer fails is a hole that was closed upstream.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import aiohttp
import pytest

from tests.client.client import Client
from tests.client.raw import PATH, raw_polling, raw_websocket
from tests.client.socket import RefusedError
from tests.cluster.plain_server import Target, plain_server
from tests.cluster.shop import CONNECT_TIMEOUT, Shop
from tests.timing import allowed, time_limit

Promise = Callable[[Target, Client], Awaitable[None]]

PROMISES: list[Promise] = []


def promise(check: Promise) -> Promise:
    """Try this on both servers."""
    PROMISES.append(check)
    return check


def join(target: Target) -> str:
    """Return the request to join the room."""
    return json.dumps(["chat:join-room", {"liveId": target.key}])


async def back_to(target: Target, count: int) -> None:
    """Wait until the server counts so many sockets."""
    async with time_limit(target.patience):
        while await target.sockets() != count:  # noqa: ASYNC110  there is no event to wait for: the question is asked from outside
            await asyncio.sleep(0.02)


@promise
async def a1_a_forged_disconnect_leaves_the_member_in_the_room(target: Target, client: Client) -> None:
    async with raw_websocket(target.url) as witness, raw_websocket(target.url) as raw:
        await witness.join("/chat", target.token)
        await raw.join("/chat", target.token)
        await raw.answer(f"/chat,{join(target)}")
        await raw.send('42/chat,["disconnect","client disconnect"]', '42/chat,["x",{}]')
        await witness.answer(f"/chat,{join(target)}")
        message = {"liveId": target.key, "message": "still there?"}
        await witness.answer("/chat," + json.dumps(["chat:send-message", message]))
        await raw.until('42/chat,["chat:message"', target.patience)


@promise
async def a1_a_forged_connect_is_answered_as_unknown(target: Target, client: Client) -> None:
    async with raw_websocket(target.url) as raw:
        await raw.join("/chat", target.token)
        answer = await raw.answer('/chat,["connect",{"REMOTE_ADDR":"10.0.0.1"},{"token":"good"}]', target.patience)
        assert answer["error"]["code"] == "UNKNOWN_EVENT"


@promise
async def a4_who_leaves_while_connecting_is_no_ghost(target: Target, client: Client) -> None:
    before = await target.sockets()
    connect = f"40/chat,{json.dumps({'token': target.token})}"
    for _ in range(5):
        async with raw_polling(target.url) as raw:
            await raw.post(f"{connect}\x1e1")
        async with raw_websocket(target.url) as socket:
            await socket.send("1", connect)
    await back_to(target, before)


@promise
async def a6_an_unknown_event_is_answered(target: Target, client: Client) -> None:
    async with raw_websocket(target.url) as raw:
        await raw.join("/chat", target.token)
        await raw.send('42/chat,7["no-such-event",{}]')
        assert "UNKNOWN_EVENT" in await raw.until("43/chat,7", target.patience)


@promise
async def a6_a_request_that_breaks_its_handler_is_answered(target: Target, client: Client) -> None:
    async with raw_websocket(target.url) as raw:
        await raw.join("/chat", target.token)
        for number, arguments in enumerate(["", ",5", ",{}", ',{"liveId":5}', ",{},{}"]):
            await raw.send(f'42/chat,{number}["chat:join-room"{arguments}]')
            await raw.until(f"43/chat,{number}[", target.patience)


@promise
async def a7_a_malformed_packet_closes_the_connection(target: Target, client: Client) -> None:
    async with raw_websocket(target.url) as raw:
        await raw.join("/chat", target.token)
        await raw.send("42/chat,{")
        await raw.closed(target.patience)


@promise
async def a8_a_malformed_frame_leaves_no_session_behind(target: Target, client: Client) -> None:
    before = await target.sockets()
    async with raw_websocket(target.url) as raw:
        await raw.join("/chat", target.token)
        await raw.send("x")
        await raw.closed(target.patience)
    await back_to(target, before)


@promise
async def a10_an_attachment_that_is_not_there_does_not_wedge_the_connection(target: Target, client: Client) -> None:
    async with raw_websocket(target.url) as raw:
        await raw.join("/chat", target.token)
        await raw.send('451-/chat,["x",{"_placeholder":true,"num":9}]', b"\x00", f"42/chat,1{join(target)}")
        answered = asyncio.create_task(raw.until("43/chat,1", target.patience))
        await asyncio.wait([answered])
        if answered.exception() is not None:
            assert isinstance(answered.exception(), AssertionError), "neither answered nor closed"


@promise
async def a11_requests_are_answered_in_their_order(target: Target, client: Client) -> None:
    async with raw_websocket(target.url) as raw:
        await raw.join("/chat", target.token)
        await raw.send(f"42/chat,1{join(target)}", '42/chat,2["chat:send-message",{"liveId":"demo","message":"x"}]')
        await raw.until("43/chat,2", target.patience)
        assert [packet for packet in raw.received if packet.startswith("43/chat,1")], "the second was answered first"


@promise
async def a12_a_refused_connection_loses_its_transport(target: Target, client: Client) -> None:
    async with raw_websocket(target.url) as raw:
        await raw.send('40/chat,{"token":"bad"}')
        await raw.until("44/chat,", target.patience)
        await raw.closed(target.patience)


@promise
async def a13_a_connection_that_joins_nothing_is_closed(target: Target, client: Client) -> None:
    async with raw_websocket(target.url) as raw:
        await raw.closed(CONNECT_TIMEOUT + 2)


@promise
async def a17_an_unknown_namespace_is_refused_with_a_reason(target: Target, client: Client) -> None:
    with pytest.raises(RefusedError) as caught:
        await client.connect(target.url, "/elsewhere", token=target.token)
    assert caught.value.message


@promise
async def a18_attachments_are_not_collected(target: Target, client: Client) -> None:
    async with raw_websocket(target.url) as raw:
        await raw.join("/chat", target.token)
        await raw.send('45500-/chat,["x",{"_placeholder":true,"num":0}]', *[b"y" * 1000] * 20)
        await raw.closed(target.patience)


@promise
async def b3_a_body_in_two_pieces_is_read_completely(target: Target, client: Client) -> None:
    async with raw_polling(target.url) as raw:
        await raw.post(f"40/chat,{json.dumps({'token': target.token})}")
        await raw.until("40/chat,")
        body = '42/chat,1["chat:join-room",{"liveId":"demo","x":"' + "y" * 30_000 + '"}]'
        await raw.post_in_pieces(body, first=100)
        await raw.until("43/chat,1[", target.patience)


@promise
async def b4_fifty_packets_in_one_poll_are_answered(target: Target, client: Client) -> None:
    async with raw_polling(target.url) as raw:
        await raw.post(f"40/chat,{json.dumps({'token': target.token})}")
        await raw.until("40/chat,")
        await raw.post("\x1e".join(f'42/chat,{number}["x",{{}}]' for number in range(50)))
        await raw.until("43/chat,49[", target.patience)


@promise
async def b5_a_poll_that_is_too_large_is_answered(target: Target, client: Client) -> None:
    async with raw_polling(target.url) as raw, time_limit(target.patience):
        status, _ = await raw.post("4" + "x" * 100_000)
        assert status in {400, 413}


@promise
async def b6_a_session_is_upgraded_by_one_websocket_only(target: Target, client: Client) -> None:
    async with raw_polling(target.url) as raw:
        accepted = 0
        url = raw.url.replace("transport=polling", "transport=websocket")
        async with aiohttp.ClientSession() as session, AsyncExitStack() as sockets:
            for _ in range(3):
                with suppress(aiohttp.ClientError):
                    socket = await sockets.enter_async_context(session.ws_connect(url))
                    await socket.send_str("2probe")
                    accepted += (await socket.receive(timeout=allowed(target.patience))).data == "3probe"
        assert accepted == 1


@promise
async def b8_no_connection_keeps_a_context_of_compression(target: Target, client: Client) -> None:
    """Stock keeps 100 kB for each client that offers compression."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{target.url}{PATH}websocket", compress=15) as socket,
    ):
        agreed = socket._response.headers.get("Sec-WebSocket-Extensions", "client_no_context_takeover")
        assert "client_no_context_takeover" in agreed


@promise
async def b12_a_forwarded_host_does_not_make_a_foreign_page_ours(target: Target, client: Client) -> None:
    evil = {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(f"{target.url}{PATH}websocket", headers=evil)


# --- the two sides ------------------------------------------------------------------------------------------------

on_each_promise = pytest.mark.parametrize("check", PROMISES, ids=lambda check: check.__name__)


@pytest.fixture(scope="module")
async def outcomes(client: Client) -> dict[Promise, BaseException | None]:
    """Return the result of each guarantee on a stock server of its own; concurrently, since most end in a time-out."""

    async def attempt(check: Promise) -> None:
        async with plain_server() as target:
            await check(target, client)

    results = await asyncio.gather(*(attempt(check) for check in PROMISES), return_exceptions=True)
    return dict(zip(PROMISES, results, strict=True))


@on_each_promise
async def test_the_gateway_keeps_the_guarantee(check: Promise, shop: Shop) -> None:
    ann = await shop.person()
    await check(Target(shop.urls[0], ann.token, await shop.stream(), 5.0, shop.sockets), shop.client)


@on_each_promise
async def test_the_stock_library_breaks_the_guarantee(
    check: Promise, outcomes: dict[Promise, BaseException | None]
) -> None:
    assert isinstance(outcomes[check], (AssertionError, TimeoutError, pytest.fail.Exception)), outcomes[check]
