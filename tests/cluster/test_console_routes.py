"""The HTTP routes of the console: who may call them, what they answer, and what bad input gets; on two nodes."""

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.dev.servers import RedisProcess
from tests.client.client import Client
from tests.cluster.shop import Person, Shop, open_shop
from tests.cluster.test_media_webhook import deliver
from tests.timing import until

NODE_FIELDS = {
    *("id", "name", "version", "startedAt", "seenAt", "status", "connections", "memory", "components"),
    *("eventsPerSecond", "deliveriesPerSecond"),
}
ROLES = ("ADMIN", "MODERATOR", "HOST", "OTHER_HOST", "USER", "GUEST")


@dataclass(frozen=True)
class Staff:
    """Somebody of each role. The host has a stream and the other host another one."""

    shop: Shop
    people: dict[str, Person]
    key: str
    elsewhere: str

    async def call(self, who: str, method: str, path: str, body: Any = None, *, status: int, node: int = 0) -> Any:
        """Call a route as somebody; the answer."""
        token = self.people[who].token
        return await self.shop.request(method, path, body=body, token=token, status={status}, node=node)

    async def matrix(self, method: str, path: str, may: tuple[str, ...], *, body: Any = None, status: int) -> None:
        """Check for every role that exactly those who may call a route get `status`, and the others 403."""
        for role in ROLES:
            await self.call(role, method, path, body, status=status if role in may else 403)


@pytest.fixture
async def staff(shop: Shop) -> Staff:
    people = {role: await shop.person(role) for role in ("ADMIN", "MODERATOR", "HOST", "USER")}
    people |= {"OTHER_HOST": await shop.person("HOST"), "GUEST": shop.guest()}
    keys = []
    for host in ("HOST", "OTHER_HOST"):
        body = {"title": "Tonight", "description": "Cups", "ordersWhenNotLive": True}
        stream = await shop.request("POST", "/streams", body=body, token=people[host].token, status={201})
        keys.append(stream["key"])
    return Staff(shop, people, *keys)


# --- streams --------------------------------------------------------------------------------------------------------


async def test_a_stream_is_duplicated_with_its_products(staff: Staff) -> None:
    cup = await staff.shop.product(staff.key, name="Cup", price=20, stock=3)
    path = f"/products/{cup['id']}/deal"
    await staff.call("HOST", "POST", path, {"price": 15, "until": "2199-01-01T00:00:00Z"}, status=200)
    path = f"/streams/{staff.key}/duplicate"
    for role in ("MODERATOR", "OTHER_HOST", "USER", "GUEST"):
        await staff.call(role, "POST", path, {}, status=403)
    copy = await staff.call("ADMIN", "POST", path, {"scheduledAt": "2199-01-01T00:00:00Z"}, status=201)
    assert (copy["title"], copy["description"], copy["status"]) == ("Tonight", "Cups", "SCHEDULED")
    assert (copy["hostId"], copy["scheduledAt"]) == (staff.people["HOST"].id, "2199-01-01T00:00:00.000Z")
    [product] = (await staff.call("USER", "GET", f"/products?streamKey={copy['key']}", status=200))["items"]
    assert (product["name"], product["price"], product["stock"]) == ("Cup", 20, 3)
    assert (product["dealEndsAt"], product["version"]) == (None, 1)
    bare = await staff.call("HOST", "POST", path, {"title": "Again", "products": False}, status=201)
    assert (await staff.call("USER", "GET", f"/products?streamKey={bare['key']}", status=200))["items"] == []
    for taken in (staff.key, "active"):
        await staff.call("HOST", "POST", path, {"key": taken}, status=409)
    await staff.call("HOST", "POST", path, {"title": ""}, status=400)
    await staff.call("ADMIN", "POST", "/streams/nowhere/duplicate", {}, status=404)


async def test_an_encoder_is_known_by_its_ingest_key_until_the_next_one(staff: Staff) -> None:
    path = f"/streams/{staff.key}/ingest-key"
    for role in ("MODERATOR", "OTHER_HOST", "USER", "GUEST"):
        await staff.call(role, "POST", path, status=403)
    first, second = [await staff.call(role, "POST", path, status=201) for role in ("HOST", "ADMIN")]
    assert first["streamKey"] == staff.key
    assert len({first["ingestKey"], second["ingestKey"], staff.key}) == 3
    assert await deliver(staff.shop, "stream.started", {"ingestKey": first["ingestKey"]}) == 404
    assert await deliver(staff.shop, "stream.started", {"ingestKey": second["ingestKey"]}) == 204
    stream = await staff.call("USER", "GET", f"/streams/{staff.key}", status=200)
    assert stream["status"] == "LIVE"
    assert second["ingestKey"] not in json.dumps(stream)
    both = {"ingestKey": second["ingestKey"], "streamKey": staff.key}
    for data in (both, {}, {"ingestKey": ""}):
        assert await deliver(staff.shop, "stream.ended", data) == 400
    assert await deliver(staff.shop, "stream.ended", {"streamKey": staff.key}) == 204


# --- sanctions ------------------------------------------------------------------------------------------------------


async def test_a_sanction_is_extended_by_who_may_impose_it(staff: Staff) -> None:
    troll = staff.people["USER"]
    moderator = await staff.shop.chatter(staff.key, as_=staff.people["MODERATOR"])
    muted = await staff.shop.chatter(staff.key, as_=troll, node=1)
    ask = {"liveId": staff.key, "userId": troll.id, "seconds": 60}
    mute = await moderator.call("chat:mute-user", ask)
    await muted.expect("chat:muted")
    path = f"/moderation/sanctions/{mute['sanctionId']}"
    for role in ("OTHER_HOST", "USER", "GUEST"):
        await staff.call(role, "PATCH", path, {"seconds": 600}, status=403)
    longer = await staff.call("HOST", "PATCH", path, {"seconds": 600, "reason": "again"}, status=200)
    assert longer["until"] > mute["until"]
    assert (longer["active"], longer["reason"]) == (True, "again")
    await muted.expect("chat:muted", until=longer["until"])
    forever = await staff.call("MODERATOR", "PATCH", path, {"seconds": None}, status=200)
    assert forever["until"].startswith("9999")
    [entry, *_] = (await staff.call("ADMIN", "GET", f"/moderation/log?liveId={staff.key}", status=200))["items"]
    assert (entry["action"], entry["subjectName"]) == ("CHANGE_SANCTION", troll.username)
    assert entry["details"]["before"] == longer["until"]
    for wrong in ({}, {"seconds": 0}, {"seconds": 31_536_001}, {"seconds": "60"}, {"seconds": 60, "until": "now"}):
        await staff.call("ADMIN", "PATCH", path, wrong, status=400)
    await staff.call("ADMIN", "DELETE", path, status=200)
    await staff.call("ADMIN", "PATCH", path, {"seconds": 60}, status=409)
    await staff.call("ADMIN", "PATCH", "/moderation/sanctions/none", {"seconds": 60}, status=404)


# --- the audit log --------------------------------------------------------------------------------------------------


async def test_the_audit_log_has_changes_of_streams_and_prices_with_names(staff: Staff) -> None:
    host = staff.people["HOST"]
    body = {"streamKey": staff.key, "name": "Cup", "price": 20, "stock": 3}
    cup = await staff.call("HOST", "POST", "/products", body, status=201)
    await staff.call("HOST", "PATCH", f"/products/{cup['id']}", {"price": 18, "description": "Blue"}, status=200)
    await staff.call("HOST", "PATCH", f"/products/{cup['id']}", {"description": "Red"}, status=200)
    await staff.call("ADMIN", "DELETE", f"/products/{cup['id']}", status=204)
    await staff.call("HOST", "PATCH", f"/streams/{staff.key}", {"title": "Today"}, status=200)
    for step in ("start", "start", "stop", "stop"):
        await staff.call("HOST", "POST", f"/streams/{staff.key}/{step}", status=200)
    await staff.call("HOST", "POST", f"/streams/{staff.key}/ingest-key", status=201)
    page = await staff.call("HOST", "GET", f"/moderation/log?liveId={staff.key}", status=200)
    entries = page["items"]
    assert [entry["action"] for entry in entries] == [
        *("ROTATE_INGEST_KEY", "STOP_STREAM", "START_STREAM", "CHANGE_STREAM"),
        *("DELETE_PRODUCT", "CHANGE_PRODUCT", "CREATE_PRODUCT", "CREATE_STREAM"),
    ]
    assert {entry["actorName"] for entry in entries} == {host.username, staff.people["ADMIN"].username}
    assert entries[3]["details"] == {"before": {"title": "Tonight"}, "after": {"title": "Today"}}
    changed = {"productId": cup["id"], "name": "Cup", "before": {"price": 20}, "after": {"price": 18}}
    assert entries[5]["details"] == changed


async def test_hosts_read_and_export_the_log_of_their_own_streams(staff: Staff) -> None:
    await staff.matrix("GET", f"/moderation/log?liveId={staff.key}", ("ADMIN", "MODERATOR", "HOST"), status=200)
    await staff.matrix("GET", "/moderation/log", ("ADMIN", "MODERATOR", "HOST", "OTHER_HOST"), status=200)
    page = await staff.call("OTHER_HOST", "GET", "/moderation/log", status=200)
    assert {entry["liveId"] for entry in page["items"]} == {staff.elsewhere}
    headers = {"Authorization": f"Bearer {staff.people['HOST'].token}"}
    url = f"{staff.shop.urls[1]}/api/v1/moderation/log"
    async with aiohttp.ClientSession(headers=headers) as http:
        async with http.get(url, params={"format": "jsonl"}) as response:
            lines = [json.loads(line) for line in (await response.text()).splitlines()]
            assert response.headers["Content-Type"] == "application/x-ndjson"
        async with http.get(url, params={"format": "xml"}) as response:
            assert response.status == 400
    assert lines == (await staff.call("HOST", "GET", "/moderation/log", status=200))["items"]


# --- people and connections -----------------------------------------------------------------------------------------


async def test_staff_sees_a_person_and_hosts_what_concerns_their_streams(staff: Staff) -> None:
    shop, ann = staff.shop, staff.people["USER"]
    chatter = await shop.chatter(staff.key, as_=ann, node=1)
    await shop.viewer(staff.elsewhere, as_=ann)
    for text in ("one", "two"):
        await chatter.call("chat:send-message", {"liveId": staff.key, "message": text})
    await shop.buy(ann, await shop.product(staff.key))
    moderator = await shop.chatter(staff.key, as_=staff.people["MODERATOR"])
    await moderator.call("chat:mute-user", {"liveId": staff.key, "userId": ann.id, "reason": "loud"})

    path = f"/people/{ann.id}"
    await staff.matrix("GET", path, ("ADMIN", "MODERATOR", "HOST", "OTHER_HOST"), status=200)
    seen = await staff.call("ADMIN", "GET", path, status=200)
    assert (seen["username"], seen["email"], seen["guest"]) == (ann.username, ann.email, False)
    assert seen["counts"] == {"messages": 2, "deletedMessages": 0, "orders": 1, "mutes": 1, "bans": 0}
    assert seen["connections"] == 2
    here = {"streamKey": staff.key, "chat": True, "watching": False, "products": False}
    there = {"streamKey": staff.elsewhere, "chat": False, "watching": True, "products": False}
    assert seen["online"] == sorted([here, there], key=lambda place: str(place["streamKey"]))
    assert [sanction["reason"] for sanction in seen["sanctions"]] == ["loud"]
    assert (await staff.call("MODERATOR", "GET", path, status=200))["email"] is None
    own = await staff.call("HOST", "GET", path, status=200)
    assert (own["online"], own["counts"], len(own["sanctions"])) == ([here], seen["counts"], 1)
    other = await staff.call("OTHER_HOST", "GET", path, status=200)
    assert (other["online"], other["counts"]["messages"], other["sanctions"]) == ([there], 0, [])

    stranger = await shop.person()
    for role, status in (("MODERATOR", 200), ("HOST", 404), ("OTHER_HOST", 404), ("USER", 403)):
        await staff.call(role, "GET", f"/people/{stranger.id}", status=status)
    guest = await staff.call("ADMIN", "GET", "/people/guest_1234abcd1234abcd1234abcd", status=200)
    assert (guest["role"], guest["guest"], guest["connections"]) == ("GUEST", True, 0)
    for nobody in ("nobody", ann.id.upper(), "00000000-0000-0000-0000-000000000000"):
        await staff.call("ADMIN", "GET", f"/people/{nobody}", status=404)


async def test_an_administrator_finds_and_ends_connections_on_any_node(staff: Staff) -> None:
    shop, ann = staff.shop, staff.people["USER"]
    sockets = [await shop.chatter(staff.key, as_=ann, node=node) for node in (0, 1)]
    path = f"/cluster/connections?userId={ann.id}"
    await staff.matrix("GET", path, ("ADMIN",), status=200)
    await staff.matrix("GET", f"/cluster/connections?user={ann.id}", ("ADMIN",), status=200)
    by_user = await staff.call("ADMIN", "GET", f"/cluster/connections?user={ann.id}", status=200, node=1)
    for bad in ("", "?userId=", "?user=", "?name=x"):
        await staff.call("ADMIN", "GET", f"/cluster/connections{bad}", status=400)
    found = await staff.call("ADMIN", "GET", path, status=200)
    assert found["silent"] == []
    assert [connection["username"] for connection in found["items"]] == [ann.username] * 2
    assert len({connection["node"] for connection in found["items"]}) == 2
    assert [connection["id"] for connection in by_user["items"]] == [connection["id"] for connection in found["items"]]
    assert by_user["silent"] == []
    newest = found["items"][0]
    assert (newest["namespaces"], newest["rooms"]) == (["/chat"], [f"/chat live:{staff.key}"])

    one = f"/cluster/connections/{newest['id']}"
    for role in ROLES[1:]:
        await staff.call(role, "DELETE", one, status=403)
    await staff.call("ADMIN", "DELETE", one, status=204)
    assert (await sockets[1].expect("auth:revoked"))["reconnect"] is False
    await staff.call("ADMIN", "DELETE", one, status=404)
    left = await staff.call("ADMIN", "GET", path, status=200)
    assert [connection["id"] for connection in left["items"]] == [found["items"][1]["id"]]
    page = await staff.call("ADMIN", "GET", f"/moderation/log?subjectId={ann.id}", status=200)
    assert [(entry["action"], entry["details"]["node"]) for entry in page["items"]] == [("DISCONNECT", newest["node"])]


# --- numbers of a stream --------------------------------------------------------------------------------------------


async def test_the_staff_of_a_stream_gets_its_numbers(staff: Staff) -> None:
    shop, ann = staff.shop, staff.people["USER"]
    await staff.call("HOST", "POST", f"/streams/{staff.key}/start", status=200)
    watchers = {
        role: await shop.chatter(staff.key, as_=staff.people[role], node=1)
        for role in ("MODERATOR", "HOST", "OTHER_HOST", "USER")
    }
    await shop.viewer(staff.key, as_=ann)
    for text in ("one", "two", "three"):
        await watchers["USER"].call("chat:send-message", {"liveId": staff.key, "message": text})
    cup = await shop.product(staff.key, price=20)
    await shop.buy(ann, (cup, 2))
    cancelled = await shop.buy(ann, cup)
    await staff.call("USER", "DELETE", f"/orders/{cancelled['id']}", status=200)

    expected = {"streamKey": staff.key, "viewers": 1, "messagesPerMinute": 3, "ordersPerMinute": 2}
    expected |= {"orders": 1, "revenue": 40}
    for role in ("MODERATOR", "HOST"):
        event = await watchers[role].expect("stream:stats", within=15, revenue=40)
        assert expected.items() <= event["data"].items(), role
        first = event["data"]["at"]
    await watchers["HOST"].expect("stream:stats", lambda later: later["data"]["at"] > first, within=15)
    for role in ("OTHER_HOST", "USER"):
        await watchers[role].fail("fence")
        watchers[role].refute("stream:stats")
    path = f"/streams/{staff.key}/stats"
    await staff.matrix("GET", path, ("ADMIN", "MODERATOR", "HOST"), status=200)
    assert expected.items() <= (await staff.call("HOST", "GET", path, status=200)).items()
    await staff.call("ADMIN", "GET", "/streams/nowhere/stats", status=404)


# --- orders ---------------------------------------------------------------------------------------------------------


async def test_hosts_read_the_orders_of_their_own_streams(staff: Staff) -> None:
    shop, ann = staff.shop, staff.people["USER"]
    cup, hat = await shop.product(staff.key, price=20), await shop.product(staff.elsewhere, price=5)
    first = await shop.buy(ann, (cup, 2))
    both = await shop.buy(ann, cup, (hat, 3))
    await shop.buy(ann, hat)
    path = f"/orders?streamKey={staff.key}"
    await staff.matrix("GET", path, ("ADMIN", "HOST"), status=200)
    page = await staff.call("HOST", "GET", path, status=200)
    assert [(order["id"], order["total"], order["username"]) for order in page["items"]] == [
        (both["id"], 20, ann.username), (first["id"], 40, ann.username),
    ]  # fmt: skip
    assert [item["streamKey"] for item in page["items"][0]["items"]] == [staff.key]
    assert (await staff.call("HOST", "GET", "/orders?scope=sold", status=200))["items"] == page["items"]
    assert (await staff.call("HOST", "GET", "/orders", status=200))["items"] == []
    first_page = await staff.call("HOST", "GET", f"{path}&limit=1", status=200)
    cursor = first_page["nextCursor"]
    second_page = await staff.call("HOST", "GET", f"{path}&limit=1&cursor={cursor}", status=200)
    assert (first_page["items"] + second_page["items"], second_page["nextCursor"]) == (page["items"], None)

    one = f"/orders/{both['id']}"
    assert (await staff.call("HOST", "GET", one, status=200))["total"] == 20
    assert (await staff.call("USER", "GET", one, status=200))["total"] == 35
    assert (await staff.call("ADMIN", "GET", one, status=200))["total"] == 35
    await staff.call("MODERATOR", "GET", one, status=404)
    await staff.call("OTHER_HOST", "GET", f"/orders/{first['id']}", status=404)

    await staff.call("ADMIN", "POST", f"/orders/{first['id']}/paid", status=200)
    for query, found in (
        ("&status=PAID", [first]), (f"&userId={ann.id}", [both, first]), (f"&userId={staff.key}", None),
        (f"&from={both['createdAt']}", [both]), (f"&to={both['createdAt']}", [first]),
    ):  # fmt: skip
        answer = await staff.call("HOST", "GET", path + query, status=404 if found is None else 200)
        if found is not None:
            assert [order["id"] for order in answer["items"]] == [order["id"] for order in found], query
    for bad in ("&cursor=x", "&scope=all", "&format=csv", "&from=yesterday"):
        await staff.call("HOST", "GET", path + bad, status=400)
    entries = (await staff.call("HOST", "GET", f"/moderation/log?liveId={staff.key}", status=200))["items"]
    assert (entries[0]["action"], entries[0]["details"]) == ("PAY_ORDER", {"orderId": first["id"], "total": 40})

    # A former HOST reads nothing of their earlier streams.
    await staff.call("ADMIN", "PATCH", f"/users/{staff.people['HOST'].id}", {"role": "USER"}, status=200)
    for forbidden in (
        path,
        "/orders?scope=sold",
        f"/moderation/log?liveId={staff.key}",
        f"/streams/{staff.key}/members",
        f"/streams/{staff.key}/messages",
    ):
        await staff.call("HOST", "GET", forbidden, status=403)
    await staff.call("HOST", "GET", f"/streams/{staff.key}/stats", status=403)
    await staff.call("HOST", "GET", one, status=404)


async def test_orders_are_exported(staff: Staff) -> None:
    ann, cup = staff.people["USER"], await staff.shop.product(staff.key)
    placed = [(await staff.shop.buy(ann, cup))["id"] for _ in range(3)]
    for who, query in (("HOST", "scope=sold&"), ("USER", ""), ("ADMIN", f"streamKey={staff.key}&")):
        headers = {"Authorization": f"Bearer {staff.people[who].token}"}
        url = f"{staff.shop.urls[0]}/api/v1/orders?{query}format=jsonl"
        async with aiohttp.ClientSession(headers=headers) as http, http.get(url) as response:
            lines = [json.loads(line) for line in (await response.text()).splitlines()]
        assert [order["id"] for order in lines] == placed[::-1], who


async def test_hosts_hear_the_orders_of_their_own_streams(staff: Staff) -> None:
    shop, ann = staff.shop, staff.people["USER"]
    host, other = [await shop.connect(staff.people[role], "/", node=1) for role in ("HOST", "OTHER_HOST")]
    cup, hat = await shop.product(staff.key, price=20), await shop.product(staff.elsewhere, price=5)
    mine = await shop.buy(ann, cup)
    both = await shop.buy(ann, cup, hat)
    new = [(await host.expect("order:new"))["data"] for _ in range(2)]
    assert [(order["id"], order["total"], len(order["items"])) for order in new] == [
        (mine["id"], 20, 1), (both["id"], 20, 1),
    ]  # fmt: skip
    assert (await other.expect("order:new"))["data"]["total"] == 5
    await staff.call("ADMIN", "POST", f"/orders/{mine['id']}/paid", status=200)
    assert (await host.expect("order:paid"))["data"]["id"] == mine["id"]
    await staff.call("USER", "DELETE", f"/orders/{both['id']}", status=200)
    assert (await host.expect("order:cancelled"))["data"]["total"] == 20
    assert (await other.expect("order:cancelled"))["data"]["total"] == 5
    other.refute("order:new")
    other.refute("order:paid")

    await staff.call("ADMIN", "PATCH", f"/users/{staff.people['HOST'].id}", {"role": "USER"}, status=200)
    await shop.buy(ann, cup, hat)
    await other.expect("order:new")
    host.refute("order:new")


# --- accounts -------------------------------------------------------------------------------------------------------


async def test_an_account_is_made_with_a_one_time_link(staff: Staff) -> None:
    shop = staff.shop
    email = f"{staff.key.lower()}@example.com"
    body = {"email": email, "username": "New host", "role": "HOST"}
    for role in ROLES[1:]:
        await staff.call(role, "POST", "/users", body, status=403)
    created = await staff.call("ADMIN", "POST", "/users", body, status=201)
    user = created["user"]
    assert (user["role"], user["email"], "mustChangePassword" in user) == ("HOST", email, False)
    await staff.call("ADMIN", "POST", "/users", body, status=409)
    for bad in ({"role": "GUEST"}, {"email": "x"}, {"password": "short"}, {"username": ""}):
        await staff.call("ADMIN", "POST", "/users", body | bad, status=400)

    use = {"token": created["link"]["token"], "newPassword": "a new password"}
    await shop.request("POST", "/auth/password", body=use | {"newPassword": "short"}, status={400})
    await shop.request("POST", "/auth/password", body=use, status={204}, node=1)
    await shop.request("POST", "/auth/password", body=use, status={401})
    login = {"email": email, "password": "a new password"}
    session = await shop.request("POST", "/auth/login", body=login, status={200})

    path = f"/users/{user['id']}/password-reset"
    for role in ROLES[1:]:
        await staff.call(role, "POST", path, status=403)
    earlier, link = [await staff.call("ADMIN", "POST", path, status=201) for _ in range(2)]
    token = session["accessToken"]
    await shop.request("GET", "/auth/me", token=token, status={200})
    await shop.request("POST", "/auth/password", body=use | {"token": earlier["token"]}, status={401})
    await shop.request("POST", "/auth/password", body=use | {"token": link["token"]}, status={204})
    await shop.request("GET", "/auth/me", token=token, status={401})
    other_admin = await shop.person("ADMIN")
    await staff.call("ADMIN", "POST", f"/users/{other_admin.id}/password-reset", status=403)
    await staff.call("ADMIN", "POST", "/users/nobody/password-reset", status=404)
    page = await staff.call("ADMIN", "GET", f"/moderation/log?subjectId={user['id']}", status=200)
    assert [entry["action"] for entry in page["items"]] == ["RESET_PASSWORD", "RESET_PASSWORD", "CREATE_USER"]
    assert use["token"] not in json.dumps(page)


async def test_a_first_password_must_be_changed(staff: Staff) -> None:
    shop, email = staff.shop, f"first-{staff.key.lower()}@example.com"
    body = {"email": email, "username": "First", "password": "first password", "role": "MODERATOR"}
    created = await staff.call("ADMIN", "POST", "/users", body, status=201)
    assert (created["link"], created["user"]["mustChangePassword"]) == (None, True)
    login = {"email": email, "password": "first password"}
    token = (await shop.request("POST", "/auth/login", body=login, status={200}))["accessToken"]
    session = await shop.request("GET", "/auth/session", token=token, status={200})
    assert session["user"]["mustChangePassword"] is True
    assert session["powers"] == session["hostPowers"] == []
    await shop.request("GET", "/auth/me", token=token, status={200}, node=1)
    for method, path in (("GET", "/users"), ("GET", "/orders"), ("GET", "/auth/sessions"), ("POST", "/streams")):
        answer = await shop.request(
            method, path, body={"title": "x"} if method == "POST" else None, token=token, status={403}
        )
        assert answer["errorCode"] == "FORBIDDEN"
    sockets = [await shop.client.connect(url, "/chat", token=token) for url in shop.urls]
    for socket in sockets:
        assert (await socket.call("chat:join-room", {"liveId": staff.key}))["you"]["powers"] == []
        assert (await socket.fail("chat:freeze", {"liveId": staff.key, "frozen": True}))["code"] == "FORBIDDEN"

    change = {"currentPassword": "first password", "newPassword": "second password"}
    same = change | {"newPassword": "first password"}
    refused = await shop.request("POST", "/users/me/password", body=same, token=token, status={400})
    assert refused["errorCode"] == "INVALID_PAYLOAD"
    link = (await staff.call("ADMIN", "POST", f"/users/{created['user']['id']}/password-reset", status=201))["token"]
    use = {"token": link, "newPassword": "first password"}
    await shop.request("POST", "/auth/password", body=use, status={400})
    await shop.request("POST", "/users/me/password", body=change, token=token, status={204})
    session = await shop.request("GET", "/auth/session", token=token, status={200})
    assert "mustChangePassword" not in session["user"]
    await shop.request("GET", "/auth/sessions", token=token, status={200}, node=1)
    for socket in sockets:
        rights = await socket.expect("chat:you", within=3)
        assert {"ANNOUNCE", "MUTE", "PIN", "SETTINGS"} <= set(rights["data"]["powers"])


async def test_an_administrator_logs_a_user_out_everywhere(staff: Staff) -> None:
    ann = staff.people["USER"]
    socket = await staff.shop.chatter(staff.key, as_=ann, node=1)
    path = f"/users/{ann.id}/logout-all"
    for role in ROLES[1:]:
        await staff.call(role, "POST", path, status=403)
    await staff.call("ADMIN", "POST", path, status=204)
    await socket.expect("auth:revoked")
    await staff.call("USER", "GET", "/auth/me", status=401)
    await staff.call("ADMIN", "POST", f"/users/{staff.people['ADMIN'].id}/logout-all", status=403)
    body = {"role": "MODERATOR"}
    await staff.call("ADMIN", "PATCH", f"/users/{ann.id}", body, status=200)
    await staff.call("ADMIN", "POST", f"/users/{ann.id}/suspend", {"reason": "rude"}, status=200)
    await staff.call("ADMIN", "POST", f"/users/{ann.id}/unsuspend", status=200)
    page = await staff.call("ADMIN", "GET", f"/moderation/log?subjectId={ann.id}", status=200)
    assert [(entry["action"], entry["reason"]) for entry in page["items"]] == [
        ("UNSUSPEND", None), ("SUSPEND", "rude"), ("CHANGE_ROLE", None), ("LOGOUT_USER", None),
    ]  # fmt: skip
    assert page["items"][2]["details"] == {"before": "USER", "after": "MODERATOR"}


# --- products and members -------------------------------------------------------------------------------------------


async def test_products_are_put_in_order(staff: Staff) -> None:
    cups = [(await staff.shop.product(staff.key))["id"] for _ in range(3)]
    hat = (await staff.shop.product(staff.elsewhere))["id"]
    body = {"streamKey": staff.key, "ids": cups[::-1]}
    for role in ("MODERATOR", "OTHER_HOST", "USER", "GUEST"):
        await staff.call(role, "PATCH", "/products/order", body, status=403)
    changed = await staff.call("HOST", "PATCH", "/products/order", body, status=200)
    assert [(product["id"], product["sortOrder"]) for product in changed["items"]] == [
        (cups[2], 0), (cups[1], 1), (cups[0], 2),
    ]  # fmt: skip
    for ids, status in (([cups[0], cups[0]], 400), ([], 400), (["x"], 400), ([cups[0], hat], 404), (["9999999"], 404)):
        await staff.call("ADMIN", "PATCH", "/products/order", body | {"ids": ids}, status=status)


async def test_the_staff_of_a_stream_lists_its_members(staff: Staff) -> None:
    shop, ann, guest = staff.shop, staff.people["USER"], staff.people["GUEST"]
    for node, who in enumerate((ann, guest)):
        await shop.chatter(staff.key, as_=who, node=node)
    path = f"/streams/{staff.key}/members"
    await staff.matrix("GET", path, ("ADMIN", "MODERATOR", "HOST"), status=200)
    page = await staff.call("HOST", "GET", path, status=200)
    assert page["total"] == 2
    members = {member["userId"]: member for member in page["items"]}
    assert members[ann.id] == {"userId": ann.id, "username": ann.username, "role": "USER", "guest": False}
    first = await staff.call("HOST", "GET", f"{path}?limit=1", status=200)
    second = await staff.call("HOST", "GET", f"{path}?limit=1&cursor={first['nextCursor']}", status=200)
    assert (first["items"] + second["items"], second["nextCursor"]) == (page["items"], None)
    found = await staff.call("HOST", "GET", f"{path}?search={ann.username.upper()}", status=200)
    assert [member["userId"] for member in found["items"]] == [ann.id]
    await staff.call("HOST", "GET", f"{path}?cursor=x", status=400)
    await staff.call("ADMIN", "GET", "/streams/nowhere/members", status=404)


# --- nodes ----------------------------------------------------------------------------------------------------------


async def test_administrators_see_the_nodes(staff: Staff) -> None:
    for path in ("/cluster", "/cluster/nodes"):
        await staff.matrix("GET", path, ("ADMIN",), status=200)
    pages = [await staff.call("ADMIN", "GET", path, status=200) for path in ("/cluster", "/cluster/nodes")]
    assert pages[0].keys() == {"items"}
    assert len({tuple(node["id"] for node in page["items"]) for page in pages}) == 1
    nodes = pages[0]["items"]
    assert {frozenset(node) for node in nodes} == {frozenset(NODE_FIELDS)}
    ready = [node for node in nodes if node["status"] == "ok"]
    assert len(ready) >= 2
    assert {node["components"]["redis"] for node in ready} == {"up"}
    assert min(node["memory"] for node in ready) > 20_000_000
    for method in ("POST", "DELETE"):
        path = f"/cluster/nodes/{ready[0]['id']}/drain"
        for role in ROLES[1:]:
            await staff.call(role, method, path, status=403)
        await staff.call("ADMIN", method, "/cluster/nodes/nowhere/drain", status=404)


async def test_a_drained_node_hands_its_clients_over_until_it_is_back(
    client: Client, database_url: str, own_redis: RedisProcess, tmp_path: Path
) -> None:
    servers = database_url, own_redis.url
    async with open_shop(client, tmp_path, *servers, DRAIN_DELAY="0s", DRAIN_SPREAD="1s") as shop:
        admin, key = await shop.person("ADMIN"), await shop.stream()

        async def nodes() -> dict[str, str]:
            page = await shop.request("GET", "/cluster/nodes", token=admin.token, status={200}, node=1)
            return {node["id"]: node["status"] for node in page["items"]}

        async def drain(method: str, node_id: str, status: int) -> Any:
            path = f"/cluster/nodes/{node_id}/drain"
            return await shop.request(method, path, token=admin.token, status={status}, node=1)

        ids = list(await nodes())
        viewers = [await shop.viewer(key, node=node) for node in (0, 1)]
        assert (await drain("POST", ids[0], 202))["status"] == "draining"
        [first] = await until(partial(refusing, shop), what="one node is drained")
        await viewers[first].expect("server:shutdown")
        viewers[1 - first].refute("server:shutdown")
        await drain("POST", ids[1], 409)
        await drain("DELETE", ids[0], 202)
        await until(partial(serves, shop, first), what="the node serves again")
        await shop.viewer(key, node=first)
        page = await shop.request("GET", f"/moderation/log?actorId={admin.id}", token=admin.token, status={200})
        assert [entry["action"] for entry in page["items"]][:2] == ["RESUME_NODE", "DRAIN_NODE"]

        own_redis.kill()
        await until(partial(degraded, shop), what="the nodes serve without Redis")
        await drain("POST", ids[0], 202)
        assert await until(partial(refusing, shop), what="a node is drained without Redis") == [first]
        await drain("DELETE", ids[0], 202)
        await until(partial(serves, shop, first), what="the node serves again without Redis")


async def ready(shop: Shop, node: int) -> int:
    """Return the status of the readiness of a node."""
    async with aiohttp.ClientSession() as http, http.get(f"{shop.urls[node]}/api/v1/health/ready") as response:
        return response.status


async def refusing(shop: Shop) -> list[int]:
    """Return the nodes that are not ready."""
    return [node for node in (0, 1) if await ready(shop, node) == 503]


async def degraded(shop: Shop) -> bool:
    """Whether both nodes know that Redis is away."""
    answers = [await shop.request("GET", "/health/ready", status={200}, node=node) for node in (0, 1)]
    return all(answer["status"] == "degraded" for answer in answers)


async def serves(shop: Shop, node: int) -> bool:
    return await ready(shop, node) == 200
