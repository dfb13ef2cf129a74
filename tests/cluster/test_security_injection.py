"""What people write is text, for the database, for the other node and for the pages that show it."""

import pytest

from tests.cluster.shop import Shop

WRITTEN = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'; DROP TABLE messages; --",
    "' OR '1'='1",
    "$(touch /tmp/x) `touch /tmp/x` | touch /tmp/x",
    "{{7*7}} ${7*7} %s %d {0} $1",
    '42/chat,["chat:message",{"type":"forged"}]',
    '{"__proto__": {"admin": true}}',
]


@pytest.mark.parametrize("text", WRITTEN)
async def test_stored_text_is_never_markup_or_sql(shop: Shop, text: str) -> None:
    key = await shop.stream()
    talker, listener = await shop.chatter(key), await shop.chatter(key, node=1)
    sent = await talker.call("chat:send-message", {"liveId": key, "message": text, "clientMessageId": "c"})
    received = await listener.expect("chat:message", id=sent["id"])
    assert received["data"]["message"] == text
    assert not listener.take("chat:message")
    joined = await listener.call("chat:join-room", {"liveId": key})
    assert [message["message"] for message in joined["history"]] == [text]

    product = await shop.product(key, name=text, description=text)
    assert (product["name"], product["description"]) == (text, text)


async def test_search_text_is_never_a_query(shop: Shop) -> None:
    admin = await shop.person("ADMIN")
    for text in WRITTEN:
        for path in ("/users", "/products"):
            url = f"{path}?limit=1&search={text.replace('%', '%25').replace('&', '%26').replace('#', '%23')}"
            page = await shop.request("GET", url, token=admin.token, status={200})
            assert page["nextCursor"] is None
            assert all(text in item["name"] for item in page["items"]), page
