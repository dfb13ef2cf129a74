"""The wire contract of `/chat`: joining, leaving and sending, through the official client against two nodes."""

import asyncio
import itertools

import pytest

from tests.client.client import TRANSPORTS, Transport
from tests.cluster.shop import Shop

by_transport = pytest.mark.parametrize("transport", TRANSPORTS)

MESSAGE_FIELDS = {
    "id", "seq", "liveId", "userId", "username", "role", "message", "clientMessageId", "timestamp"
}  # fmt: skip


# --- joining and leaving ------------------------------------------------------------------------------------------


@by_transport
async def test_a_join_is_answered_with_the_whole_room(shop: Shop, transport: Transport) -> None:
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
async def test_the_room_hears_who_comes_and_goes_on_every_node(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    witnesses = [await shop.chatter(key, node=node, transport=transport) for node in (0, 1)]
    ann = await shop.person()
    socket = await shop.connect(ann, "/chat")
    assert (await socket.call("chat:join-room", {"liveId": key}))["members"] == 3
    for witness in witnesses:
        told = await witness.expect("chat:user-joined", userId=ann.id)
        assert set(told) == {"type", "data"}
        assert told["type"] == "chat:user-joined"
        assert set(told["data"]) == {"userId", "liveId", "timestamp"}
        assert told["data"]["liveId"] == key
    assert await socket.call("chat:leave-room", {"liveId": key}) == {"roomName": f"live:{key}"}
    for witness in witnesses:
        told = await witness.expect("chat:user-left", userId=ann.id)
        assert set(told["data"]) == {"userId", "liveId", "timestamp"}


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


async def test_joining_and_leaving_twice_is_once(shop: Shop) -> None:
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


async def test_who_has_left_hears_nothing_more(shop: Shop) -> None:
    key = await shop.stream()
    stays, left = await shop.chatter(key), await shop.chatter(key)
    await left.call("chat:leave-room", {"liveId": key})
    await stays.call("chat:send-message", {"liveId": key, "message": "to those who stay"})
    await stays.expect("chat:message")
    await left.fail("fence")
    left.refute("chat:message")


async def test_rooms_do_not_hear_each_other(shop: Shop) -> None:
    one, other = await shop.stream(), await shop.stream()
    here, there = await shop.chatter(one), await shop.chatter(other)
    await here.call("chat:send-message", {"liveId": one, "message": "here"})
    await here.expect("chat:message", message="here")
    await there.call("chat:send-message", {"liveId": other, "message": "there"})
    await there.expect("chat:message", message="there")
    there.refute("chat:message")


async def test_a_room_of_a_stream_that_does_not_exist(shop: Shop) -> None:
    socket = await shop.connect(await shop.person(), "/chat")
    error = await socket.fail("chat:join-room", {"liveId": "no-such-stream"})
    assert (error["code"], error["retryable"]) == ("NOT_FOUND", False)
    message = {"liveId": "no-such-stream", "message": "x"}
    assert (await socket.fail("chat:send-message", message))["code"] == "NOT_IN_ROOM"


async def test_the_number_of_members_is_told_once_a_second_in_a_large_room(shop: Shop) -> None:
    key = await shop.stream()
    witness = await shop.chatter(key, node=1)
    crowd = await asyncio.gather(*(shop.connect(shop.guest(), "/chat", node=n % 2) for n in range(60)))
    await asyncio.gather(*(socket.call("chat:join-room", {"liveId": key}) for socket in crowd))
    told = await witness.expect("chat:room-state", members=61)
    assert told == {"type": "chat:room-state", "data": {"liveId": key, "members": 61}}
    assert len(witness.take("chat:user-joined")) <= 50
    assert len(witness.take("chat:room-state")) <= 3


# --- sending ------------------------------------------------------------------------------------------------------


@by_transport
async def test_a_message_is_heard_on_both_nodes_and_by_its_sender(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    ann = await shop.person()
    sender = await shop.chatter(key, as_=ann, node=0, transport=transport)
    others = [await shop.chatter(key, node=node, transport=transport) for node in (0, 1)]
    ask = {"liveId": key, "message": "hello <b>world</b> & 안녕", "clientMessageId": "c-1"}
    sent = await sender.call("chat:send-message", ask)
    assert set(sent) == {"id", "seq", "timestamp", "duplicate"}
    assert sent["duplicate"] is False
    for socket in (sender, *others):
        told = await socket.expect("chat:message")
        assert set(told) == {"type", "data"}
        assert told["type"] == "chat:message"
        assert told["data"] == {
            "id": sent["id"],
            "seq": sent["seq"],
            "liveId": key,
            "userId": ann.id,
            "username": ann.username,
            "role": "USER",
            "message": "hello <b>world</b> & 안녕",
            "clientMessageId": "c-1",
            "timestamp": sent["timestamp"],
        }


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("  padded \n", "padded"),
        ("x" * 500, "x" * 500),
        (" " + "x" * 500 + " ", "x" * 500),
        ("😀" * 500, "😀" * 500),
        ("👨‍👩‍👧‍👦" * 71, "👨‍👩‍👧‍👦" * 71),  # a family of seven code points: 497
        ("한" * 500, "한" * 500),
        ("a\x00b\x07c", "abc"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("0", "0"),
    ],
    ids=lambda text: text[:8].encode("unicode_escape").decode(),
)
async def test_a_text_is_stored_as_sent_less_control_characters_and_outer_space(
    shop: Shop, text: str, stored: str
) -> None:
    key = await shop.stream()
    socket = await shop.chatter(key)
    await socket.call("chat:send-message", {"liveId": key, "message": text})
    assert (await socket.expect("chat:message"))["data"]["message"] == stored


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "INVALID_MESSAGE"),
        ("   \n\t", "INVALID_MESSAGE"),
        ("\x00\x01", "INVALID_MESSAGE"),
        ("\u2003\u00a0", "INVALID_MESSAGE"),
        ("x" * 501, "MESSAGE_TOO_LONG"),
        ("😀" * 501, "MESSAGE_TOO_LONG"),
        ("👨‍👩‍👧‍👦" * 72, "MESSAGE_TOO_LONG"),
        ("x" * 60_000, "MESSAGE_TOO_LONG"),
    ],
    ids=lambda text: text[:8].encode("unicode_escape").decode(),
)
async def test_a_text_that_is_empty_or_too_long(shop: Shop, text: str, code: str) -> None:
    key = await shop.stream()
    socket = await shop.chatter(key)
    error = await socket.fail("chat:send-message", {"liveId": key, "message": text})
    assert (error["code"], error["retryable"]) == (code, False)
    await socket.call("chat:send-message", {"liveId": key, "message": "fence"})
    assert (await socket.expect("chat:message"))["data"]["message"] == "fence"


async def test_half_a_character_is_replaced(shop: Shop) -> None:
    """A lone surrogate: a text cut in the middle of an emoji, which JavaScript can hold and UTF-8 cannot."""
    key = await shop.stream()
    socket = await shop.chatter(key)
    await socket.call("chat:send-message", {"liveId": key, "message": "cut \ud83d"})
    assert (await socket.expect("chat:message"))["data"]["message"] == "cut \ufffd"


async def test_only_members_speak(shop: Shop) -> None:
    key = await shop.stream()
    outsider = await shop.connect(await shop.person(), "/chat")
    error = await outsider.fail("chat:send-message", {"liveId": key, "message": "let me in"})
    assert (error["code"], error["retryable"]) == ("NOT_IN_ROOM", False)
    other_tab = await shop.person()
    await shop.chatter(key, as_=other_tab)
    second = await shop.connect(other_tab, "/chat")
    assert (await second.fail("chat:send-message", {"liveId": key, "message": "x"}))["code"] == "NOT_IN_ROOM"


async def test_a_guest_reads_and_does_not_speak(shop: Shop) -> None:
    key = await shop.stream()
    guest = await shop.chatter(key, as_=shop.guest())
    talker = await shop.chatter(key, node=1)
    await talker.call("chat:send-message", {"liveId": key, "message": "for all"})
    await guest.expect("chat:message", message="for all")
    assert (await guest.fail("chat:send-message", {"liveId": key, "message": "hi"}))["code"] == "FORBIDDEN"


# --- once only ----------------------------------------------------------------------------------------------------


async def test_a_repeated_client_message_id_is_answered_again_and_told_once(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    sockets = [await shop.chatter(key, as_=ann, node=node) for node in (0, 1)]
    ask = {"liveId": key, "message": "once", "clientMessageId": "again"}
    first = await sockets[0].call("chat:send-message", ask)
    for socket in sockets:
        assert await socket.call("chat:send-message", ask) == first | {"duplicate": True}
    await sockets[0].call("chat:send-message", {"liveId": key, "message": "fence"})
    for socket in sockets:
        assert [event["data"]["message"] for event in await socket.expect_all("chat:message", 2)] == ["once", "fence"]
    joined = await sockets[0].call("chat:join-room", {"liveId": key})
    assert [message["message"] for message in joined["history"]] == ["once", "fence"]


async def test_the_same_id_sent_at_the_same_moment_on_two_nodes_is_stored_once(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    sockets = [await shop.chatter(key, as_=ann, node=node) for node in (0, 1, 0, 1)]
    for number in range(4):
        ask = {"liveId": key, "message": f"{number}", "clientMessageId": f"{number}"}
        answers = await asyncio.gather(*(socket.call("chat:send-message", ask) for socket in sockets))
        assert len({(answer["id"], answer["seq"], answer["timestamp"]) for answer in answers}) == 1
        assert sorted(answer["duplicate"] for answer in answers) == [False, True, True, True]
    for socket in sockets:
        told = await socket.expect_all("chat:message", 4)
        assert [event["data"]["message"] for event in told] == ["0", "1", "2", "3"]


async def test_the_same_id_with_another_text_is_a_conflict(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    sockets = [await shop.chatter(key, as_=ann, node=node) for node in (0, 1)]
    await sockets[0].call("chat:send-message", {"liveId": key, "message": "first", "clientMessageId": "c"})
    error = await sockets[1].fail("chat:send-message", {"liveId": key, "message": "other", "clientMessageId": "c"})
    assert (error["code"], error["retryable"]) == ("CONFLICT", False)


async def test_the_same_id_of_another_user_or_in_another_room_is_another_message(shop: Shop) -> None:
    key, elsewhere = await shop.stream(), await shop.stream()
    ann = await shop.person()
    mine, theirs = await shop.chatter(key, as_=ann), await shop.chatter(key)
    also_mine = await shop.chatter(elsewhere, as_=ann)
    sent = [
        await socket.call("chat:send-message", {"liveId": room, "message": "same", "clientMessageId": "c"})
        for socket, room in ((mine, key), (theirs, key), (also_mine, elsewhere))
    ]
    assert len({answer["id"] for answer in sent}) == 3
    assert not any(answer["duplicate"] for answer in sent)


# --- order --------------------------------------------------------------------------------------------------------


async def test_both_nodes_hear_one_order_without_gaps(shop: Shop) -> None:
    key = await shop.stream()
    listeners = [await shop.chatter(key, node=node, transport=how) for node in (0, 1) for how in TRANSPORTS]
    talkers = [await shop.chatter(key, node=number % 2) for number in range(6)]

    async def talk(number: int) -> None:
        for count in range(20):
            await talkers[number].call("chat:send-message", {"liveId": key, "message": f"{number}:{count}"})

    await asyncio.gather(*(talk(number) for number in range(len(talkers))))
    heard = [await socket.expect_all("chat:message", 120) for socket in (*listeners, *talkers)]
    order = [(event["data"]["seq"], event["data"]["message"]) for event in heard[0]]
    for others in heard[1:]:
        assert [(event["data"]["seq"], event["data"]["message"]) for event in others] == order
    assert all(later[0] == earlier[0] + 1 for earlier, later in itertools.pairwise(order))
    for number in range(len(talkers)):
        own = [text for _, text in order if text.startswith(f"{number}:")]
        assert own == [f"{number}:{count}" for count in range(20)]
