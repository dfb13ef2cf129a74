"""No secret is in the logs at DEBUG, the metrics or the errors after a run through everything."""

import hashlib
import json
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from gateway.dev.servers import RedisProcess
from gateway.metrics import Metrics
from gateway.redis.client import RedisClient as Connection
from tests.client.raw import PATH, raw_websocket
from tests.conftest import StartNode
from tests.support import make_settings

PASSWORD, NEW_PASSWORD, WRONG_PASSWORD = "correct horse battery", "new horse battery", "wrong horse battery"
METRICS_TOKEN = secrets.token_hex(16)
JWT_SECRET = secrets.token_hex(32)
ORIGIN = "https://shop.example"


class Run:
    """A visit to some nodes; it collects the secrets that must not be found, and the texts of errors."""

    def __init__(self, http: aiohttp.ClientSession, urls: list[str]) -> None:
        self._http = http
        self.urls = urls
        self.secrets = {PASSWORD, NEW_PASSWORD, WRONG_PASSWORD, JWT_SECRET, METRICS_TOKEN}
        self.published: list[str] = []

    def _mind(self, session: dict[str, Any]) -> None:
        access, refresh = session["accessToken"], session.get("refreshToken", "")
        self.secrets |= {access, *access.split(".")[1:], session.get("csrfToken") or access}
        if refresh:
            self.secrets |= {refresh, refresh.rpartition(".")[2], hashlib.sha256(refresh.encode()).hexdigest()}

    async def ask(self, method: str, path: str, body: Any = None, token: str = "", **headers: str) -> Any:
        """One request to every node in turn; what an error said is kept, the answer of the last one given."""
        answer = None
        for url in self.urls:
            given = headers | ({"Authorization": f"Bearer {token}"} if token else {})
            kept = {name.replace("_", "-"): value for name, value in given.items()}
            async with self._http.request(method, f"{url}{path}", json=body, headers=kept) as response:
                text = await response.text()
                if response.status >= 400:
                    self.published += [text, repr(response.headers)]
                elif text:
                    answer = json.loads(text)
                    if "accessToken" in answer:
                        self._mind(answer)
        return answer

    async def log_in(self, password: str) -> Any:
        """Return a session."""
        return await self.ask("POST", "/api/v1/auth/login", {"email": "ann@example.com", "password": password})


async def visit(run: Run, redis: Connection) -> None:
    """Everything that handles a secret, rightly and wrongly."""
    body = {"email": "ann@example.com", "username": "ann", "password": PASSWORD}
    await run.ask("POST", "/api/v1/auth/register", body)  # the second node says that there is one
    await run.ask("POST", "/api/v1/auth/register", body | {"email": PASSWORD})
    await run.ask("POST", "/api/v1/auth/login", {"email": "ann@example.com", "password": WRONG_PASSWORD})
    await run.ask("POST", "/api/v1/auth/login", {"email": PASSWORD, "password": [PASSWORD]})
    guest = await run.ask("POST", "/api/v1/auth/guest")

    # Refreshed, spent again after the grace, and by cookie without the CSRF token.
    session = await run.log_in(PASSWORD)
    access, refresh = session["accessToken"], session["refreshToken"]
    fresh = await run.ask("POST", "/api/v1/auth/refresh", {"refreshToken": refresh})
    async for key in redis.client.scan_iter("*salt*"):
        await redis.client.delete(key)
    await run.ask("POST", "/api/v1/auth/refresh", {"refreshToken": refresh})
    await run.ask("POST", "/api/v1/auth/refresh", Cookie=f"refreshToken={fresh['refreshToken']}")
    await run.ask("POST", "/api/v1/auth/logout-all", Cookie=f"accessToken={access}; csrf-token=x", X_CSRF_Token="y")

    # Tokens where none belongs.
    session = await run.log_in(PASSWORD)
    access = session["accessToken"]
    for path in (
        f"/api/v1/streams/{access}",
        f"/api/v1/none/{access}?token={access}",
        f"/api/v1/streams?token={access}",
    ):
        await run.ask("GET", path, token=access)
    await run.ask("PATCH", "/api/v1/users/me", {"username": access, "more": access}, token=access)
    await run.ask("GET", "/api/v1/auth/me", token=access[:-2] + "xx")
    await run.ask("GET", "/metrics", token=access)
    for forged in (access[:-2] + "xx", fresh["accessToken"], session["refreshToken"], guest["accessToken"]):
        await sockets(run, forged, access)
    change = {"currentPassword": WRONG_PASSWORD, "newPassword": NEW_PASSWORD}
    await run.ask("POST", "/api/v1/users/me/password", change, token=access)
    await run.ask("POST", "/api/v1/users/me/password", change | {"currentPassword": PASSWORD}, token=access)
    await run.log_in(NEW_PASSWORD)


async def sockets(run: Run, token: str, good: str) -> None:
    """Every way to give a token to a socket, and answers to what is wrong."""
    for url in run.urls:
        headers = {"Authorization": f"Bearer {token}", "Cookie": f"accessToken={token}", "Origin": ORIGIN}
        async with raw_websocket(url, **headers) as raw:
            await raw.send("40/chat,")
            run.published.append(await raw.until("4"))
        async with raw_websocket(url) as raw:
            await raw.send(f"40{json.dumps({'token': token})}")
            run.published.append(await raw.until("4"))
        async with raw_websocket(url) as raw:
            await raw.join("/chat", good)
            for payload in ({"token": token}, {"token": [token]}, {"token": good, "more": token}, token):
                run.published.append(json.dumps(await raw.answer(f'/chat,["auth:refresh",{json.dumps(payload)}]')))
            run.published.append(json.dumps(await raw.answer(f'/chat,["{token}",{{}}]')))
            await raw.send(f'42/chat,"{token}"')
            await raw.closed()
            run.published += [packet for packet in raw.received if packet.startswith("42")]
        run.published.append(await garbage(url, token))


async def garbage(url: str, token: str) -> str:
    """Send invalid HTTP with a token in it, and return the answer."""
    async with aiohttp.ClientSession() as http:
        for path in (f"{PATH}polling&token={token}", f"{PATH}{token}", f"{PATH}polling&sid={token[:30]}"):
            async with http.post(f"{url}{path}", data=token, headers={"X-Bad": token}) as response:
                published = await response.text()
    return published


async def test_no_secret_in_logs_metrics_or_errors(
    start_node: StartNode, database_url: str, own_redis: RedisProcess, tmp_path: Path
) -> None:
    settings = {
        "REDIS_URL": own_redis.url,
        "JWT_SECRET": JWT_SECRET,
        "METRICS_TOKEN": METRICS_TOKEN,
        "LOG_LEVEL": "DEBUG",
        "CORS_ORIGINS": ORIGIN,
    }
    nodes = [await start_node(APP_ENV=environment, **settings) for environment in ("development", "production")]
    redis = Connection(make_settings(redis_url=own_redis.url), Metrics())
    connection = await asyncpg.connect(database_url)
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        run = Run(http, [node.url for node in nodes])
        await visit(run, redis)
        session = await run.log_in(NEW_PASSWORD)
        own_redis.kill()
        await run.ask("POST", "/api/v1/auth/login", {"email": "ann@example.com", "password": NEW_PASSWORD})
        await run.ask("POST", "/api/v1/auth/refresh", {"refreshToken": session["refreshToken"]})
        await run.ask("GET", "/api/v1/auth/me", token=session["accessToken"])
        await sockets_refused(run, session["accessToken"])
        metrics = [
            await (await http.get(f"{url}/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"})).text()
            for url in run.urls
        ]
    run.secrets |= {row["password_hash"] for row in await connection.fetch("SELECT password_hash FROM users")}
    await connection.close()
    await redis.close()
    logs = [node.logs for node in nodes]
    assert all("connection closed" in log for log in logs), "not at their most talkative"
    assert all("dorami_http_seconds" in text for text in metrics)
    assert len(run.published) > 50
    for where, texts in (("logs", logs), ("metrics", metrics), ("errors", run.published)):
        for text in texts:
            for line in text.splitlines():
                assert not [secret for secret in run.secrets if secret in line], (where, line)


async def sockets_refused(run: Run, token: str) -> None:
    """Use a valid token while Redis is unavailable: refused at the handshake, or checked in PostgreSQL."""
    for url in run.urls:
        with suppress(aiohttp.WSServerHandshakeError):
            async with raw_websocket(url, Authorization=f"Bearer {token}") as raw:
                await raw.send(f"40{json.dumps({'token': token})}")
                run.published.append(await raw.until("4"))
        async with (
            aiohttp.ClientSession() as http,
            http.get(f"{url}{PATH}polling", headers={"Authorization": f"Bearer {token}"}) as response,
        ):
            run.published.append(await response.text())
