"""The wire contract of `/chat`: sending, once only and in one order, through the official client against two nodes."""

import asyncio
import itertools

import pytest

from tests.client.client import TRANSPORTS, Transport
from tests.cluster.shop import Shop
from tests.cluster.stamps import unstamped

by_transport = pytest.mark.parametrize("transport", TRANSPORTS)


@by_transport
async def test_a_message_is_broadcast_on_both_nodes_and_to_its_sender(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    ann = await shop.person()
    sender = await shop.chatter(key, as_=ann, node=0, transport=transport)
    others = [await shop.chatter(key, node=node, transport=transport) for node in (0, 1)]
    ask = {"liveId": key, "message": "hello <b>world</b> & 안녕", "clientMessageId": "c-1"}
    sent = await sender.call("chat:send-message", ask)
    assert set(sent) == {"id", "seq", "message", "clientMessageId", "timestamp", "duplicate"}
    assert (sent["message"], sent["clientMessageId"]) == (ask["message"], ask["clientMessageId"])
    assert sent["duplicate"] is False
    for socket in (sender, *others):
        published = await socket.expect("chat:message")
        assert set(unstamped(published, f"live:{key}")) == {"type", "data"}
        assert published["type"] == "chat:message"
        assert published["data"] == {
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
async def test_a_text_is_stored_without_control_characters_and_outer_space(shop: Shop, text: str, stored: str) -> None:
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


async def test_a_lone_surrogate_is_replaced(shop: Shop) -> None:
    """A lone surrogate: a text cut in the middle of an emoji, which JavaScript can hold and UTF-8 cannot."""
    key = await shop.stream()
    socket = await shop.chatter(key)
    await socket.call("chat:send-message", {"liveId": key, "message": "cut \ud83d"})
    assert (await socket.expect("chat:message"))["data"]["message"] == "cut \ufffd"


async def test_only_members_of_the_room_may_send(shop: Shop) -> None:
    key = await shop.stream()
    outsider = await shop.connect(await shop.person(), "/chat")
    error = await outsider.fail("chat:send-message", {"liveId": key, "message": "let me in"})
    assert (error["code"], error["retryable"]) == ("NOT_IN_ROOM", False)
    other_tab = await shop.person()
    await shop.chatter(key, as_=other_tab)
    second = await shop.connect(other_tab, "/chat")
    assert (await second.fail("chat:send-message", {"liveId": key, "message": "x"}))["code"] == "NOT_IN_ROOM"


async def test_a_guest_may_read_but_not_send(shop: Shop) -> None:
    key = await shop.stream()
    guest = await shop.chatter(key, as_=shop.guest())
    talker = await shop.chatter(key, node=1)
    await talker.call("chat:send-message", {"liveId": key, "message": "for all"})
    await guest.expect("chat:message", message="for all")
    assert (await guest.fail("chat:send-message", {"liveId": key, "message": "hi"}))["code"] == "FORBIDDEN"


# --- once only ----------------------------------------------------------------------------------------------------


async def test_a_repeated_client_message_id_is_broadcast_once(shop: Shop) -> None:
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
        published = await socket.expect_all("chat:message", 4)
        assert [event["data"]["message"] for event in published] == ["0", "1", "2", "3"]


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


async def test_both_nodes_receive_the_same_order_without_gaps(shop: Shop) -> None:
    key = await shop.stream()
    listeners = [await shop.chatter(key, node=node, transport=how) for node in (0, 1) for how in TRANSPORTS]
    talkers = [await shop.chatter(key, node=number % 2) for number in range(6)]

    async def send_messages(number: int) -> None:
        for count in range(20):
            await talkers[number].call("chat:send-message", {"liveId": key, "message": f"{number}:{count}"})

    await asyncio.gather(*(send_messages(number) for number in range(len(talkers))))
    received = [await socket.expect_all("chat:message", 120) for socket in (*listeners, *talkers)]
    order = [(event["data"]["seq"], event["data"]["message"]) for event in received[0]]
    for others in received[1:]:
        assert [(event["data"]["seq"], event["data"]["message"]) for event in others] == order
    assert all(later[0] == earlier[0] + 1 for earlier, later in itertools.pairwise(order))
    for number in range(len(talkers)):
        own = [text for _, text in order if text.startswith(f"{number}:")]
        assert own == [f"{number}:{count}" for count in range(20)]
