"""The wire contract of `/chat`: deletion, history, and getting back what was missed, over two nodes."""

import asyncio
import json

import pytest

from tests.client.client import TRANSPORTS, Transport
from tests.client.socket import ClientSocket
from tests.cluster.shop import Shop
from tests.cluster.stamps import unstamped

by_transport = pytest.mark.parametrize("transport", TRANSPORTS)


async def say(socket: ClientSocket, key: str, *texts: str) -> list[str]:
    """Send messages one after the other and give their ids."""
    return [(await socket.call("chat:send-message", {"liveId": key, "message": text}))["id"] for text in texts]


# --- deletion -----------------------------------------------------------------------------------------------------


@by_transport
async def test_a_deletion_is_broadcast_on_both_nodes_and_erases_the_text(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    members = [await shop.chatter(key, node=node, transport=transport) for node in (0, 1)]
    one, _two = await say(members[0], key, "unkind", "kind")
    ada = await shop.person("ADMIN")
    admin = await shop.chatter(key, as_=ada, node=1)
    ask = {"liveId": key, "messageId": one, "reason": "house rules"}
    assert await admin.call("chat:delete-message", ask) == {"messageId": one, "alreadyDeleted": False}
    for socket in members:
        published = await socket.expect("chat:message-deleted")
        assert set(unstamped(published, f"live:{key}")) == {"type", "data"}
        assert set(published["data"]) == {"messageId", "seq", "liveId", "deletedBy", "reason", "timestamp"}
        assert (published["data"]["messageId"], published["data"]["liveId"]) == (one, key)
        assert (published["data"]["deletedBy"], published["data"]["reason"]) == (ada.id, "house rules")
    for socket in members:
        joined = await socket.call("chat:join-room", {"liveId": key})
        page = await socket.call("chat:history", {"liveId": key})
        assert "unkind" not in json.dumps([joined, page])
        assert [message["message"] for message in joined["history"] if message["message"]] == ["kind"]


async def test_a_repeated_deletion_is_broadcast_once(shop: Shop) -> None:
    key = await shop.stream()
    witness = await shop.chatter(key)
    [message] = await say(witness, key, "x")
    admins = [await shop.chatter(key, as_=await shop.person("ADMIN"), node=node) for node in (0, 1)]
    ask = {"liveId": key, "messageId": message}
    answers = await asyncio.gather(*(admin.call("chat:delete-message", ask) for admin in admins * 2))
    assert sorted(answer["alreadyDeleted"] for answer in answers) == [False, True, True, True]
    await say(witness, key, "fence")
    await witness.expect("chat:message", message="fence")
    assert len(witness.take("chat:message-deleted")) == 1


@pytest.mark.parametrize("role", ["GUEST", "USER", "HOST", "MODERATOR"])
async def test_only_an_admin_deletes(shop: Shop, role: str) -> None:
    key = await shop.stream()
    author = await shop.chatter(key)
    [message] = await say(author, key, "stays")
    who = shop.guest() if role == "GUEST" else await shop.person(role)
    socket = await shop.chatter(key, as_=who)
    error = await socket.fail("chat:delete-message", {"liveId": key, "messageId": message})
    assert (error["code"], error["retryable"]) == ("FORBIDDEN", False)
    joined = await author.call("chat:join-room", {"liveId": key})
    assert [message["message"] for message in joined["history"]] == ["stays"]


async def test_deleting_an_unknown_message(shop: Shop) -> None:
    key, elsewhere = await shop.stream(), await shop.stream()
    author = await shop.chatter(key)
    [message] = await say(author, key, "x")
    admin = await shop.chatter(key, as_=await shop.person("ADMIN"))
    asks = [
        {"liveId": key, "messageId": "00000000-0000-4000-8000-000000000000"},
        {"liveId": key, "messageId": "not-an-id"},
        {"liveId": key, "messageId": "9" * 40},
        {"liveId": key, "messageId": "x\x00y"},
        {"liveId": elsewhere, "messageId": message},
        {"liveId": "no-such-stream", "messageId": message},
    ]
    for ask in asks:
        assert (await admin.fail("chat:delete-message", ask))["code"] == "NOT_FOUND", ask


# --- history ------------------------------------------------------------------------------------------------------


async def test_history_comes_in_pages_from_the_newest_to_the_beginning(shop: Shop) -> None:
    key = await shop.stream()
    talkers = [await shop.chatter(key, node=number % 2) for number in range(6)]
    for number, talker in enumerate(talkers):
        await say(talker, key, *(f"{number * 20 + count}" for count in range(20)))
    reader = await shop.connect(await shop.person(), "/chat", node=1)
    joined = await reader.call("chat:join-room", {"liveId": key})
    assert [message["message"] for message in joined["history"]] == [f"{n}" for n in range(20, 120)]

    page = await reader.call("chat:history", {"liveId": key, "before": joined["history"][0]["id"]})
    assert set(page) == {"messages", "nextBefore"}
    assert [message["message"] for message in page["messages"]] == [f"{n}" for n in range(20)]
    assert page["nextBefore"] is None

    texts: list[str] = []
    ask = {"liveId": key, "limit": 50}
    while True:
        page = await reader.call("chat:history", ask)
        texts = [message["message"] for message in page["messages"]] + texts
        if page["nextBefore"] is None:
            break
        ask["before"] = page["nextBefore"]
    assert texts == [f"{n}" for n in range(120)]


async def test_history_is_for_members(shop: Shop) -> None:
    key = await shop.stream()
    outsider = await shop.connect(await shop.person(), "/chat")
    assert (await outsider.fail("chat:history", {"liveId": key}))["code"] == "NOT_IN_ROOM"


async def test_history_before_an_unknown_message(shop: Shop) -> None:
    key = await shop.stream()
    reader = await shop.chatter(key)
    for before in ("not-an-id", "00000000-0000-4000-8000-000000000000"):
        ack = await reader.ask("chat:history", {"liveId": key, "before": before})
        assert ack["ok"] is False or ack["data"]["messages"] == []
        assert ack["ok"] or ack["error"]["code"] in {"NOT_FOUND", "INVALID_PAYLOAD"}


# --- what was missed ----------------------------------------------------------------------------------------------


@by_transport
async def test_rejoin_with_a_cursor_replays_missed_messages_on_any_node(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    talker = await shop.chatter(key, node=1)
    admin = await shop.chatter(key, as_=await shop.person("ADMIN"))
    await say(talker, key, "seen")
    ann = await shop.person()
    socket = await shop.connect(ann, "/chat", transport=transport)
    cursor = (await socket.call("chat:join-room", {"liveId": key}))["cursor"]
    await socket.drop()

    _, unkind, _ = await say(talker, key, "missed 1", "unkind", "missed 2")
    await admin.call("chat:delete-message", {"liveId": key, "messageId": unkind})

    again = await shop.connect(ann, "/chat", node=1, transport=transport)
    joined = await again.call("chat:join-room", {"liveId": key, "since": cursor})
    assert joined["recovered"] is True
    missed = joined["events"]
    assert all(set(event) == {"event", "payload", "seq"} for event in missed)
    assert [event["seq"] for event in missed] == list(range(cursor["seq"] + 1, joined["cursor"]["seq"] + 1))
    texts = [event["payload"]["data"]["message"] for event in missed if event["event"] == "chat:message"]
    assert [text for text in texts if text] == ["missed 1", "missed 2"]
    [deleted] = [event["payload"]["data"] for event in missed if event["event"] == "chat:message-deleted"]
    assert deleted["messageId"] == unkind
    assert "unkind" not in json.dumps(joined)

    [sent] = await say(talker, key, "next")
    published = await again.expect("chat:message", id=sent)
    assert published["data"]["seq"] == joined["cursor"]["seq"] + 1


async def test_replay_equals_the_original_events(shop: Shop) -> None:
    key = await shop.stream()
    talker = await shop.chatter(key)
    cursor = (await talker.call("chat:join-room", {"liveId": key}))["cursor"]
    await say(talker, key, "a", "b")
    received = await talker.expect_all("chat:message", 2)
    back = await shop.connect(await shop.person(), "/chat", node=1)
    joined = await back.call("chat:join-room", {"liveId": key, "since": cursor})
    assert [event["payload"] for event in joined["events"]] == received


async def test_replay_is_empty_when_nothing_was_missed(shop: Shop) -> None:
    key = await shop.stream()
    socket = await shop.chatter(key)
    await say(socket, key, "seen")
    cursor = (await socket.call("chat:join-room", {"liveId": key}))["cursor"]
    joined = await socket.call("chat:join-room", {"liveId": key, "since": cursor})
    assert (joined["recovered"], joined["events"]) == (True, [])


async def test_an_invalid_cursor_gets_a_new_snapshot(shop: Shop) -> None:
    key = await shop.stream()
    socket = await shop.chatter(key)
    await say(socket, key, "seen")
    cursor = (await socket.call("chat:join-room", {"liveId": key}))["cursor"]
    bad = [{"epoch": "another", "seq": 0}, cursor | {"seq": cursor["seq"] + 5}, cursor | {"seq": -1}]
    for since in bad:
        joined = await socket.call("chat:join-room", {"liveId": key, "since": since})
        assert joined["recovered"] is False
        assert "events" not in joined
        assert [message["message"] for message in joined["history"]] == ["seen"]
        assert joined["cursor"] == cursor


async def test_an_old_cursor_gets_a_new_snapshot(shop: Shop) -> None:
    """More than 300 events: 16 people with 20 messages each."""
    key = await shop.stream()
    reader = await shop.connect(await shop.person(), "/chat")
    cursor = (await reader.call("chat:join-room", {"liveId": key}))["cursor"]
    talkers = await asyncio.gather(*(shop.chatter(key, node=number % 2) for number in range(16)))
    await asyncio.gather(*(say(talker, key, *map(str, range(20))) for talker in talkers))
    joined = await reader.call("chat:join-room", {"liveId": key, "since": cursor})
    assert joined["recovered"] is False
    assert len(joined["history"]) == 100
    assert joined["cursor"]["seq"] == cursor["seq"] + 320
    since = cursor | {"seq": cursor["seq"] + 20}
    joined = await reader.call("chat:join-room", {"liveId": key, "since": since})
    assert joined["recovered"] is True
    assert len(joined["events"]) == 300


async def test_no_event_is_missed_between_cursor_and_broadcasts(shop: Shop) -> None:
    """Joins while others send: the replayed and the later events together are every message once, in order."""
    key = await shop.stream()
    talkers = [await shop.chatter(key, node=number % 2) for number in range(3)]
    cursor = (await talkers[0].call("chat:join-room", {"liveId": key}))["cursor"]
    talking = asyncio.gather(*(say(talker, key, *map(str, range(20))) for talker in talkers))
    joiners = [await shop.connect(await shop.person(), "/chat", node=number % 2) for number in range(6)]
    joins = [await joiner.call("chat:join-room", {"liveId": key, "since": cursor}) for joiner in joiners]
    await talking
    everything = list(range(cursor["seq"] + 1, cursor["seq"] + 61))
    for joiner, joined in zip(joiners, joins, strict=True):
        assert joined["recovered"] is True
        replayed = [event["seq"] for event in joined["events"]]
        missing = len(everything) - len(replayed)
        published = await joiner.expect_all("chat:message", missing) if missing else []
        later = [event["data"]["seq"] for event in published if event["data"]["seq"] > joined["cursor"]["seq"]]
        while len(replayed) + len(later) < len(everything):
            event = await joiner.expect("chat:message")
            later.append(event["data"]["seq"])
        assert replayed + later == everything
