"""Guests against a real node over HTTP, as browsers with cookies and as clients without."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDict

from tests.conftest import StartNode
from tests.http_edge import refused
from tests.support import Node


@pytest.fixture
async def node(start_node: StartNode) -> AsyncIterator[Node]:
    node = await start_node(GUEST_RATE_LIMIT="3/minute")
    yield node
    assert "Traceback" not in node.logs


@pytest.fixture
async def browser(node: Node) -> AsyncIterator[aiohttp.ClientSession]:
    """Return a client that keeps cookies."""
    jar = aiohttp.CookieJar(unsafe=True)  # addresses instead of names
    async with aiohttp.ClientSession(f"{node.url}/api/v1/", cookie_jar=jar) as http:
        yield http


async def test_a_browser_is_a_guest_by_its_cookies(browser: aiohttp.ClientSession) -> None:
    response = await browser.post("auth/guest")  # no body at all
    assert response.status == 200
    session = await response.json()
    assert set(session) == {"accessToken", "refreshToken", "tokenType", "expiresIn", "csrfToken", "user"}
    assert {cookie.key: bool(cookie["httponly"]) for cookie in browser.cookie_jar} == {
        "accessToken": True,
        "refreshToken": True,
        "csrf-token": False,
        "deviceId": True,
    }
    assert await (await browser.get("auth/me")).json() == session["user"]
    await refused(await browser.post("auth/guest", json={}), 403, "CSRF_TOKEN_MISSING")

    again = await (await browser.post("auth/guest", json={}, headers={"X-CSRF-Token": session["csrfToken"]})).json()
    assert again["user"] == session["user"]
    assert again["refreshToken"] != session["refreshToken"]
    headers = {"X-CSRF-Token": again["csrfToken"]}
    renewed = await (await browser.post("auth/refresh", json={}, headers=headers)).json()
    assert renewed["user"] == session["user"]

    headers = {"X-CSRF-Token": renewed["csrfToken"]}
    assert (await browser.post("auth/logout", headers=headers)).status == 204
    assert [cookie.key for cookie in browser.cookie_jar] == ["deviceId"], "the device is still the same"
    await refused(await browser.get("auth/me"), 401, "AUTH_REQUIRED")
    body = {"refreshToken": renewed["refreshToken"]}
    await refused(await browser.post("auth/refresh", json=body), 401, "AUTH_REQUIRED")


async def test_the_valid_one_of_several_cookies_is_used(node: Node) -> None:
    """A used refresh token in a cookie of another path does not count as a replay."""
    url = f"{node.url}/api/v1/auth"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        first = await (await http.post(f"{url}/guest")).json()
        second = first
        for _ in range(2):  # the one before the current one may be shown again for a while
            second = await (await http.post(f"{url}/refresh", json={"refreshToken": second["refreshToken"]})).json()
        lines = [
            ("Cookie", f"accessToken=foreign; refreshToken={first['refreshToken']}; csrf-token=old"),
            ("Cookie", f"refreshToken=x; refreshToken={second['refreshToken']}"),
            ("Cookie", f"accessToken={second['accessToken']}; csrf-token={second['csrfToken']}"),
            ("X-CSRF-Token", second["csrfToken"]),
        ]
        async with http.get(f"{url}/me", headers=CIMultiDict(lines)) as response:
            assert (await response.json())["id"] == first["user"]["id"]
        async with http.post(f"{url}/refresh", json={}, headers=CIMultiDict(lines)) as response:
            assert response.status == 200, await response.text()
            assert (await response.json())["user"] == first["user"]
        foreign = CIMultiDict([("Cookie", "accessToken=foreign"), ("Cookie", "accessToken=x")])
        await refused(await http.get(f"{url}/me", headers=foreign), 401, "AUTH_REQUIRED", "Invalid token")


@pytest.mark.parametrize("path", ["guest", "logout"])
async def test_a_form_of_another_site_does_not_change_the_session(browser: aiohttp.ClientSession, path: str) -> None:
    # What a browser sends for it: no cookies, which are for the same site alone. What the answer sets it would keep.
    headers = {"Origin": "https://evil.example", "Content-Type": "application/x-www-form-urlencoded"}
    response = await browser.post(f"auth/{path}", headers=headers)
    await refused(response, 403, "FORBIDDEN", "This origin is not allowed")
    assert "Set-Cookie" not in response.headers
    assert not list(browser.cookie_jar)


async def test_a_guest_logs_in_in_the_same_browser(browser: aiohttp.ClientSession) -> None:
    await browser.post("auth/guest")
    account = {"email": "ann@example.com", "username": "ann", "password": "correct horse"}
    session = await (await browser.post("auth/register", json=account)).json()
    assert (await (await browser.get("auth/me")).json())["username"] == "ann"
    headers = {"X-CSRF-Token": session["csrfToken"]}
    guest = await (await browser.post("auth/guest", headers=headers)).json()
    assert guest["user"]["role"] == "GUEST", "a member's token makes nobody a guest of that name"


async def test_new_guests_are_limited_and_old_ones_are_not(node: Node) -> None:
    async with aiohttp.ClientSession(f"{node.url}/api/v1/", cookie_jar=aiohttp.DummyCookieJar()) as http:
        sessions = [await (await http.post("auth/guest")).json() for _ in range(3)]
        response = await http.post("auth/guest")
        await refused(response, 429, "RATE_LIMIT_EXCEEDED")
        assert int(response.headers["Retry-After"]) > 0
        body = {"refreshToken": sessions[0]["refreshToken"]}
        assert (await (await http.post("auth/guest", json=body)).json())["user"] == sessions[0]["user"]


async def test_invalid_guest_requests_are_refused(browser: aiohttp.ClientSession) -> None:
    bodies: tuple[Any, ...] = ({"refreshToken": ""}, {"refreshToken": 1}, {"name": "x"}, [])
    for body in bodies:
        await refused(await browser.post("auth/guest", json=body), 400, "INVALID_PAYLOAD")


async def test_a_guest_has_no_account(browser: aiohttp.ClientSession) -> None:
    token = (await (await browser.post("auth/guest")).json())["accessToken"]
    headers = {"Authorization": f"Bearer {token}"}
    await refused(await browser.get("users/me", headers=headers), 403, "FORBIDDEN")
    await refused(await browser.patch("users/me", json={"username": "x"}, headers=headers), 403, "FORBIDDEN")
