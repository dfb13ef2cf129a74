"""The wire contract, guests: from the first request without an account to the login on live sockets, over two nodes."""

from typing import Any

import pytest

from tests.client.socket import RefusedError
from tests.cluster.shop import Shop

PLACES = {
    "/": ("join:stream", "streamId", ("user:joined", "user:left")),
    "/chat": ("chat:join-room", "liveId", ("chat:user-joined", "chat:user-left")),
    "/streaming": ("stream:viewer:join", "streamKey", ("stream:viewer:update",)),
}
by_place = pytest.mark.parametrize("namespace", PLACES)


async def enter(shop: Shop, body: Any = None, node: int = 0) -> Any:
    """Come in as a guest."""
    return await shop.request("POST", "/auth/guest", body=body, node=node, status={200})


async def test_a_guest_keeps_their_identity_on_all_nodes(shop: Shop) -> None:
    session = await enter(shop)
    me = session["user"]
    assert (me["role"], me["email"], me["username"]) == ("GUEST", None, f"Guest {me['id'][-4:]}")
    assert await shop.request("GET", "/auth/me", token=session["accessToken"], node=1, status={200}) == me
    again = await enter(shop, {"refreshToken": session["refreshToken"]}, node=1)
    assert again["user"] == me
    body = {"refreshToken": again["refreshToken"]}
    assert (await shop.request("POST", "/auth/refresh", body=body, status={200}))["user"] == me
    assert (await enter(shop, {}))["user"]["id"] != me["id"]
    for namespace in PLACES:
        socket = await shop.client.connect(shop.urls[1], namespace, token=again["accessToken"])
        published = await socket.expect("connected" if namespace == "/" else "connection:success")
        assert (published.get("data") or published)["userId"] == me["id"]


async def test_a_guest_logout_is_effective_on_all_nodes(shop: Shop) -> None:
    session = await enter(shop)
    token = session["accessToken"]
    sockets = [await shop.client.connect(url, namespace, token=token) for url in shop.urls for namespace in PLACES]
    (listed,) = (await shop.request("GET", "/auth/sessions", token=token, status={200}))["items"]
    assert listed["current"]
    await shop.request("POST", "/auth/logout", token=token, node=1, status={204})
    for socket in sockets:
        assert (await socket.expect("auth:revoked", within=1))["code"] == "TOKEN_REVOKED"
    with pytest.raises(RefusedError, match="Token has been revoked"):
        await shop.client.connect(shop.urls[0], "/chat", token=token)
    body = {"refreshToken": session["refreshToken"]}
    assert (await shop.request("POST", "/auth/refresh", body=body, status={401}))["errorCode"] == "AUTH_REQUIRED"


@by_place
async def test_a_login_on_an_open_socket_is_not_broadcast(shop: Shop, namespace: str) -> None:
    join, name, news = PLACES[namespace]
    key = {name: await shop.stream()}
    witness, third = [await shop.connect(await shop.person(), namespace, node=1) for _ in range(2)]
    await witness.call(join, key)
    guest = await enter(shop)
    socket = await shop.client.connect(shop.urls[0], namespace, token=guest["accessToken"])
    await socket.call(join, key)
    arrival = {"viewerCount": 2} if namespace == "/streaming" else {"userId": guest["user"]["id"]}
    await witness.expect(news[0], **arrival)
    for event in news:
        witness.take(event)

    ann = await shop.person()
    assert (await socket.call("auth:refresh", {"token": ann.token}))["role"] == "USER"
    await third.call(join, key)
    first = await witness.expect(news[0])
    assert (first.get("data") or first).get("viewerCount", 3) == 3, "no other number came first"
    for event in news:
        assert witness.take(event) == []

    await socket.disconnect()
    last = await witness.expect(news[-1])
    assert (last.get("data") or last).items() & {("userId", ann.id), ("viewerCount", 2)}


async def test_guest_login_beside_another_tab_counts_one_viewer(shop: Shop) -> None:
    key = {"streamKey": await shop.stream()}
    ann, guest = await shop.person(), (await enter(shop))["accessToken"]
    member = await shop.connect(ann, "/streaming", node=1)
    tabs = [await shop.client.connect(shop.urls[node], "/streaming", token=guest) for node in (0, 1)]
    for socket in (member, *tabs):
        await socket.call("stream:viewer:join", key)
    counts = []
    for tab in tabs:
        await tab.call("auth:refresh", {"token": ann.token})
        counts.append((await member.call("stream:viewer:join", key))["viewerCount"])
    assert counts == [2, 1]
    left = [(await socket.call("stream:viewer:leave", key))["viewerCount"] for socket in (*tabs, member)]
    assert left == [1, 1, 0]


async def test_refresh_cannot_change_to_a_guest_or_another_user(shop: Shop) -> None:
    one, other = await enter(shop), await enter(shop)
    socket = await shop.client.connect(shop.urls[0], "/chat", token=one["accessToken"])
    assert (await socket.fail("auth:refresh", {"token": other["accessToken"]}))["code"] == "FORBIDDEN"
    member = await shop.connect(await shop.person(), "/chat")
    assert (await member.fail("auth:refresh", {"token": one["accessToken"]}))["code"] == "FORBIDDEN"
    again = await enter(shop, {"refreshToken": one["refreshToken"]})
    assert (await socket.call("auth:refresh", {"token": again["accessToken"]}))["userId"] == one["user"]["id"]
