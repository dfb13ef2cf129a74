"""The wire contract, reports of messages: with the official client over two nodes."""

import json
from typing import Any

import pytest
from dorami_client import Dorami, DoramiError

from tests.client.socket import ClientSocket
from tests.cluster.shop import Person, Shop

HIDE_AT = 3  # REPORT_HIDE_AT of the nodes


async def say(socket: ClientSocket, key: str, text: str) -> str:
    sent: str = (await socket.call("chat:send-message", {"liveId": key, "message": text}))["id"]
    return sent


def ask(key: str, message_id: str, reason: str = "SPAM", **more: Any) -> dict[str, Any]:
    return {"liveId": key, "messageId": message_id, "reason": reason} | more


async def test_reported_hidden_and_kept_over_two_nodes(shop: Shop) -> None:
    key, people = await shop.stream(), [await shop.person() for _ in range(HIDE_AT)]
    moderator = await shop.person("MODERATOR")
    author = await shop.chatter(key)
    viewers = [await shop.chatter(key, as_=who, node=n % 2) for n, who in enumerate(people)]
    staff = await shop.chatter(key, as_=moderator, node=1)
    await staff.expect("chat:reports", liveId=key, open=0)
    said = await say(author, key, "buy followers")

    assert await viewers[0].call("chat:report", ask(key, said, note="look")) == {"messageId": said, "duplicate": False}
    told = await staff.expect("chat:reports")
    assert told == {"type": "chat:reports", "data": {"liveId": key, "open": 1, "hidden": 0, "reports": 1}}
    assert (await viewers[0].call("chat:report", ask(key, said, "FRAUD")))["duplicate"], "one of a person"
    for viewer in viewers[1:]:
        await viewer.call("chat:report", ask(key, said))
    for socket in (author, *viewers, staff):
        deleted = (await socket.expect("chat:message-deleted"))["data"]
        assert (deleted["messageId"], deleted["deletedBy"], deleted["reason"]) == (said, "system", "reported")
    await staff.expect("chat:reports", open=1, hidden=1, reports=HIDE_AT)
    assert await history(author, key) == []

    path = f"/moderation/reports/{said}"
    found = await shop.request("GET", path, token=moderator.token, status={200})
    assert (found["status"], found["hidden"], found["message"]) == ("OPEN", True, "buy followers")
    assert (found["reasons"], [note["note"] for note in found["notes"]]) == ({"SPAM": HIDE_AT}, ["look"])
    page = await shop.request("GET", f"/moderation/reports?liveId={key}", token=moderator.token, status={200}, node=1)
    body = {"decision": "KEEP", "reason": "fine"}
    kept = await shop.request("POST", f"{path}/review", body=body, token=moderator.token, status={200})
    assert (kept["status"], kept["hidden"], kept["reviewedBy"]) == ("KEPT", False, moderator.id)
    for socket in (author, *viewers, staff):
        restored = (await socket.expect("chat:restored"))["data"]
        assert [message["message"] for message in restored["messages"]] == ["buy followers"]
    await staff.expect("chat:reports", open=0, hidden=0, reports=0)
    assert await history(viewers[1], key) == [said]

    log = await shop.request("GET", f"/moderation/log?liveId={key}", token=moderator.token, status={200})
    assert (log["items"][0]["action"], log["items"][0]["actorName"]) == ("KEEP_MESSAGE", moderator.username)
    author.refute("chat:reports")
    heard = json.dumps([[each.payload for each in (*author.mailbox, *staff.mailbox)], found, page, kept, log])
    for reporter in people:  # all have joined the room, and nothing else says their names
        assert heard.count(reporter.id) == heard.count(f'"userId": "{reporter.id}", "liveId"'), "who reported is told"


async def history(socket: ClientSocket, key: str) -> list[str]:
    return [message["id"] for message in (await socket.call("chat:history", {"liveId": key}))["messages"]]


async def test_what_a_bad_report_gets(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    author, anns = await shop.chatter(key), await shop.chatter(key, as_=ann, node=1)
    said = await say(author, key, "hello")
    codes = {
        "INVALID_PAYLOAD": [
            {},
            ask(key, said, "BORING"),
            ask(key, said) | {"reason": None},
            ask(key, said, note="x" * 201),
            ask(key, said, note="\x00"),
            ask(key, said, extra=1),
        ],
        "NOT_FOUND": [ask(key, "nothing"), ask(key, "00000000-0000-4000-8000-000000000000")],
        "NOT_IN_ROOM": [ask(await shop.stream(), said)],
    }
    for code, asks in codes.items():
        for wrong in asks:
            assert (await anns.fail("chat:report", wrong))["code"] == code, wrong
    assert (await author.fail("chat:report", ask(key, said)))["code"] == "FORBIDDEN", "their own"
    await (await shop.connect(await shop.person("ADMIN"), "/chat")).call(
        "chat:delete-message", {"liveId": key, "messageId": said}
    )
    assert (await anns.fail("chat:report", ask(key, said)))["code"] == "CONFLICT"


async def test_guests_report_and_everybody_is_limited(shop: Shop) -> None:
    key, guest = await shop.stream(), shop.guest()
    author, guests = await shop.chatter(key), await shop.chatter(key, as_=guest, node=1)
    said = [await say(author, key, f"message {n}") for n in range(11)]
    for message in said[:10]:
        assert not (await guests.call("chat:report", ask(key, message)))["duplicate"]
    assert (await guests.call("chat:report", ask(key, said[0])))["duplicate"], "costs nothing"
    refused = await guests.fail("chat:report", ask(key, said[10]))
    assert (refused["code"], refused["retryable"]) == ("RATE_LIMIT_EXCEEDED", True)
    host = await shop.chatter(key, as_=await shop.owner())
    await host.expect("chat:reports", open=10, hidden=0, reports=10)


async def test_a_report_without_an_ack_is_answered_by_events(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    author, anns = await shop.chatter(key), await shop.chatter(key, as_=ann, node=1)
    said = await say(author, key, "hello")
    anns.emit("chat:report", ask(key, said))
    answer = await anns.expect("chat:report:success")
    assert answer["data"] == {"messageId": said, "duplicate": False}
    anns.emit("chat:report", ask(key, "nothing"))
    assert (await anns.expect("error"))["errorCode"] == "NOT_FOUND"


async def test_the_python_client_reports(shop: Shop) -> None:
    key, ann = await shop.stream(), await shop.person()
    author = await shop.chatter(key)
    said = await say(author, key, "hello")
    async with Dorami(shop.urls[1], ann.token, namespaces=["/chat"]) as dorami:
        chat = dorami.chat(key)
        await chat.join()
        assert await chat.report(said, "ABUSE", "look") == {"messageId": said, "duplicate": False}
        assert (await chat.report(said, "SPAM"))["duplicate"]
        with pytest.raises(DoramiError, match="NOT_FOUND"):
            await chat.report("nothing", "SPAM")
    token = (await shop.owner()).token
    detail = await shop.request("GET", f"/moderation/reports/{said}", token=token, status={200})
    assert [(note["reason"], note["note"]) for note in detail["notes"]] == [("ABUSE", "look")]


async def test_the_reviews_are_for_the_staff_of_the_room(shop: Shop) -> None:
    """The roles as a matrix, and what bad input gets."""
    roles = ("ADMIN", "MODERATOR", "HOST", "USER")
    people: dict[str, Person] = {role: await shop.person(role) for role in roles}
    people |= {"OTHER_HOST": await shop.person("HOST"), "GUEST": shop.guest()}
    keys = {}
    for host in ("HOST", "OTHER_HOST"):
        body = {"title": "Tonight"}
        answer = await shop.request("POST", "/streams", body=body, token=people[host].token, status={201})
        keys[host] = answer["key"]
    key = keys["HOST"]
    said = await say(await shop.chatter(key), key, "hello")
    await (await shop.chatter(key)).call("chat:report", ask(key, said))

    async def request(role: str, method: str, path: str, status: int, body: Any = None) -> Any:
        token = people[role].token
        return await shop.request(method, f"/moderation/reports{path}", body=body, token=token, status={status})

    staff, review = ("ADMIN", "MODERATOR", "HOST"), {"decision": "KEEP"}
    for role in people:
        allowed = 200 if role in staff else 403
        await request(role, "GET", f"?liveId={key}", allowed)
        await request(role, "GET", "", 200 if role == "OTHER_HOST" else allowed)
        await request(role, "GET", f"/{said}", allowed)
        await request(role, "POST", f"/{said}/review", allowed, review)
    for role, decision in (("OTHER_HOST", 403), ("USER", 403), ("HOST", 200)):
        await request(role, "POST", f"/{said}/review", decision, {"decision": "DELETE"})
    assert (await request("OTHER_HOST", "GET", "", 200))["items"] == []
    await request("ADMIN", "POST", f"/{said}/review", 409, review)
    for path in ("/nothing", "/00000000-0000-4000-8000-000000000000"):
        await request("ADMIN", "GET", path, 404)
        await request("ADMIN", "POST", f"{path}/review", 404, review)
    for wrong in ({}, {"decision": "HIDE"}, review | {"more": 1}, review | {"reason": 1}):
        await request("ADMIN", "POST", f"/{said}/review", 400, wrong)
    for query in ("status=HIDDEN", "reason=BORING", "cursor=!", "limit=0", "hidden=maybe", "who=ann"):
        await request("ADMIN", "GET", f"?{query}", 400)
