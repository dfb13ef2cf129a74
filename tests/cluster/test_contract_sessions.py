"""The wire contract, sessions over HTTP: the user of a page, and which of several cookies is used."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cluster.shop import Shop

HOST_POWERS = ["ANNOUNCE", "MUTE", "PIN", "REVIEW", "SETTINGS"]
ADMIN_POWERS = ["ANNOUNCE", "BAN", "CLEAR", "DELETE", "MUTE", "PIN", "REVIEW", "SETTINGS"]
NOBODY: dict[str, Any] = {"user": None, "powers": [], "hostPowers": [], "expiresAt": None}


async def test_a_page_asks_who_it_is(shop: Shop) -> None:
    guest = await shop.request("POST", "/auth/guest", status={200})
    expected: list[tuple[str, str, list[str], list[str]]] = [(guest["accessToken"], "GUEST", [], [])]
    for role, powers, own in (
        ("USER", [], []),
        ("HOST", [], HOST_POWERS),
        ("MODERATOR", HOST_POWERS, []),
        ("ADMIN", ADMIN_POWERS, HOST_POWERS),
    ):
        expected.append(((await shop.person(role)).token, role, powers, own))
    for number, (token, role, powers, own) in enumerate(expected):
        session = await shop.request("GET", "/auth/session", token=token, node=number % 2, status={200})
        assert set(session) == set(NOBODY)
        assert session["user"] == await shop.request("GET", "/auth/me", token=token, status={200})
        assert (session["user"]["role"], session["powers"], session["hostPowers"]) == (role, powers, own)
        left = datetime.fromisoformat(session["expiresAt"]) - datetime.now(UTC)
        assert timedelta(minutes=13) < left <= timedelta(minutes=15, seconds=1)


async def test_a_page_without_a_valid_session_is_nobody(shop: Shop) -> None:
    """Not an error: a page that asks who it is may be anybody's."""
    ann = await shop.person()
    ended = await shop.login(ann)
    await shop.request("POST", "/auth/logout", token=ended, status={204})
    expired = shop.token(ann, exp=int(time.time()) - 60)
    suspended = (await shop.person(status="SUSPENDED")).token
    for token in (None, "rubbish", shop.unsigned(ann), expired, ended, suspended):
        for node in (0, 1):
            assert await shop.request("GET", "/auth/session", token=token, node=node, status={200}) == NOBODY, token


async def test_of_several_cookies_of_one_name_the_valid_one_counts(shop: Shop) -> None:
    ann, bob = await shop.person(), await shop.person()
    expired = shop.token(bob, exp=int(time.time()) - 60)
    for stale in ("rubbish", expired, ""):
        for cookies in ([stale, ann.token], [ann.token, stale], [ann.token, bob.token]):
            headers = {"Cookie": "; ".join(f"accessToken={cookie}" for cookie in cookies), "Origin": shop.urls[0]}
            socket = await shop.client.connect(shop.urls[0], "/", extraHeaders=headers)
            await socket.expect("connected", userId=ann.id)
            me = await shop.request("GET", "/auth/me", headers=headers, status={200})
            assert me["id"] == ann.id
