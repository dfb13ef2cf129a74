"""What the contract tests act with: two nodes, the official client, and people, streams and products as needed."""

import asyncio
import itertools
import json
import re
import secrets
import time
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import argon2
import asyncpg
import jwt

from gateway.security.principal import Role
from gateway.security.tokens.tokens import Tokens
from tests.client.client import Client
from tests.client.socket import ClientSocket
from tests.support import Node, make_settings
from tests.timing import allowed

CONNECT_TIMEOUT = (
    2  # seconds of the nodes' setting of that name, shorter than the default so that a test can wait for it
)
PASSWORD = "correct horse battery"

COMPLAINT = re.compile(r"\[(error|critical) *\]|Traceback|was (never|destroyed)")

# Cheap on purpose: a test's password protects nothing.
_HASH = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Person:
    """A user or a guest, with a good access token."""

    id: str
    username: str
    email: str
    role: str
    token: str


class Shop:
    """The domain in words. Every person and stream is fresh, so that no test meets the limits of another."""

    def __init__(self, nodes: Sequence[Node], client: Client, http: aiohttp.ClientSession, database: Any) -> None:
        self.nodes = list(nodes)
        self.client = client
        self._settings = make_settings()
        self._tokens = Tokens(self._settings)
        self._http = http
        self._database = database
        self._owner: Person | None = None
        self._owned = 0

    @property
    def urls(self) -> list[str]:
        """Where the nodes serve."""
        return [node.url for node in self.nodes]

    # --- people ----------------------------------------------------------------------------------------------------

    async def person(self, role: str = "USER", *, status: str = "ACTIVE") -> Person:
        """Return a fresh user."""
        number = next(_numbers)
        username, email = f"person{number}-{secrets.token_hex(3)}", f"person{number}-{secrets.token_hex(3)}@example.com"
        user_id = await self._database.fetchval(
            "INSERT INTO users (id, email, username, password_hash, role, status, suspended_reason, created_at, "
            "updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, now(), now()) RETURNING id",
            uuid.uuid4(),
            email,
            username,
            _HASH,
            role,
            status,
            "rude" if status == "SUSPENDED" else None,
        )
        return self._known(str(user_id), username, email, role)

    async def clients(self, count: int) -> list[Person]:
        """Fresh members, all at once."""
        names = [f"member{next(_numbers)}-{secrets.token_hex(3)}" for _ in range(count)]
        ids = [uuid.uuid4() for _ in names]
        await self._database.execute(
            "INSERT INTO users (id, email, username, password_hash, role, status, created_at, updated_at) "
            "SELECT id, name || '@example.com', name, $3, 'USER', 'ACTIVE', now(), now() "
            "FROM unnest($1::uuid[], $2::text[]) AS member (id, name)",
            ids,
            names,
            _HASH,
        )
        return [
            self._known(str(id_), name, f"{name}@example.com", "USER") for id_, name in zip(ids, names, strict=True)
        ]

    def guest(self) -> Person:
        """Return a fresh guest."""
        number = next(_numbers)
        return self._known(f"guest-{secrets.token_hex(8)}", f"guest{number}", "", "GUEST")

    def _known(self, user_id: str, username: str, email: str, role: str) -> Person:
        token = self._tokens.issue_access(user_id, Role(role), secrets.token_hex(8))
        return Person(user_id, username, email, role, token)

    def token(self, person: Person, *, secret: str | None = None, **claims: Any) -> str:
        """Return a token of a person with some claims changed, signed with our secret or another."""
        key = self._settings.jwt_secret.get_secret_value()
        payload = jwt.decode(person.token, options={"verify_signature": False}) | {"jti": secrets.token_hex(8)} | claims
        return jwt.encode(payload, secret or key, "HS256", headers=jwt.get_unverified_header(person.token))

    def unsigned(self, person: Person) -> str:
        """Return a person's token with the algorithm `none`."""
        payload = jwt.decode(person.token, options={"verify_signature": False})
        header = {"kid": jwt.get_unverified_header(person.token)["kid"]}
        return jwt.encode(payload, "", "none", headers=header)

    async def login(self, person: Person) -> str:
        """Log in over HTTP, as a client does: a token of a session of its own."""
        body = {"email": person.email, "password": PASSWORD}
        token: str = (await self.request("POST", "/auth/login", body=body, status={200}))["accessToken"]
        return token

    # --- sockets ---------------------------------------------------------------------------------------------------

    async def connect(self, person: Person, namespace: str, *, node: int = 0, **how: Any) -> ClientSocket:
        """Return a connected socket of a person."""
        return await self.client.connect(self.urls[node], namespace, token=person.token, **how)

    async def office(self, admin: Person, *, node: int = 0) -> ClientSocket:
        """Return a socket of an administrator that gets orders and jobs: a node answers a connect before that."""
        socket = await self.connect(admin, "/", node=node)
        await socket.call("join:orders")
        return socket

    async def chatter(self, key: str, *, as_: Person | None = None, **how: Any) -> ClientSocket:
        """Return a socket in the chat of a stream, of a person or of somebody."""
        socket = await self.connect(as_ or await self.person(), "/chat", **how)
        await socket.call("chat:join-room", {"liveId": key})
        return socket

    async def viewer(self, key: str, *, as_: Person | None = None, **how: Any) -> ClientSocket:
        """Return a socket that watches a stream, of a person or of somebody."""
        socket = await self.connect(as_ or await self.person(), "/streaming", **how)
        await socket.call("stream:viewer:join", {"streamKey": key})
        return socket

    async def settles(self, key: str, members: int, *, node: int = 0, within: float = 3.0) -> None:
        """Wait until the chat room has so many members."""
        probe = await self.connect(self.guest(), "/chat", node=node)
        counts, ends = [], time.monotonic() + allowed(within)
        pauses = itertools.chain((0.05, 0.1, 0.2, 0.4), itertools.repeat(0.8))
        for pause in pauses:
            counts.append((await probe.call("chat:join-room", {"liveId": key}))["members"] - 1)
            if counts[-1] == members:
                await probe.disconnect()
                return
            assert time.monotonic() < ends, f"the room counts {counts}, not {members}"
            await asyncio.sleep(pause)  # between two looks

    # --- HTTP ------------------------------------------------------------------------------------------------------

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        token: str | None = None,
        node: int = 0,
        status: set[int],
        headers: dict[str, str] | None = None,
    ) -> Any:
        """One request under /api/v1; the JSON of its answer."""
        headers = (headers or {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        url = f"{self.urls[node]}/api/v1{path}"
        async with self._http.request(method, url, json=body, headers=headers) as response:
            text = await response.text()
            assert response.status in status, f"{method} {path}: {response.status} {text}"
            return json.loads(text) if text else None

    async def owner(self) -> Person:
        """Return an admin for the next change; another one before any reaches the limit of a route."""
        if self._owner is None or self._owned % 50 == 0:
            self._owner = await self.person("ADMIN")
        self._owned += 1
        return self._owner

    async def stream(self) -> str:
        """Return a fresh stream; its key."""
        key = f"s-{next(_numbers)}-{secrets.token_hex(4)}"
        token = (await self.owner()).token
        stream = await self.request(
            "POST",
            "/streams",
            body={"title": key, "key": key, "ordersWhenNotLive": True},
            token=token,
            status={200, 201},
        )
        assert stream["key"] == key
        return key

    async def product(self, key: str, **fields: Any) -> dict[str, Any]:
        """Return a fresh product of a stream."""
        body = {"streamKey": key, "name": f"product {next(_numbers)}", "price": 10, "stock": 100} | fields
        token = (await self.owner()).token
        product: dict[str, Any] = await self.request("POST", "/products", body=body, token=token, status={200, 201})
        return product

    async def change(self, product: dict[str, Any], *, node: int = 0, **fields: Any) -> dict[str, Any]:
        """Change fields of a product; the product as it is then."""
        token = (await self.owner()).token
        changed: dict[str, Any] = await self.request(
            "PATCH", f"/products/{product['id']}", body=fields, token=token, node=node, status={200}
        )
        return changed

    async def take_one(self, product: dict[str, Any], *, node: int = 0) -> bool:
        """Take one of a product's stock; False when there was none."""
        token = (await self.owner()).token
        path = f"/products/{product['id']}/stock"
        answer = await self.request("PATCH", path, body={"change": -1}, token=token, node=node, status={200, 409})
        return "errorCode" not in answer

    async def buy(
        self,
        who: Person,
        *items: dict[str, Any] | tuple[dict[str, Any], int],
        key: str | None = None,
        node: int = 0,
        status: int = 201,
    ) -> dict[str, Any]:
        """Order some products, one of each or so many; the answer."""
        lines = [item if isinstance(item, tuple) else (item, 1) for item in items]
        body = {"items": [{"productId": product["id"], "quantity": quantity} for product, quantity in lines]}
        headers = {"Idempotency-Key": key} if key else {}
        answer: dict[str, Any] = await self.request(
            "POST", "/orders", body=body, token=who.token, node=node, status={status}, headers=headers
        )
        return answer

    async def delete(self, product: dict[str, Any]) -> None:
        """Delete a product."""
        token = (await self.owner()).token
        await self.request("DELETE", f"/products/{product['id']}", token=token, status={200, 204})

    async def sockets(self, node: int = 0) -> int:
        """How many sockets a node believes to have, as its metrics say."""
        async with self._http.get(f"{self.urls[node]}/metrics") as response:
            lines = (await response.text()).splitlines()
        return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("dorami_sockets"))

    # --- logs ---------------------------------------------------------------------------------------------------------

    def complaints(self, node: int) -> list[str]:
        """Return the log lines of a node that an operator would have to look at."""
        return [line for line in self.nodes[node].logs.splitlines() if COMPLAINT.search(line)]


@asynccontextmanager
async def open_shop(
    client: Client,
    folder: Path,
    database_url: str,
    redis_url: str,
    *,
    size: int = 2,
    each: Sequence[dict[str, str]] = (),
    **environment: str,
) -> AsyncIterator[Shop]:
    """Start nodes, two by default, on a database and a Redis, and stop those that still run.

    `each` is what the environments of the nodes differ in.
    """
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, "CONNECT_TIMEOUT": f"{CONNECT_TIMEOUT}s"}
    nodes = [Node(folder, **(servers | environment | own)) for own in each or [{}] * size]
    try:
        # All have started or failed before any is stopped.
        for failed in await asyncio.gather(*(node.start() for node in nodes), return_exceptions=True):
            if failed is not None:
                raise failed
        async with (
            aiohttp.ClientSession() as http,
            asyncpg.create_pool(database_url, min_size=1, max_size=2) as database,
        ):
            yield Shop(nodes, client, http, database)
    finally:
        client.forget_all()
        await asyncio.gather(*(node.stop() for node in nodes if node.running))
