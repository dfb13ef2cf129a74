"""The wire contract, "Requests, acks, errors", through the official client against two nodes."""

import re
from typing import Any

import pytest

from tests.client.client import TRANSPORTS, Transport
from tests.cluster.shop import Shop

by_transport = pytest.mark.parametrize("transport", TRANSPORTS)
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")

# What is not one JSON object, as the arguments after the event's name.
NO_OBJECT: list[list[Any]] = [[], [None], ["text"], [5], [True], [["liveId"]], [{}, {}], [{"liveId": "demo"}, 1]]


@by_transport
async def test_an_ack_holds_the_data_and_the_time(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    socket = await shop.connect(await shop.person(), "/chat", transport=transport)
    ack = await socket.ask("chat:join-room", {"liveId": key})
    assert set(ack) == {"ok", "data", "ts"}
    assert ack["ok"] is True
    assert isinstance(ack["ts"], int)
    socket.refute("chat:join-room:success")


@by_transport
async def test_without_an_ack_success_is_an_event(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    socket = await shop.connect(await shop.person(), "/chat", transport=transport)
    socket.emit("chat:leave-room", {"liveId": key})
    published = await socket.expect("chat:leave-room:success")
    assert published == {"type": "chat:leave-room:success", "data": {"roomName": f"live:{key}"}}


@by_transport
async def test_without_an_ack_failure_is_the_event_error(shop: Shop, transport: Transport) -> None:
    asker = await shop.connect(await shop.person(), "/chat", transport=transport)
    bystander = await shop.connect(await shop.person(), "/chat")
    asker.emit("chat:join-room", {"liveId": "no-such-stream"})
    published = await asker.expect("error")
    assert set(published) == {"type", "event", "errorCode", "message", "retryable", "requestId", "timestamp"}
    assert (published["type"], published["event"], published["errorCode"]) == ("error", "chat:join-room", "NOT_FOUND")
    assert published["retryable"] is False
    assert published["requestId"]
    asker.emit("chat:join-room", {"liveId": 5})
    assert (await asker.expect("error"))["details"][0]["field"] == "liveId"
    assert TIMESTAMP.fullmatch(published["timestamp"])
    await bystander.fail("nothing")
    bystander.refute("error")


@pytest.mark.parametrize("namespace", ["/", "/chat", "/streaming"])
async def test_an_unknown_event_is_answered(shop: Shop, namespace: str) -> None:
    socket = await shop.connect(await shop.person(), namespace)
    foreign = "stream:viewer:join" if namespace == "/chat" else "chat:join-room"
    for event in ["no-such-event", "", "on_connect", "__class__", "connection:success", "chat:message", "*", foreign]:
        error = await socket.fail(event, {})
        assert (error["code"], error["retryable"]) == ("UNKNOWN_EVENT", False)
        socket.emit(event, {})
        assert (await socket.expect("error"))["errorCode"] == "UNKNOWN_EVENT"


@by_transport
@pytest.mark.parametrize("args", NO_OBJECT, ids=repr)
async def test_a_payload_that_is_not_one_object(shop: Shop, args: list[Any], transport: Transport) -> None:
    socket = await shop.connect(await shop.person(), "/chat", transport=transport)
    assert (await socket.fail("chat:join-room", *args))["code"] == "INVALID_PAYLOAD"
    socket.emit("chat:join-room", *args)
    assert (await socket.expect("error"))["errorCode"] == "INVALID_PAYLOAD"


@pytest.mark.parametrize(
    ("namespace", "event", "payload", "field"),
    [
        ("/chat", "chat:join-room", {}, "liveId"),
        ("/chat", "chat:join-room", {"liveId": 5}, "liveId"),
        ("/chat", "chat:join-room", {"liveId": None}, "liveId"),
        ("/chat", "chat:join-room", {"liveId": ["demo"]}, "liveId"),
        ("/chat", "chat:join-room", {"liveId": ""}, "liveId"),
        ("/chat", "chat:join-room", {"liveId": "x" * 65}, "liveId"),
        ("/chat", "chat:join-room", {"liveId": "../etc"}, "liveId"),
        ("/chat", "chat:join-room", {"live_id": "demo"}, "liveId"),
        ("/chat", "chat:join-room", {"liveId": "demo", "extra": 1}, "extra"),
        ("/chat", "chat:join-room", {"liveId": "demo", "__proto__x": 1}, "__proto__x"),
        ("/chat", "chat:join-room", {"liveId": "demo", "since": 5}, "since"),
        ("/chat", "chat:join-room", {"liveId": "demo", "since": {"epoch": "x"}}, "since.seq"),
        ("/chat", "chat:join-room", {"liveId": "demo", "since": {"epoch": "x", "seq": "1"}}, "since.seq"),
        ("/chat", "chat:join-room", {"liveId": "demo", "since": {"epoch": "x", "seq": True}}, "since.seq"),
        ("/chat", "chat:send-message", {"liveId": "demo"}, "message"),
        ("/chat", "chat:send-message", {"liveId": "demo", "message": 5}, "message"),
        ("/chat", "chat:send-message", {"liveId": "demo", "message": {"text": "x"}}, "message"),
        ("/chat", "chat:send-message", {"liveId": "demo", "message": "x", "clientMessageId": 1}, "clientMessageId"),
        ("/chat", "chat:send-message", {"liveId": "demo", "message": "x", "clientMessageId": ""}, "clientMessageId"),
        ("/chat", "chat:send-message", {"liveId": "demo", "message": "x", "userId": "me"}, "userId"),
        ("/chat", "chat:history", {"liveId": "demo", "limit": 0}, "limit"),
        ("/chat", "chat:history", {"liveId": "demo", "limit": 101}, "limit"),
        ("/chat", "chat:history", {"liveId": "demo", "limit": 1.5}, "limit"),
        ("/chat", "chat:delete-message", {"liveId": "demo"}, "messageId"),
        ("/streaming", "stream:viewer:join", {"streamKey": 1}, "streamKey"),
        ("/streaming", "stream:viewer:join", {"streamKey": "demo", "count": 9}, "count"),
        ("/", "join:stream", {"streamId": False}, "streamId"),
        ("/", "leave:stream", {"streamKey": "demo"}, "streamId"),
        ("/", "auth:refresh", {}, "token"),
    ],
)
async def test_a_missing_unknown_or_mistyped_field(
    shop: Shop, namespace: str, event: str, payload: dict[str, Any], field: str
) -> None:
    socket = await shop.connect(await shop.person(), namespace)
    error = await socket.fail(event, payload)
    assert (error["code"], error["retryable"]) == ("INVALID_PAYLOAD", False)
    assert field in [detail["field"] for detail in error["details"]]


@by_transport
async def test_a_refused_request_does_not_change_the_socket(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    socket = await shop.chatter(key, transport=transport)
    await socket.fail("no-such-event", {})
    await socket.fail("chat:send-message", {"liveId": key})
    await socket.fail("chat:join-room", "rubbish")
    await socket.call("chat:send-message", {"liveId": key, "message": "still in the room"})
    await socket.expect("chat:message", message="still in the room")


async def test_requests_of_a_client_are_answered_in_order(shop: Shop) -> None:
    key = await shop.stream()
    witness = await shop.chatter(key)
    socket = await shop.connect(await shop.person(), "/chat")
    socket.emit("chat:join-room", {"liveId": key})
    for number in range(10):
        socket.emit("chat:send-message", {"liveId": key, "message": str(number)})
    socket.emit("chat:leave-room", {"liveId": key})
    socket.emit("chat:send-message", {"liveId": key, "message": "too late"})
    assert (await socket.expect("error"))["errorCode"] == "NOT_IN_ROOM"
    answers = [received.event for received in socket.mailbox if received.event.endswith(":success")]
    asked = ["chat:join-room:success", *["chat:send-message:success"] * 10, "chat:leave-room:success"]
    assert answers == ["connection:success", *asked]
    said = [str(number) for number in range(10)]
    assert [(await witness.expect("chat:message"))["data"]["message"] for _ in said] == said
    # What it said last may come back by way of Redis when it has left.
    received = [event["data"]["message"] for event in socket.take("chat:message")]
    assert received == said[: len(received)]


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_burst_in_one_poll_is_answered_completely(shop: Shop, transport: Transport) -> None:
    """Fifty requests in the connect handler's first tick: one POST over polling."""
    socket = await shop.connect(await shop.person(), "/chat", transport=transport)
    for _ in range(50):
        socket.emit("no-such-event", {})
    await socket.expect_all("error", 50)
