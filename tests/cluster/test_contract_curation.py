"""The wire contract of `/chat`: deleting, clearing and pinning, through the official client against two nodes."""

from typing import Any

from tests.client.socket import ClientSocket
from tests.cluster.data_search import AUDIT, keys_with, tables_with
from tests.cluster.shop import Person, Shop


async def say(socket: ClientSocket, key: str, *texts: str) -> list[dict[str, Any]]:
    return [await socket.call("chat:send-message", {"liveId": key, "message": text}) for text in texts]


async def history(socket: ClientSocket, key: str) -> list[str]:
    page = await socket.call("chat:history", {"liveId": key})
    return [message["message"] for message in page["messages"]]


async def found(shop: Shop, admin: Person, key: str, search: str) -> list[str]:
    path = f"/streams/{key}/messages?search={search}"
    page = await shop.request("GET", path, token=admin.token, status={200})
    return [message["message"] for message in page["items"]]


async def redis_holds(shop: Shop, text: str) -> list[bytes]:
    return await keys_with(shop.nodes[0]._environment["REDIS_URL"], text)


# --- deleting -------------------------------------------------------------------------------------------------------


async def test_a_deleted_text_is_erased_before_the_broadcast(shop: Shop) -> None:
    key, text = await shop.stream(), "unspeakable-delete"
    admin = await shop.person("ADMIN")
    moderator, ann = await shop.chatter(key, as_=admin), await shop.chatter(key, node=1)
    cursor = (await ann.call("chat:join-room", {"liveId": key}))["cursor"]
    [sent, _] = await say(ann, key, text, "fine")
    await moderator.call("chat:pin-message", {"liveId": key, "messageId": sent["id"]})
    assert (await ann.expect("chat:pinned"))["data"]["message"] == text
    assert await found(shop, admin, key, text) == [text]

    ask = {"liveId": key, "messageId": sent["id"], "reason": "house rules"}
    moderator.emit("chat:delete-message", ask)
    await ann.expect("chat:message-deleted")
    assert await tables_with(shop, text) == {AUDIT}
    assert await redis_holds(shop, text) == []
    assert await found(shop, admin, key, text) == []
    assert await history(ann, key) == ["fine"]
    unpinned = (await ann.expect("chat:unpinned"))["data"]
    assert (unpinned["messageId"], unpinned["cause"]) == (sent["id"], "deleted")
    back = await (await shop.connect(admin, "/chat", node=1)).call("chat:join-room", {"liveId": key, "since": cursor})
    assert back["recovered"]
    assert text not in str(back)
    assert [event["event"] for event in back["events"]][-2:] == ["chat:message-deleted", "chat:unpinned"]
    assert (await moderator.call("chat:delete-message", ask))["alreadyDeleted"]


# --- clearing -------------------------------------------------------------------------------------------------------


async def test_a_clear_deletes_what_its_dry_run_counted_and_can_be_undone(shop: Shop) -> None:
    key, text = await shop.stream(), "unspeakable-clear"
    bob = await shop.person()
    moderator = await shop.chatter(key, as_=await shop.person("ADMIN"))
    ann, other = await shop.chatter(key, node=1), await shop.chatter(key, as_=bob)
    await say(ann, key, "one", "two")
    sent = await say(other, key, text, text)
    cursor = (await ann.call("chat:join-room", {"liveId": key}))["cursor"]
    ask = {"liveId": key, "userId": bob.id}
    tried = await moderator.call("chat:clear", ask | {"dryRun": True})
    assert tried == {"deleted": 2, "remaining": 2, "clearId": None, "dryRun": True}
    assert await history(ann, key) == ["one", "two", text, text]

    done = await moderator.call("chat:clear", ask)
    assert done["deleted"] == 2
    cleared = (await ann.expect("chat:cleared"))["data"]
    assert {name: cleared[name] for name in ("liveId", "userId", "fromSeq", "beforeSeq")} == {
        "liveId": key, "userId": bob.id, "fromSeq": sent[0]["seq"], "beforeSeq": sent[1]["seq"] + 1,
    }  # fmt: skip
    assert await tables_with(shop, text) == {AUDIT}
    assert await redis_holds(shop, text) == []
    assert await history(ann, key) == ["one", "two"]
    joined = await (await shop.connect(bob, "/chat")).call("chat:join-room", {"liveId": key})
    assert [message["message"] for message in joined["history"]] == ["one", "two"]
    assert (await moderator.call("chat:clear", ask))["clearId"] is None, "there was nothing left"

    undo = {"liveId": key, "clearId": done["clearId"]}
    assert await moderator.call("chat:undo-clear", undo) == {"restored": 2, "remaining": 0, "lost": 0}
    restored = (await ann.expect("chat:restored"))["data"]
    assert (restored["clearId"], restored["restored"]) == (done["clearId"], 2)
    assert [(message["id"], message["message"]) for message in restored["messages"]] == [
        (message["id"], text) for message in sent
    ]
    page = await ann.call("chat:history", {"liveId": key})
    assert restored["messages"] == page["messages"][-2:], "as the history has them"
    assert (restored["fromSeq"], restored["toSeq"]) == (sent[0]["seq"], sent[1]["seq"])
    assert await history(ann, key) == ["one", "two", text, text]
    assert await moderator.call("chat:undo-clear", undo) == {"restored": 0, "remaining": 0, "lost": 0}
    back = await (await shop.connect(bob, "/chat")).call("chat:join-room", {"liveId": key, "since": cursor})
    assert [event["event"] for event in back["events"]] == ["chat:cleared", "chat:restored"]
    await moderator.call("chat:delete-message", {"liveId": key, "messageId": sent[0]["id"]})
    back = await (await shop.connect(bob, "/chat")).call("chat:join-room", {"liveId": key, "since": cursor})
    kept = back["events"][1]["payload"]["data"]["messages"]
    assert [message["id"] for message in kept] == [sent[1]["id"]], "what is deleted again does not come by the log"
    assert (await moderator.fail("chat:undo-clear", undo | {"clearId": "999999999"}))["code"] == "NOT_FOUND"
    other_room = await shop.stream()
    assert (await moderator.fail("chat:undo-clear", undo | {"liveId": other_room}))["code"] == "NOT_FOUND"


async def test_a_clear_by_time_keeps_older_messages(shop: Shop) -> None:
    key = await shop.stream()
    moderator, ann = await shop.chatter(key, as_=await shop.person("ADMIN")), await shop.chatter(key)
    [old, _] = await say(ann, key, "old", "new")
    await shop._database.execute(
        "UPDATE messages SET created_at = created_at - interval '1 hour' WHERE id = $1::uuid", old["id"]
    )
    assert (await moderator.call("chat:clear", {"liveId": key, "lastSeconds": 600}))["deleted"] == 1
    assert await history(ann, key) == ["old"]
    assert (await moderator.call("chat:clear", {"liveId": key}))["deleted"] == 1
    assert await history(ann, key) == []


async def test_only_admins_delete_and_clear(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.chatter(key)
    [sent] = await say(ann, key, "mine")
    for who in (await shop.person(), await shop.person("HOST"), await shop.person("MODERATOR"), shop.guest()):
        socket = await shop.connect(who, "/chat")
        for event, more in (
            ("chat:delete-message", {"messageId": sent["id"]}),
            ("chat:clear", {}),
            ("chat:clear", {"dryRun": True}),
            ("chat:undo-clear", {"clearId": "1"}),
        ):
            assert (await socket.fail(event, {"liveId": key} | more))["code"] == "FORBIDDEN"
    assert await history(ann, key) == ["mine"]


# --- pinning --------------------------------------------------------------------------------------------------------


async def test_a_pin_is_broadcast_and_in_snapshots_until_it_ends(shop: Shop) -> None:
    key = await shop.stream()
    moderator = await shop.chatter(key, as_=await shop.person("MODERATOR"))
    ann = await shop.chatter(key, node=1)
    sent = await say(ann, key, "for good", "for a moment")
    await moderator.call("chat:pin-message", {"liveId": key, "messageId": sent[0]["id"]})
    ack = await moderator.call("chat:pin-message", {"liveId": key, "messageId": sent[1]["id"], "seconds": 1})
    assert ack["until"] is not None
    pinned = [received["data"] for received in await ann.expect_all("chat:pinned", 2)]
    assert [(pin["id"], pin["message"]) for pin in pinned] == [
        (sent[0]["id"], "for good"), (sent[1]["id"], "for a moment"),
    ]  # fmt: skip
    joined = await ann.call("chat:join-room", {"liveId": key})
    assert joined["pinned"][0] == pinned[0]
    assert not any("seq" in pin for pin in pinned), "clients drop a place that they have had"

    unpinned = (await ann.expect("chat:unpinned", within=10))["data"]
    assert (unpinned["messageId"], unpinned["cause"]) == (sent[1]["id"], "expired")
    await moderator.expect("chat:unpinned")
    joined = await ann.call("chat:join-room", {"liveId": key})
    assert [pin["id"] for pin in joined["pinned"]] == [sent[0]["id"]]

    unpin = {"liveId": key, "messageId": sent[0]["id"]}
    assert await moderator.call("chat:unpin-message", unpin) == {"messageId": sent[0]["id"], "alreadyUnpinned": False}
    assert await moderator.call("chat:unpin-message", unpin) == {"messageId": sent[0]["id"], "alreadyUnpinned": True}
    assert (await ann.expect("chat:unpinned"))["data"]["cause"] == "unpinned"
    # Another pin expires: a later round of a node has not ended the earlier ones again.
    await moderator.call("chat:pin-message", {"liveId": key, "messageId": sent[1]["id"], "seconds": 1})
    again = (await ann.expect("chat:unpinned", within=10))["data"]
    assert (again["messageId"], again["cause"]) == (sent[1]["id"], "expired")
    ann.refute("chat:unpinned")


async def test_a_pin_above_the_maximum_replaces_the_oldest(shop: Shop) -> None:
    key = await shop.stream()
    moderator = await shop.chatter(key, as_=await shop.person("ADMIN"))
    sent = await say(moderator, key, *"abcdef")
    for message in sent:
        await moderator.call("chat:pin-message", {"liveId": key, "messageId": message["id"]})
    unpinned = (await moderator.expect("chat:unpinned"))["data"]
    assert (unpinned["messageId"], unpinned["cause"]) == (sent[0]["id"], "replaced")
    joined = await moderator.call("chat:join-room", {"liveId": key})
    assert [pin["message"] for pin in joined["pinned"]] == list("bcdef")


async def test_pin_permissions(shop: Shop) -> None:
    key, other = await shop.stream(), await shop.stream()
    moderator = await shop.chatter(key, as_=await shop.person("MODERATOR"))
    ann = await shop.chatter(key)
    [sent] = await say(ann, key, "hello")
    pin = {"liveId": key, "messageId": sent["id"]}
    for event in ("chat:pin-message", "chat:unpin-message"):
        assert (await ann.fail(event, pin))["code"] == "FORBIDDEN"
        for wrong in ({"liveId": other}, {"messageId": "none"}, {"liveId": "nowhere"}):
            assert (await moderator.fail(event, pin | wrong))["code"] == "NOT_FOUND"
    admin = await shop.connect(await shop.person("ADMIN"), "/chat")
    await admin.call("chat:delete-message", pin)
    assert (await moderator.fail("chat:pin-message", pin))["code"] == "CONFLICT"
