"""The mounted HTTP side before stand-ins for the services: health, metrics, identity, products, malformed requests."""

import asyncio
import inspect
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import partial
from http.cookies import SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientResponse, web
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gateway import __version__, http
from gateway.errors import AuthRequired, Conflict, NotFound
from gateway.http.connection import connections
from gateway.http.pages import POLICY
from gateway.http.resources.metrics import metrics_app
from gateway.metrics import Metrics
from gateway.protocol.payloads.accounts import PROTOCOL, Login, Session, UserView
from gateway.protocol.payloads.catalog import ChangeProduct, CreateProduct, Product, ProductPage
from gateway.protocol.queries import ProductQuery
from gateway.security.browsers.origins import Origins
from gateway.security.limits.limits import MemoryLimiter
from gateway.security.principal import Principal, Role
from gateway.security.sessions.devices import COOKIE as DEVICE_COOKIE
from gateway.security.sessions.devices import COOKIE_SECONDS, Device, valid_id
from gateway.services.nodes.readiness import Readiness
from tests.http_edge import Callers, Client, bearer, refused, serving, settings

if TYPE_CHECKING:
    from gateway.protocol.payloads.health import ComponentStatus

WEB = Path(__file__).parents[2] / "gateway" / "web"
MOMENT = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
USER = UserView(id="u1", email="a@example.com", username="a", role="USER", status="ACTIVE", created_at=MOMENT)


class Node:
    """What the node knows of itself; tests change it."""

    def __init__(self) -> None:
        self.open = True
        self.deaf = False
        self.statuses: dict[str, ComponentStatus] = {"database": "up", "redis": "up", "clock": "up"}
        self.readiness = Readiness(
            open_=lambda: self.open,
            deaf=lambda: self.deaf,
            components={name: partial(self.statuses.__getitem__, name) for name in self.statuses},
        )


class Accounts:
    """One user with one password, whose access token is `USER` and whose refresh token is `again`."""

    def __init__(self) -> None:
        self.ended: list[Any] = []

    async def login(self, ask: Login, device: Device) -> Session:
        if ask.password != "right":
            raise AuthRequired("E-mail or password is wrong")
        self.device = device
        return Session(access_token="USER", refresh_token="again", expires_in=900, user=USER)

    async def refresh(self, refresh_token: str) -> Session:
        if refresh_token != "again":
            raise AuthRequired("Invalid token")
        return Session(access_token="USER", refresh_token="again", expires_in=900, user=USER)

    async def logout(self, principal: Principal | None, refresh_token: str | None = None) -> None:
        self.ended.append(principal.session_id if principal else refresh_token)

    async def me(self, principal: Principal) -> UserView:
        return USER

    async def end_session(self, principal: Principal, session_id: str) -> None:
        raise NotFound("There is no such session")


class Catalog:
    """Takes everything."""

    async def page(self, ask: ProductQuery) -> ProductPage:
        return ProductPage(items=[], next_cursor=ask.search)

    async def create(self, _principal: Principal, ask: CreateProduct) -> Product:
        given = ask.model_dump()
        kept: dict[str, Any] = {
            "id": "p1",
            "status": "AVAILABLE",
            "version": 1,
            "currency": "USD",
            "deal_ends_at": None,
        }
        return Product(**given, **kept, created_at=MOMENT, updated_at=MOMENT)

    async def change(self, _principal: Principal, product_id: str, ask: ChangeProduct) -> Product:
        raise Conflict(details={"version": 2})

    async def delete(self, _principal: Principal, product_id: str) -> None:
        if product_id != "p1":
            raise NotFound


class Devices:
    """Remembers nobody."""

    async def seen(self, user_id: str, device: Device) -> None:
        """See Devices."""


class Harness:
    """A client, and what stands behind the server."""

    def __init__(self, client: Client, node: Node, accounts: Accounts) -> None:
        self.client = client
        self.node = node
        self.accounts = accounts


async def scrape() -> bytes:
    return Metrics().render()


def mounted(node: Node, accounts: Accounts, **changes: Any) -> web.Application:
    kept, app, metrics = settings(**changes), web.Application(), Metrics()
    given: dict[str, Any] = {
        "settings": kept,
        "metrics": metrics,
        "scrape": scrape,
        "origins": Origins(kept),
        "readiness": node.readiness,
        "authenticator": Callers(),
        "limiter": MemoryLimiter(),
        "accounts": accounts,
        "catalog": Catalog(),
        "product_list": Catalog(),
        "devices": Devices(),
        "public_keys": lambda: {"keys": []},
        "asyncapi": lambda version: {"asyncapi": version},
        "web_folder": WEB,
    }
    nobody: dict[str, Any] = dict.fromkeys(list(inspect.signature(http.mount).parameters)[1:], object())
    http.mount(app, **nobody | given)
    return app


@asynccontextmanager
async def harness(**changes: Any) -> AsyncIterator[Harness]:
    node, accounts = Node(), Accounts()
    async with serving(mounted(node, accounts, **changes)) as client:
        yield Harness(client, node, accounts)


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    async with harness() as open_house:
        yield open_house.client


def cookies(response: ClientResponse) -> SimpleCookie:
    """Return the cookies that an answer sets."""
    found = SimpleCookie()
    for header in response.headers.getall("Set-Cookie", []):
        found.load(header)
    return found


# --- health and metrics ----------------------------------------------------------------------------------------------


async def test_health_endpoints() -> None:
    async with harness(http_rate_limit="1/minute") as open_house:
        client, node = open_house.client, open_house.node
        for _ in range(3):  # never limited
            response = await client.get("/api/v1/health/live")
            assert (response.status, (await response.json())["status"]) == (200, "ok")
        assert (await client.head("/api/v1/health/live")).status == 200

        async def ready() -> tuple[int, str, dict[str, Any]]:
            response = await client.get("/api/v1/health/ready")
            body = await response.json()
            assert body["timestamp"].endswith("Z")
            assert {name: published["status"] for name, published in body["info"].items()} == node.statuses
            return response.status, body["status"], body["error"]

        assert await ready() == (200, "ok", {})
        for status in ("down", "full"):
            node.statuses["redis"] = status
            assert await ready() == (200, "degraded", {"redis": {"status": status}})
        node.deaf = True
        assert await ready() == (503, "error", {"redis": {"status": "full"}})
        node.deaf, node.statuses["redis"] = False, "up"
        for needed in ("database", "clock"):
            node.statuses[needed] = "down"
            assert await ready() == (503, "error", {needed: {"status": "down"}})
            node.statuses[needed] = "up"
        node.open = False
        assert await ready() == (503, "draining", {})
        assert (await client.get("/api/v1/health/live")).status == 200


async def test_the_session_route_answers_with_and_without_a_session(client: Client) -> None:
    nobody: dict[str, Any] = {"user": None, "powers": [], "hostPowers": [], "expiresAt": None}
    refused_token = {"Authorization": "Bearer nonsense"}
    for headers in (None, refused_token):
        response = await client.get("/api/v1/auth/session", headers=headers)
        assert (response.status, await response.json()) == (200, nobody)
    hosting = ["ANNOUNCE", "MUTE", "PIN", "REVIEW", "SETTINGS"]
    every_power = ["ANNOUNCE", "BAN", "CLEAR", "DELETE", "MUTE", "PIN", "REVIEW", "SETTINGS"]
    expected: dict[Role, tuple[list[str], list[str]]] = {
        Role.USER: ([], []),
        Role.HOST: ([], hosting),
        Role.MODERATOR: (hosting, []),
        Role.ADMIN: (every_power, hosting),
    }
    for role, (powers, host_powers) in expected.items():
        response = await client.get("/api/v1/auth/session", headers=bearer(role))
        body = await response.json()
        assert (response.status, body["user"]["id"]) == (200, "u1")
        assert (body["powers"], body["hostPowers"]) == (powers, host_powers)
        assert body["expiresAt"].endswith("Z")


async def test_the_configuration_needs_no_login(client: Client) -> None:
    response = await client.get("/api/v1/config")
    assert response.status == 200
    shop = {"currency": "USD", "locale": "en", "analytics": False, "imageOrigins": []}
    assert await response.json() == {"version": __version__, "protocol": PROTOCOL, **shop}


async def test_metrics_need_this_machine_or_the_token(client: Client) -> None:
    response = await client.get("/metrics")
    assert response.status == 200
    assert response.content_type == "text/plain"
    assert "dorami_deliveries_total" in await response.text()
    for name in (
        *("X-Forwarded-For", "X-Forwarded-Proto", "X-Original-Forwarded-For", "Forwarded", "Via", "True-Client-IP"),
        *("X-Real-IP", "CF-Connecting-IP", "Fastly-Client-IP", "X-Client-IP", "X-Cluster-Client-IP", "CDN-Loop"),
    ):
        await refused(await client.get("/metrics", headers={name: "127.0.0.1"}), 403, "FORBIDDEN")
    async with harness(metrics_token="open sesame") as guarded:
        await refused(await guarded.client.get("/metrics"), 401, "AUTH_REQUIRED")
        headers = {"Authorization": "Bearer open sesam"}
        await refused(await guarded.client.get("/metrics", headers=headers), 401, "AUTH_REQUIRED")
        headers = {"Authorization": "Bearer open sesame", "X-Forwarded-For": "1.2.3.4"}
        assert (await guarded.client.get("/metrics", headers=headers)).status == 200


async def test_metrics_with_their_own_port_are_only_there() -> None:
    async with harness(metrics_port=9) as open_house:
        await refused(await open_house.client.get("/metrics"), 404, "NOT_FOUND")
    async with serving(metrics_app(scrape)) as client:
        assert "dorami_sockets" in await (await client.get("/metrics")).text()
        assert (await client.get("/api/v1/health/live")).status == 404


# --- identity --------------------------------------------------------------------------------------------------------


async def test_login_returns_tokens_as_cookies_and_in_the_body() -> None:
    async with harness() as open_house:
        body = {"email": "a@example.com", "password": "right"}
        response = await open_house.client.post("/api/v1/auth/login", json=body, headers={"User-Agent": "a browser"})
        session = await response.json()
        assert response.status == 200
        assert (session["accessToken"], session["refreshToken"]) == ("USER", "again")
        assert session["user"]["createdAt"] == "2026-11-21T12:00:00.000Z"
        assert open_house.accounts.device.user_agent == "a browser"
    set_cookies = cookies(response)
    device = set_cookies[DEVICE_COOKIE].value
    assert valid_id(device)
    assert {name: morsel.value for name, morsel in set_cookies.items()} == {
        "accessToken": "USER",
        "refreshToken": "again",
        "csrf-token": session["csrfToken"],
        DEVICE_COOKIE: device,
    }
    assert {name for name, morsel in set_cookies.items() if not morsel["httponly"]} == {"csrf-token"}
    assert {morsel["samesite"] for morsel in set_cookies.values()} == {"Lax"}
    assert {morsel["path"] for morsel in set_cookies.values()} == {"/"}
    assert [morsel["max-age"] for morsel in set_cookies.values()] == ["900", "604800", "604800", str(COOKIE_SECONDS)]
    assert not any(morsel["secure"] for morsel in set_cookies.values())  # plain HTTP, in development


async def test_the_csrf_token_can_be_requested(client: Client) -> None:
    response = await client.get("/api/v1/auth/csrf", headers={"Origin": "http://localhost:3000"})
    token = (await response.json())["csrfToken"]
    assert cookies(response)["csrf-token"].value == token
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    response = await client.get("/api/v1/auth/csrf", headers={"Cookie": f"csrf-token={token}"})
    assert (await response.json())["csrfToken"] == token


async def test_login_with_a_wrong_password(client: Client) -> None:
    body = {"email": "a@example.com", "password": "wrong"}
    response = await client.post("/api/v1/auth/login", json=body)
    await refused(response, 401, "AUTH_REQUIRED", "E-mail or password is wrong")
    assert not cookies(response)


async def test_password_guesses_over_http_are_limited() -> None:
    async with harness(http_rate_limit="10/minute") as open_house:
        body = {"email": "a@example.com", "password": "wrong"}
        statuses = [(await open_house.client.post("/api/v1/auth/login", json=body)).status for _ in range(11)]
        assert statuses == [401] * 10 + [429]


async def test_refreshing_by_body_or_by_cookie(client: Client) -> None:
    path = "/api/v1/auth/refresh"
    response = await client.post(path, json={"refreshToken": "again"})
    assert cookies(response)["refreshToken"].value == "again"
    await refused(await client.post(path, json={"refreshToken": "other"}), 401, "AUTH_REQUIRED", "Invalid token")
    await refused(await client.post(path), 401, "AUTH_REQUIRED", "No token provided")
    cookie = {"Cookie": "refreshToken=again; csrf-token=c5rf"}
    await refused(await client.post(path, headers=cookie), 403, "CSRF_TOKEN_MISSING")
    assert (await client.post(path, headers=cookie | {"X-CSRF-Token": "c5rf"})).status == 200


async def test_logout() -> None:
    async with harness() as open_house:
        client, ended = open_house.client, open_house.accounts.ended
        path = "/api/v1/auth/logout"
        response = await client.post(path, headers=bearer(Role.USER))
        assert (response.status, ended.pop()) == (204, "s1")
        assert {(name, morsel.value, morsel["max-age"]) for name, morsel in cookies(response).items()} == {
            ("accessToken", "", "0"),
            ("refreshToken", "", "0"),
            ("csrf-token", "", "0"),
        }
        response = await client.post(path, json={"refreshToken": "again"})  # the access token has run out
        assert (response.status, ended.pop()) == (204, "again")
        both = {"Cookie": "accessToken=USER; refreshToken=again; csrf-token=c5rf"}
        await refused(await client.post(path, headers=both), 403, "CSRF_TOKEN_MISSING")
        left = {"Cookie": "accessToken=old; refreshToken=again; csrf-token=c5rf"}
        await refused(await client.post(path, headers=left), 403, "CSRF_TOKEN_MISSING")
        assert not ended
        response = await client.post(path, headers=left | {"X-CSRF-Token": "c5rf"})
        assert (response.status, ended.pop()) == (204, "again")


async def test_me_and_sessions_routes(client: Client) -> None:
    assert (await (await client.get("/api/v1/auth/me", headers=bearer(Role.USER))).json())["username"] == "a"
    assert (await client.get("/api/v1/users/me", headers={"Cookie": "accessToken=USER"})).status == 200
    await refused(await client.get("/api/v1/auth/me"), 401, "AUTH_REQUIRED", "No token provided")
    response = await client.delete("/api/v1/auth/sessions/gone", headers=bearer(Role.USER))
    await refused(response, 404, "NOT_FOUND", "There is no such session")


# --- products and streams --------------------------------------------------------------------------------------------


async def test_product_routes(client: Client) -> None:
    body = {"streamKey": "demo", "name": " Cup ", "price": "12.50", "stock": 3}
    response = await client.post("/api/v1/products", json=body, headers=bearer(Role.ADMIN))
    assert response.status == 201
    product = await response.json()
    assert (product["name"], product["price"], product["originalPrice"]) == ("Cup", 12.5, None)
    await refused(await client.post("/api/v1/products", json=body, headers=bearer(Role.USER)), 403, "FORBIDDEN")
    await refused(await client.post("/api/v1/products", json=body), 401, "AUTH_REQUIRED")
    page = await (await client.get("/api/v1/products?search=컵")).json()
    assert page == {"items": [], "nextCursor": "컵"}
    response = await client.patch("/api/v1/products/p1", json={"version": 1}, headers=bearer(Role.ADMIN))
    assert await refused(response, 409, "CONFLICT") == {"version": 2}
    assert (await client.delete("/api/v1/products/p1", headers=bearer(Role.ADMIN))).status == 204
    await refused(await client.delete("/api/v1/products/p2", headers=bearer(Role.ADMIN)), 404, "NOT_FOUND")


@pytest.mark.parametrize("key", ["active", "upcoming"])
async def test_a_stream_key_cannot_be_the_path_of_a_list(client: Client, key: str) -> None:
    response = await client.post("/api/v1/streams", json={"title": "x", "key": key}, headers=bearer(Role.HOST))
    await refused(response, 409, "CONFLICT")


# --- documents -------------------------------------------------------------------------------------------------------


async def test_the_documents_are_served_where_they_are_switched_on(client: Client) -> None:
    openapi = await (await client.get("/api/docs/openapi.json")).json()
    assert "/api/v1/products/{id}/stock" in openapi["paths"]
    asyncapi = await (await client.get("/api/docs/asyncapi.json")).json()
    assert asyncapi == {"asyncapi": openapi["info"]["version"]}
    assert await (await client.get("/api/docs/config.json")).json() == {"try": True, "seeds": True}
    async with harness(docs_try=False) as shown:
        assert await (await shown.client.get("/api/docs/config.json")).json() == {"try": False, "seeds": True}
    async with harness(app_env="production", docs_enabled=True) as open_house:
        assert (await open_house.client.get("/api/docs/openapi.json")).status == 200
        assert await (await open_house.client.get("/api/docs/config.json")).json() == {"try": False, "seeds": False}
    for off in ({"app_env": "production"}, {"docs_enabled": False}):
        async with harness(**off) as strict:
            for name in ("", "/", "/openapi.json", "/asyncapi.json", "/main.js", "/style.css", "/guide/", "/console"):
                await refused(await strict.client.get(f"/api/docs{name}"), 404, "NOT_FOUND")


@pytest.mark.parametrize("path", ["", "/console", "/http", "/guide/", "/guide/quickstart", "/guide/quickstart.ko"])
async def test_the_pages_of_the_documents_load_no_foreign_files(client: Client, path: str) -> None:
    page = await client.get(f"/api/docs{path}")
    text = await page.text()
    assert (page.status, page.content_type) == (200, "text/html")
    assert page.headers["Content-Security-Policy"] == POLICY
    loaded = re.findall(r'(?:<link|<script|<img)[^>]* (?:src|href)="([^"]+)"', text)
    assert [address for address in loaded if not address.startswith(("/api/docs/", "data:,"))] == []
    for address in loaded:
        if address.startswith("/"):
            asset = await client.get(address)
            assert (asset.status, asset.headers["Content-Security-Policy"]) == (200, POLICY), address


async def test_only_named_files_of_the_documents_are_served(client: Client) -> None:
    for name in ("main.js", "dom.js", "shape.js", "copy.js", "guide.js", "console.js", "http.js", "style.css"):
        asset = await client.get(f"/api/docs/{name}")
        assert asset.status == 200
        assert re.findall(r"https?://|url\(", await asset.text()) == []
    for name in ("index.html", "nothing.js", "..%2fmain.js", "Main.js", "guide/nothing", "guide/..%2findex", "guide"):
        await refused(await client.get(f"/api/docs/{name}"), 404, "NOT_FOUND")


# --- odd requests ----------------------------------------------------------------------------------------------------


EXPECTING = b"GET /api/v1/health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: nonsense\r\n\r\n"


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 20 + b"\r\n\r\n", 400),
        (EXPECTING, 417),
    ],
)
async def test_invalid_http_is_answered_without_a_traceback(
    request_bytes: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    runner = web.AppRunner(mounted(Node(), Accounts()))
    await runner.setup()
    assert runner.server is not None
    factory = partial(connections(runner.server), lambda: None)
    listener = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*listener.sockets[0].getsockname())
    writer.write(request_bytes)
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    listener.close()
    await runner.cleanup()
    assert int(head.split()[1]) == status
    assert b"aiohttp" not in head
    assert (json.loads(body)["statusCode"], json.loads(body)["errorCode"]) == (status, "INVALID_PAYLOAD")
    assert not caplog.records


PATHS = ("/auth/login", "/auth/refresh", "/auth/logout", "/products", "/products/p1", "/streams", "/users/me")
WORDS = st.sampled_from(["email", "password", "refreshToken", "price", "name", "stock", "streamKey", "images", "title"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(WORDS, children, max_size=3),
    max_leaves=5,
)
BODIES = st.binary(max_size=50) | st.dictionaries(WORDS, VALUES).map(lambda body: json.dumps(body).encode())


@given(st.sampled_from(PATHS), st.sampled_from(["POST", "PATCH", "DELETE", "PUT"]), BODIES)
@hypothesis_settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
async def test_random_bodies_cause_no_internal_error(client: Client, path: str, method: str, body: bytes) -> None:
    headers = bearer(Role.ADMIN) | {"Content-Type": "application/json"}
    response = await client.request(method, f"/api/v1{path}", data=body, headers=headers)
    if response.status >= 400:
        assert response.status < 500
        assert (await response.json())["statusCode"] == response.status
