"""The wire contract of moderation over HTTP: words, the log, messages searched and exported; against two nodes."""

import json
from functools import partial
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.client.socket import ClientSocket
from tests.cluster.shop import Person, Shop
from tests.timing import until


async def get(shop: Shop, who: Person, path: str, **query: Any) -> Any:
    text = "&".join(f"{name}={quote(str(value))}" for name, value in query.items())
    return await shop.request("GET", f"{path}?{text}", token=who.token, status={200})


async def say(socket: ClientSocket, key: str, text: str, name: str | None = None) -> Any:
    return await socket.call("chat:send-message", {"liveId": key, "message": text, "clientMessageId": name})


# --- words ----------------------------------------------------------------------------------------------------------


async def test_listed_words_apply_on_all_nodes_within_a_second(shop: Shop) -> None:
    key, admin = await shop.stream(), await shop.person("ADMIN")
    ann = await shop.chatter(key, node=1)
    words = {"시발": "MASK", "시발점": "ALLOW", "ＢＡＤ word": "BLOCK"}
    listed = [
        await shop.request(
            "POST", "/moderation/words", body={"word": word, "action": action, "liveId": key}, token=admin.token,
            status={201},
        )
        for word, action in words.items()
    ]  # fmt: skip
    assert [word["word"] for word in listed] == ["시발", "시발점", "bad word"]

    async def blocks(text: str) -> bool:
        """Whether the node of ann refuses a text."""
        ack = await ann.ask("chat:send-message", {"liveId": key, "message": text})
        return not ack["ok"] and bool(ack["error"]["code"] == "INVALID_MESSAGE")

    await until(partial(blocks, "bad word"), within=1, pause=0.1, what="the last word of the list applies")
    ann.take("chat:message")
    sent = await say(ann, key, "야 시발 뭐야", "c-1")
    assert (await ann.expect("chat:message"))["data"]["message"] == "야 ** 뭐야"
    assert (await say(ann, key, "야 시발 뭐야", "c-1")) == sent | {"duplicate": True}
    await say(ann, key, "시발점이 어디")
    assert (await ann.expect("chat:message"))["data"]["message"] == "시발점이 어디"
    ask = {"liveId": key, "message": "a Bad word!"}
    for _ in range(25):
        assert (await ann.fail("chat:send-message", ask))["code"] == "INVALID_MESSAGE", "and it costs nothing"
    other = await shop.stream()
    assert (await say(await shop.chatter(other), other, "bad word"))["duplicate"] is False, "only in its room"

    await shop.request("DELETE", f"/moderation/words/{listed[2]['id']}", token=admin.token, status={204})
    path = f"/moderation/words/{listed[0]['id']}"
    await shop.request("PATCH", path, body={"action": "BLOCK"}, token=admin.token, status={200})
    await until(partial(blocks, "시발"), within=1, pause=0.1, what="the last change of the list applies")
    await ann.call("chat:send-message", ask)
    assert (await ann.fail("chat:send-message", {"liveId": key, "message": "시발"}))["code"] == "INVALID_MESSAGE"
    assert (await say(ann, key, "야 시발 뭐야", "c-1"))["duplicate"], "it was allowed when it was sent"
    page = await get(shop, admin, "/moderation/words", liveId=key)
    assert [(word["word"], word["action"]) for word in page["items"]] == [("시발점", "ALLOW"), ("시발", "BLOCK")]
    log = await get(shop, admin, "/moderation/log", liveId=key)
    assert [entry["action"] for entry in log["items"]] == [
        "CHANGE_WORD",
        "REMOVE_WORD",
        *["ADD_WORD"] * 3,
        "CREATE_STREAM",
    ]


async def test_invalid_list_queries_are_refused(shop: Shop) -> None:
    key, admin = await shop.stream(), await shop.person("ADMIN")
    add = {"word": "rude", "action": "MASK", "liveId": key}

    async def refused(body: dict[str, Any], status: int, who: Person = admin) -> None:
        await shop.request("POST", "/moderation/words", body=body, token=who.token, status={status})

    await shop.request("POST", "/moderation/words", body=add, token=admin.token, status={201})
    await refused(add | {"word": "ＲＵＤＥ"}, 409)
    await refused(add | {"liveId": "nowhere"}, 404)
    await refused(add | {"word": "\u200b"}, 400)
    await refused(add | {"word": ""}, 400)
    await refused(add | {"action": "SHOUT"}, 400)
    await refused(add, 403, await shop.person("MODERATOR"))
    for method, body in (("PATCH", {"action": "ALLOW"}), ("DELETE", None)):
        await shop.request(method, "/moderation/words/none", body=body, token=admin.token, status={404})


# --- the log --------------------------------------------------------------------------------------------------------


async def test_the_audit_log_is_paged(shop: Shop) -> None:
    host, key = await shop.owner(), await shop.stream()
    admin, moderator = await shop.person("ADMIN"), await shop.person("MODERATOR")
    ann = await shop.person()
    writer, boss = await shop.chatter(key, as_=ann), await shop.chatter(key, as_=admin)
    sent = [await say(writer, key, text) for text in "abc"]
    await (await shop.connect(moderator, "/chat")).call("chat:pin-message", {"liveId": key, "messageId": sent[0]["id"]})
    await boss.call("chat:delete-message", {"liveId": key, "messageId": sent[1]["id"], "reason": "spam"})
    await boss.call("chat:clear", {"liveId": key, "userId": ann.id})
    entries = (await get(shop, moderator, "/moderation/log", liveId=key))["items"]
    assert [(entry["action"], entry["actorId"]) for entry in entries] == [
        ("CLEAR", admin.id), ("DELETE_MESSAGE", admin.id), ("PIN", moderator.id), ("CREATE_STREAM", host.id),
    ]  # fmt: skip
    deleted = entries[1]
    assert (deleted["messageId"], deleted["subjectId"], deleted["reason"]) == (sent[1]["id"], ann.id, "spam")
    assert entries[0]["details"]["messages"] == 2

    for filters, expected in (
        ({"actorId": moderator.id}, ["PIN"]),
        ({"subjectId": ann.id}, ["CLEAR", "DELETE_MESSAGE"]),
        ({"action": "CLEAR"}, ["CLEAR"]),
        ({"from": entries[0]["timestamp"]}, ["CLEAR"]),
        ({"to": deleted["timestamp"]}, ["PIN", "CREATE_STREAM"]),
    ):
        page = await get(shop, admin, "/moderation/log", liveId=key, **filters)
        assert [entry["action"] for entry in page["items"]] == expected, filters
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = await get(shop, admin, "/moderation/log", liveId=key, limit=2, **cursor)
        seen += page["items"]
        if page["nextCursor"] is None:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == entries
    for who in (ann, await shop.person("HOST"), shop.guest()):
        await shop.request("GET", "/moderation/log", token=who.token, status={403})
    await shop.request("GET", "/moderation/log?cursor=x", token=admin.token, status={400})


# --- messages -------------------------------------------------------------------------------------------------------

SAID = ("무료배송 언제까지 하나요?", "Free shipping, 맞죠", "배송료는 무료?", "DISCOUNT code", "ﬁne cafe\u0301", "꽃")


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("무료배송", [0]),
        ("배송", [2, 0]),
        ("배송 무료", [2, 0]),
        ("송배", []),
        ("료배", [0]),
        ("꽃", [5]),
        ("죠", [1]),
        ("shipping", [1]),
        ("SHIP", [1]),
        ("hipping", []),
        ("discount free", []),
        ("free 맞죠", [1]),
        ("fine CAFÉ", [4]),
        ("'; DROP TABLE messages; --", []),
        ("!?", []),
    ],
)
async def test_search_finds_korean_and_english(shop: Shop, search: str, found: list[int]) -> None:
    key, admin = await shop.stream(), await shop.person("ADMIN")
    ann = await shop.chatter(key)
    for text in SAID:
        await say(ann, key, text)
    page = await get(shop, admin, f"/streams/{key}/messages", search=search)
    assert [SAID.index(message["message"]) for message in page["items"]] == found


async def test_messages_are_filtered_paged_and_exported(shop: Shop) -> None:
    key, admin, ann = await shop.stream(), await shop.person("ADMIN"), await shop.person()
    writer, other = await shop.chatter(key, as_=ann), await shop.chatter(key)
    sent = [await say((writer, other)[n % 2], key, f"text {n}") for n in range(7)]
    boss = await shop.connect(admin, "/chat")
    await boss.call("chat:delete-message", {"liveId": key, "messageId": sent[6]["id"], "reason": "no"})
    path = f"/streams/{key}/messages"

    async def texts(**query: Any) -> list[str | None]:
        return [message["message"] for message in (await get(shop, admin, path, **query))["items"]]

    assert await texts() == [f"text {n}" for n in (5, 4, 3, 2, 1, 0)]
    assert await texts(userId=ann.id) == ["text 4", "text 2", "text 0"]
    assert await texts(**{"from": sent[2]["timestamp"], "to": sent[4]["timestamp"]}) == ["text 3", "text 2"]
    [deleted] = (await get(shop, admin, path, deleted="true"))["items"]
    assert (deleted["id"], deleted["message"], deleted["deletedBy"], deleted["reason"]) == (
        sent[6]["id"], None, admin.id, "no",
    )  # fmt: skip
    first = await get(shop, admin, path, limit=4)
    assert [m["message"] for m in first["items"]] == ["text 5", "text 4", "text 3", "text 2"]
    assert await texts(limit=4, cursor=first["nextCursor"]) == ["text 1", "text 0"]

    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {admin.token}"}) as http:
        url = f"{shop.urls[0]}/api/v1{path}"
        for query, headers in (("?format=jsonl&search=text", {}), ("", {"Accept": "application/x-ndjson"})):
            async with http.get(url + query, headers=headers) as response:
                assert response.status == 200
                assert response.content_type == "application/x-ndjson"
                lines = (await response.text()).splitlines()
            assert [json.loads(line)["message"] for line in lines] == [f"text {n}" for n in (5, 4, 3, 2, 1, 0)]
        async with http.head(url + "?format=jsonl") as response:
            assert response.status == 200
    await shop.request("GET", path, token=ann.token, status={403})
    await shop.request("GET", "/streams/nowhere/messages", token=admin.token, status={404})
    await shop.request("GET", "/streams/nowhere/messages?format=jsonl", token=admin.token, status={404})
    await shop.request("GET", path + "?cursor=x", token=admin.token, status={400})


async def test_an_export_ends_when_the_client_leaves(shop: Shop) -> None:
    key, admin = await shop.stream(), await shop.person("ADMIN")
    await shop._database.execute(
        "INSERT INTO messages (id, stream_key, seq, sender_id, username, role, text, created_at) "
        "SELECT gen_random_uuid(), $1, n, 'guest-x', 'x', 'GUEST', repeat('x', 400), now() "
        "FROM generate_series(1, 20000) n",
        key,
    )
    path = f"{shop.urls[0]}/api/v1/streams/{key}/messages?format=jsonl"
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {admin.token}"}) as http:
        async with http.get(path) as response:
            await response.content.readline()
            response.close()
        count = 0
        async with http.get(path) as response:
            async for line in response.content:
                count += 1
                assert json.loads(line)["seq"] == 20001 - count
    assert count == 20000


# --- sanctions ------------------------------------------------------------------------------------------------------


async def test_a_mute_is_lifted_by_id_and_the_staff_is_notified(shop: Shop) -> None:
    key, admin, moderator, ann = await shop.stream(), *[await shop.person(r) for r in ("ADMIN", "MODERATOR", "USER")]
    anns, watching = await shop.chatter(key, as_=ann), await shop.chatter(key, as_=moderator, node=1)
    bystander = await shop.chatter(key, node=1)
    boss = await shop.connect(admin, "/chat")
    ack = await boss.call("chat:mute-user", {"liveId": key, "userId": ann.id, "seconds": 600, "reason": "rude"})
    [listed] = (await get(shop, moderator, "/moderation/sanctions", liveId=key, active="true"))["items"]
    assert (listed["id"], listed["kind"], listed["username"]) == (ack["sanctionId"], "MUTE", ann.username)
    assert (listed["imposedBy"], listed["reason"], listed["until"]) == (admin.id, "rude", ack["until"])
    path = f"/moderation/sanctions/{listed['id']}"
    for who in (ann, await shop.person("HOST")):
        await shop.request("DELETE", path, token=who.token, status={403})
        await shop.request("GET", "/moderation/sanctions", token=who.token, status={403})
    lifted = await shop.request("DELETE", path, token=moderator.token, node=1, status={200})
    assert (lifted["active"], lifted["liftedBy"]) == (False, moderator.id)
    for socket in (anns, watching):
        assert await socket.expect("chat:unmuted") == {"userId": ann.id, "liveId": key}
    await say(anns, key, "thanks")
    bystander.refute("chat:unmuted")
    await shop.request("DELETE", "/moderation/sanctions/none", token=admin.token, status={404})
    for bad in ("kind=X", "active=perhaps", "cursor=x"):
        await shop.request("GET", f"/moderation/sanctions?{bad}", token=admin.token, status={400})


async def test_the_staff_hears_of_a_lifted_ban(shop: Shop) -> None:
    host, admin, ann = await shop.person("HOST"), await shop.person("ADMIN"), await shop.person()
    elsewhere = await shop.stream()
    body = {"title": "Tonight"}
    key = (await shop.request("POST", "/streams", body=body, token=host.token, status={201}))["key"]
    hosts = await shop.chatter(key, as_=host)
    moderator = await shop.chatter(key, as_=await shop.person("MODERATOR"), node=1)
    other_moderator = await shop.chatter(elsewhere, as_=await shop.person("MODERATOR"), node=1)
    bystanders = [await shop.chatter(key, as_=await shop.person(role)) for role in ("USER", "HOST")]
    boss = await shop.connect(admin, "/chat")

    ban = await boss.call("chat:ban-user", {"liveId": key, "userId": ann.id, "seconds": 600})
    path = f"/moderation/sanctions/{ban['sanctionId']}"
    await shop.request("DELETE", path, token=admin.token, node=1, status={200})
    for socket in (hosts, moderator):
        assert await socket.expect("chat:unbanned") == {"userId": ann.id, "liveId": key}
    await boss.call("chat:ban-user", {"userId": ann.id})
    await boss.call("chat:unban-user", {"userId": ann.id})
    for socket in (moderator, other_moderator):
        assert await socket.expect("chat:unbanned") == {"userId": ann.id, "liveId": None}
    for socket in (hosts, *bystanders):
        await socket.fail("fence")
        socket.refute("chat:unbanned")
