"""HTTP against a real node with a real PostgreSQL and Redis: people come and go, streams run, products are sold."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.conftest import StartNode
from tests.http_edge import refused


class Visitor:
    """A client of the API, with or without a token."""

    def __init__(self, http: aiohttp.ClientSession, url: str, token: str | None = None) -> None:
        self._http = http
        self.url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def known_by(self, token: str) -> "Visitor":
        """Return the same client with a token."""
        return Visitor(self._http, self.url, token)

    async def ask(self, method: str, path: str, body: Any = None) -> aiohttp.ClientResponse:
        """One request under /api/v1."""
        return await self._http.request(method, f"{self.url}/api/v1{path}", json=body, headers=self._headers)

    async def get(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        """Return the JSON of the answer to a request that must succeed."""
        response = await self.ask(method, path, body)
        text = await response.text()
        assert response.status == status, f"{method} {path}: {response.status} {text}"
        return await response.json() if text else None


@pytest.fixture
async def visitor(start_node: StartNode) -> AsyncIterator[Visitor]:
    node = await start_node()
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield Visitor(http, node.url)
    assert "Traceback" not in node.logs


@pytest.fixture
async def admin(visitor: Visitor, database_url: str) -> Visitor:
    """Return an ADMIN: registered as everybody, promoted in the database."""
    session = await register(visitor, "colin")
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE users SET role = 'ADMIN' WHERE email = 'colin@example.com'")
    await connection.close()
    return visitor.known_by(session["accessToken"])


async def register(visitor: Visitor, name: str) -> Any:
    body = {"email": f"{name}@example.com", "username": name, "password": "correct horse"}
    return await visitor.get("POST", "/auth/register", body, status=201)


async def test_register_refresh_and_logout(visitor: Visitor) -> None:
    session = await register(visitor, "ann")
    body = {"email": "ann@example.com", "password": "correct horse"}
    await refused(await visitor.ask("POST", "/auth/register", body | {"username": "ann"}), 409, "CONFLICT")
    await refused(await visitor.ask("POST", "/auth/login", body | {"password": "x"}), 401, "AUTH_REQUIRED")
    again = await visitor.get("POST", "/auth/login", body)
    ann = visitor.known_by(again["accessToken"])
    me = await ann.get("GET", "/auth/me")
    assert (me["username"], me["role"], me["status"]) == ("ann", "USER", "ACTIVE")
    assert await ann.get("PATCH", "/users/me", {"username": "Ann"}) == me | {"username": "Ann"}

    refreshed = await visitor.get("POST", "/auth/refresh", {"refreshToken": again["refreshToken"]})
    assert refreshed["refreshToken"] != again["refreshToken"]
    sessions = (await ann.get("GET", "/auth/sessions"))["items"]
    assert sorted(session["current"] for session in sessions) == [False, True]
    other = next(session["id"] for session in sessions if not session["current"])
    await ann.get("DELETE", f"/auth/sessions/{other}", status=204)
    first = visitor.known_by(session["accessToken"])
    await refused(await first.ask("GET", "/auth/me"), 401, "TOKEN_REVOKED", "Token has been revoked")

    await ann.get("POST", "/auth/logout", status=204)
    await refused(await ann.ask("GET", "/auth/me"), 401, "TOKEN_REVOKED")
    response = await visitor.ask("POST", "/auth/refresh", {"refreshToken": refreshed["refreshToken"]})
    assert response.status == 401


async def test_administrators_list_users_newest_first(visitor: Visitor, admin: Visitor) -> None:
    people = [(await register(visitor, name))["user"] for name in ("ann", "bob", "cat")]
    everybody = (await admin.get("GET", "/users"))["items"]
    assert [user["username"] for user in everybody] == ["cat", "bob", "ann", "colin"]
    assert everybody[:3] == people[::-1]
    assert set(everybody[0]) == {"id", "email", "username", "role", "status", "createdAt"}

    names, cursor = [], ""
    while True:
        page = await admin.get("GET", f"/users?limit=1{cursor}")
        names += [user["username"] for user in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert names == ["cat", "bob", "ann", "colin"]

    await admin.get("POST", f"/users/{people[1]['id']}/suspend", {"reason": "rude"})
    found = {
        "role=ADMIN": ["colin"],
        "status=SUSPENDED": ["bob"],
        "role=USER&status=ACTIVE": ["cat", "ann"],
        "search=AT": ["cat"],
        "search=n%40EXAMPLE": ["ann", "colin"],
        "search=%25": [],
        "search=_": [],
        "search=%5C": [],
    }
    for query, expected in found.items():
        assert [user["username"] for user in (await admin.get("GET", f"/users?{query}"))["items"]] == expected, query
    for query in ("role=GUEST", "status=x", "limit=0", "cursor=x", f"cursor={forged('2026-01-01T00:00:00Z', 'x')}"):
        await refused(await admin.ask("GET", f"/users?{query}"), 400, "INVALID_PAYLOAD")
    await refused(await visitor.ask("GET", "/users"), 401, "AUTH_REQUIRED")
    body = {"email": "ann@example.com", "password": "correct horse"}
    ann = visitor.known_by((await visitor.get("POST", "/auth/login", body))["accessToken"])
    await refused(await ann.ask("GET", "/users"), 403, "FORBIDDEN")


async def test_other_services_verify_our_tokens_with_the_public_keys(start_node: StartNode) -> None:
    private = Ed25519PrivateKey.generate()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    node = await start_node(JWT_PRIVATE_KEY=pem)
    async with aiohttp.ClientSession() as http:
        visitor = Visitor(http, node.url)
        result = await visitor.get("GET", "/auth/keys")
        session = await register(visitor, "ann")
    [key] = jwt.PyJWKSet.from_dict(result).keys
    assert "d" not in result["keys"][0]
    assert jwt.get_unverified_header(session["accessToken"])["kid"] == key.key_id
    claims = jwt.decode(session["accessToken"], key, ["EdDSA"], audience="dorami-clients", issuer="dorami")
    assert claims["sub"] == session["user"]["id"]


async def test_stream_lifecycle(visitor: Visitor, admin: Visitor) -> None:
    made = await admin.get("POST", "/streams", {"title": "Cups", "key": "cups"}, status=201)
    assert (made["key"], made["status"]) == ("cups", "SCHEDULED")
    assert await visitor.get("GET", "/streams/cups") == made
    await refused(await admin.ask("POST", "/streams", {"title": "Cups", "key": "cups"}), 409, "CONFLICT")
    soon = {"title": "Soon", "scheduledAt": "2030-01-01T00:00:00Z"}
    assert (await admin.get("POST", "/streams", soon, status=201))["scheduledAt"] == "2030-01-01T00:00:00.000Z"
    await refused(await visitor.ask("POST", "/streams", {"title": "x"}), 401, "AUTH_REQUIRED")
    for path in ("/streams/none", "/products?streamKey=none&cursor=nonsense", "/products/none"):
        assert (await visitor.ask("GET", path)).status in {400, 404}, path

    started = await admin.get("POST", "/streams/cups/start")
    assert started["status"] == "LIVE"
    assert [stream["key"] for stream in (await visitor.get("GET", "/streams/active"))["streams"]] == ["cups"]
    assert (await visitor.get("GET", "/streams?status=LIVE"))["items"] == [started]
    assert [stream["title"] for stream in (await visitor.get("GET", "/streams/upcoming"))["streams"]] == ["Soon"]
    assert (await admin.get("POST", "/streams/cups/stop"))["status"] == "ENDED"


async def test_product_lifecycle(visitor: Visitor, admin: Visitor) -> None:
    await admin.get("POST", "/streams", {"title": "Cups", "key": "cups"}, status=201)
    body = {"streamKey": "cups", "name": "Cup", "price": "12.50", "stock": 2}
    cup = await admin.get("POST", "/products", body, status=201)
    assert (cup["price"], cup["stock"], cup["status"], cup["version"]) == (12.5, 2, "AVAILABLE", 1)
    await refused(await admin.ask("POST", "/products", body | {"streamKey": "none"}), 404, "NOT_FOUND")

    path = f"/products/{cup['id']}"
    dearer = await admin.get("PATCH", path, {"price": 15, "version": 1})
    assert (dearer["price"], dearer["version"]) == (15, 2)
    await refused(await admin.ask("PATCH", path, {"price": 16, "version": 1}), 409, "CONFLICT")
    assert (await admin.get("PATCH", f"{path}/stock", {"change": -1}))["stock"] == 1
    await refused(await admin.ask("PATCH", f"{path}/stock", {"change": -2}), 409, "INSUFFICIENT_STOCK")
    await refused(await admin.ask("PATCH", f"{path}/stock", {}), 400, "INVALID_PAYLOAD")
    gone = await admin.get("PATCH", f"{path}/sold-out")
    assert (gone["stock"], gone["status"]) == (0, "SOLD_OUT")
    assert await visitor.get("GET", path) == gone

    await asyncio.gather(*(admin.get("POST", "/products", body | {"name": f"Mug {i}"}, status=201) for i in range(4)))
    names, cursor = [], ""
    while True:
        page = await visitor.get("GET", f"/products?streamKey=cups&limit=2{cursor}")
        assert len(page["items"]) <= 2
        names += [product["name"] for product in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert sorted(names) == ["Cup", "Mug 0", "Mug 1", "Mug 2", "Mug 3"]
    found = await visitor.get("GET", "/products?search=mug&status=AVAILABLE&limit=100")
    assert len(found["items"]) == 4
    assert (await visitor.get("GET", "/products?status=SOLD_OUT"))["items"] == [gone]
    assert (await visitor.ask("GET", "/products?search=%25%27%5C_")).status == 200

    await admin.get("DELETE", path, status=204)
    await refused(await visitor.ask("GET", path), 404, "NOT_FOUND")
    await refused(await admin.ask("DELETE", path), 404, "NOT_FOUND")


async def test_the_listening_socket_answers_random_bytes(visitor: Visitor) -> None:
    ready = await visitor.get("GET", "/health/ready")
    assert (ready["status"], ready["error"]) == ("ok", {})
    assert {"database": {"status": "up"}, "redis": {"status": "up"}}.items() <= ready["info"].items()
    url = urlsplit(visitor.url)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    writer.write(b"nonsense\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert b" 400 " in head
    assert b"aiohttp" not in head
    assert json.loads(body)["errorCode"] == "INVALID_PAYLOAD"


def forged(*place: Any) -> str:
    """Return a cursor that we never gave."""
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


FORGED = [
    "x",
    "____",
    forged(),
    forged("2026-01-01T00:00:00Z", "a\0b"),
    forged("2026-01-01T00:00:00", "naive"),
    forged("0001-01-01T00:00:00+23:59", "early"),
    forged("9999-12-31T23:59:59-23:59", "late"),
    forged(2**70, 2**70),
    forged(0, -(2**63) - 1),
    forged(0, "1"),
    forged(1e308, 1),
    forged([1], {"a": 1}),
]


async def test_hostile_requests_are_refused(visitor: Visitor, admin: Visitor) -> None:
    """Values that fit a shape and that a database or a calendar might choke on."""
    for path in ("/streams", "/products"):
        for cursor in FORGED:
            assert (await visitor.ask("GET", f"{path}?cursor={cursor}")).status in {200, 400}, (path, cursor)
    for product_id in ("0", "-1", str(2**63), "9" * 64, "1_0", "x"):
        for method, path, body in (
            ("GET", "", None),
            ("DELETE", "", None),
            ("PATCH", "", {"name": "x"}),
            ("PATCH", "/stock", {"change": -1}),
            ("PATCH", "/sold-out", None),
        ):
            await refused(await admin.ask(method, f"/products/{product_id}{path}", body), 404, "NOT_FOUND")
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z"):
        answer = await admin.ask("POST", "/streams", {"title": "x", "scheduledAt": moment})
        assert answer.status in {201, 400}, (moment, await answer.text())
    await admin.get("POST", "/streams", {"title": "x", "key": "odd"}, status=201)
    for fields in (
        {"name": "\u202e\u0001 \U0001f600"},
        {"price": "1e-1", "images": ["/a\u00a0b"]},
        {"price": 99999999.99, "discountRate": 100, "sortOrder": -1_000_000},
        {"price": 0.1 + 0.2},
        {"stock": 10**9},
        {"imageUrl": "https://" + "x" * 2000},
    ):
        product = {"streamKey": "odd", "name": "x", "price": 1, "stock": 1} | fields
        answer = await admin.ask("POST", "/products", product)
        assert answer.status in {201, 400}, (fields, await answer.text())
    for user_id in ("x", "0", "00000000-0000-0000-0000-000000000000"):
        await refused(await admin.ask("GET", f"/users/{user_id}"), 404, "NOT_FOUND")
