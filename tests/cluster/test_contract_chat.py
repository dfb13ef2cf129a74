"""The wire contract of `/chat`: joining and leaving, through the official client against two nodes."""

import asyncio

import pytest

from tests.client.client import TRANSPORTS, Transport
from tests.cluster.shop import Shop

by_transport = pytest.mark.parametrize("transport", TRANSPORTS)

MESSAGE_FIELDS = {
    "id", "seq", "liveId", "userId", "username", "role", "message", "clientMessageId", "timestamp"
}  # fmt: skip


# --- joining and leaving ------------------------------------------------------------------------------------------


@by_transport
async def test_a_join_is_answered_with_the_snapshot(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    talker = await shop.chatter(key, node=1)
    for text in ("one", "two"):
        await talker.call("chat:send-message", {"liveId": key, "message": text})
    ann = await shop.person("HOST")
    socket = await shop.connect(ann, "/chat", transport=transport)
    room = await socket.call("chat:join-room", {"liveId": key})
    assert set(room) == {
        "roomName", "members", "history", "pinned", "settings", "you", "cursor", "recovered"
    }  # fmt: skip
    assert (room["roomName"], room["members"], room["pinned"], room["recovered"]) == (f"live:{key}", 2, [], False)
    assert [message["message"] for message in room["history"]] == ["one", "two"]
    assert all(set(message) == MESSAGE_FIELDS for message in room["history"])
    assert (room["you"]["userId"], room["you"]["username"], room["you"]["role"]) == (ann.id, ann.username, "HOST")
    assert set(room["cursor"]) == {"epoch", "seq"}
    assert room["cursor"]["seq"] == room["history"][-1]["seq"]


@by_transport
async def test_a_join_without_an_ack_gets_the_history_first(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    talker = await shop.chatter(key, node=1)
    await talker.call("chat:send-message", {"liveId": key, "message": "before"})
    socket = await shop.connect(await shop.person(), "/chat", transport=transport)
    socket.emit("chat:join-room", {"liveId": key})
    joined = await socket.expect("chat:join-room:success")
    assert joined["type"] == "chat:join-room:success"
    assert joined["data"]["roomName"] == f"live:{key}"
    history = await socket.expect("chat:history")  # already there: it came before
    assert history["type"] == "chat:history"
    assert set(history["data"]) == {"liveId", "messages"}
    assert [message["message"] for message in history["data"]["messages"]] == ["before"]
    assert history["data"]["messages"] == joined["data"]["history"]


async def test_the_history_event_comes_before_the_success_of_a_join(shop: Shop) -> None:
    key = await shop.stream()
    socket = await shop.connect(await shop.person(), "/chat")
    socket.emit("chat:join-room", {"liveId": key})
    await socket.expect("chat:join-room:success", match=lambda _: "chat:history" in {h.event for h in socket.mailbox})


@by_transport
async def test_joins_and_leaves_are_broadcast_on_all_nodes(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    witnesses = [await shop.chatter(key, node=node, transport=transport) for node in (0, 1)]
    ann = await shop.person()
    socket = await shop.connect(ann, "/chat")
    assert (await socket.call("chat:join-room", {"liveId": key}))["members"] == 3
    for witness in witnesses:
        published = await witness.expect("chat:user-joined", userId=ann.id)
        assert set(published) == {"type", "data"}
        assert published["type"] == "chat:user-joined"
        assert set(published["data"]) == {"userId", "liveId", "timestamp"}
        assert published["data"]["liveId"] == key
    assert await socket.call("chat:leave-room", {"liveId": key}) == {"roomName": f"live:{key}"}
    for witness in witnesses:
        published = await witness.expect("chat:user-left", userId=ann.id)
        assert set(published["data"]) == {"userId", "liveId", "timestamp"}


@by_transport
async def test_a_disconnected_member_has_left(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    witness = await shop.chatter(key, node=1)
    ann, bob = await shop.person(), await shop.person()
    polite, dropped = [await shop.chatter(key, as_=who, transport=transport) for who in (ann, bob)]
    await polite.disconnect()
    await witness.expect("chat:user-left", userId=ann.id)
    await dropped.expect("chat:user-left", userId=ann.id)
    if transport == "websocket":  # a dropped poll is noticed by the heartbeat only
        await dropped.drop()
        await witness.expect("chat:user-left", userId=bob.id)


async def test_repeated_joins_and_leaves_have_no_effect(shop: Shop) -> None:
    key = await shop.stream()
    witness = await shop.chatter(key, node=1)
    ann = await shop.person()
    socket = await shop.connect(ann, "/chat")
    for _ in range(2):
        assert (await socket.call("chat:join-room", {"liveId": key}))["members"] == 2
    for _ in range(2):
        assert await socket.call("chat:leave-room", {"liveId": key}) == {"roomName": f"live:{key}"}
    await witness.call("chat:send-message", {"liveId": key, "message": "fence"})
    await witness.expect("chat:message", message="fence")
    assert len(witness.take("chat:user-joined", userId=ann.id)) == 1
    assert len(witness.take("chat:user-left", userId=ann.id)) == 1


async def test_a_second_tab_is_the_same_member(shop: Shop) -> None:
    key = await shop.stream()
    witness = await shop.chatter(key)
    ann = await shop.person()
    tabs = [await shop.chatter(key, as_=ann, node=node) for node in (0, 0, 1)]
    assert (await tabs[0].call("chat:join-room", {"liveId": key}))["members"] == 2
    await witness.expect("chat:user-joined", userId=ann.id)
    for tab in tabs[:2]:
        await tab.call("chat:leave-room", {"liveId": key})
    await witness.call("chat:send-message", {"liveId": key, "message": "fence"})
    await tabs[2].expect("chat:message", message="fence")
    await witness.expect("chat:message", message="fence")
    witness.refute("chat:user-joined", userId=ann.id)
    witness.refute("chat:user-left", userId=ann.id)
    await tabs[2].call("chat:leave-room", {"liveId": key})
    await witness.expect("chat:user-left", userId=ann.id)


async def test_a_member_who_left_receives_nothing(shop: Shop) -> None:
    key = await shop.stream()
    stays, left = await shop.chatter(key), await shop.chatter(key)
    await left.call("chat:leave-room", {"liveId": key})
    await stays.call("chat:send-message", {"liveId": key, "message": "to those who stay"})
    await stays.expect("chat:message")
    await left.fail("fence")
    left.refute("chat:message")


async def test_rooms_are_separate(shop: Shop) -> None:
    one, other = await shop.stream(), await shop.stream()
    here, there = await shop.chatter(one), await shop.chatter(other)
    await here.call("chat:send-message", {"liveId": one, "message": "here"})
    await here.expect("chat:message", message="here")
    await there.call("chat:send-message", {"liveId": other, "message": "there"})
    await there.expect("chat:message", message="there")
    there.refute("chat:message")


async def test_the_room_of_an_unknown_stream(shop: Shop) -> None:
    socket = await shop.connect(await shop.person(), "/chat")
    error = await socket.fail("chat:join-room", {"liveId": "no-such-stream"})
    assert (error["code"], error["retryable"]) == ("NOT_FOUND", False)
    message = {"liveId": "no-such-stream", "message": "x"}
    assert (await socket.fail("chat:send-message", message))["code"] == "NOT_IN_ROOM"


async def test_a_large_room_gets_its_member_count_once_a_second(shop: Shop) -> None:
    key = await shop.stream()
    witness = await shop.chatter(key, node=1)
    clients = await asyncio.gather(*(shop.connect(shop.guest(), "/chat", node=n % 2) for n in range(60)))
    await asyncio.gather(*(socket.call("chat:join-room", {"liveId": key}) for socket in clients))
    published = await witness.expect("chat:room-state", members=61)
    assert published == {"type": "chat:room-state", "data": {"liveId": key, "members": 61}}
    assert len(witness.take("chat:user-joined")) <= 50
    assert len(witness.take("chat:room-state")) <= 3
