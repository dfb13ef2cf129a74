"""HTTP while Redis is away: what needs PostgreSQL alone is served, the rest is answered 503 with Retry-After."""

from typing import Any

import aiohttp

from tests.cluster.conftest import OpenFaultyCluster
from tests.cluster.shop import PASSWORD, Person, Shop
from tests.timing import time_limit, until


class Caller:
    """Somebody with a token who asks one node."""

    def __init__(self, shop: Shop, token: str | None) -> None:
        self._shop = shop
        self._token = token

    async def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        async with time_limit(3):  # the first caller waits for the time-out of Redis, the others do not
            return await self._shop.request(
                method, path, body=body, token=self._token, status={status}, headers=headers or None
            )


async def login(shop: Shop, person: Person) -> dict[str, Any]:
    body = {"email": person.email, "password": PASSWORD}
    session: dict[str, Any] = await shop.request("POST", "/auth/login", body=body, status={200})
    return session


async def refused(shop: Shop, path: str, *, token: str | None = None, **body: Any) -> None:
    """Ask what Redis is needed for: 503, with when to come again."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(f"{shop.urls[0]}/api/v1{path}", json=body) as answer,
    ):
        told = await answer.json()
        assert (answer.status, told["errorCode"], told["retryable"]) == (503, "SERVICE_UNAVAILABLE", True)
        assert int(answer.headers["Retry-After"]) >= 1


async def test_what_postgresql_keeps_is_served(open_faulty_cluster: OpenFaultyCluster) -> None:
    async with open_faulty_cluster(1) as cluster:
        shop = cluster.shop
        ann, staff = await shop.person(), await shop.person("ADMIN")
        key, over = await shop.stream(), await shop.stream()
        product = await shop.product(key, stock=10)
        for step in ("start", "stop"):
            await shop.request("POST", f"/streams/{over}/{step}", token=staff.token, status={200})
        cluster.redis.kill()
        member, admin, nobody = Caller(shop, ann.token), Caller(shop, staff.token), Caller(shop, None)

        # Orders: placed once, paid, cancelled, listed; the stock agrees.
        items = {"items": [{"productId": product["id"], "quantity": 1}]}
        orders = [await member("POST", "/orders", items, status=201) for _ in range(3)]
        again = {"Idempotency-Key": "once"}
        first = await member("POST", "/orders", items, status=201, **again)
        assert (await member("POST", "/orders", items, status=201, **again))["id"] == first["id"]
        assert (await admin("POST", f"/orders/{orders[0]['id']}/paid"))["status"] == "PAID"
        assert (await member("DELETE", f"/orders/{orders[1]['id']}"))["status"] == "CANCELLED"
        assert len((await member("GET", "/orders"))["items"]) == 4
        assert (await nobody("GET", f"/products/{product['id']}"))["stock"] == 7

        # Jobs: rows, which a worker finds by itself when Redis is back.
        ask = {"kind": "replay", "streamKey": over, "source": "a.mp4"}
        jobs = [await admin("POST", "/jobs", ask, status=202) for _ in range(2)]
        assert (await admin("DELETE", f"/jobs/{jobs[0]['id']}"))["status"] == "CANCELLED"
        assert {job["id"] for job in (await admin("GET", "/jobs"))["items"]} == {job["id"] for job in jobs}

        # Streams, products, people, moderation, notifications.
        await admin("POST", "/streams", {"title": "new", "key": "new"}, status=201)
        await admin("POST", "/streams/new/start")
        await admin("PATCH", f"/products/{product['id']}", {"price": 12})
        await admin("PUT", f"/streams/{key}/featured-product", {"productId": product["id"]})
        assert (await nobody("GET", f"/products?streamKey={key}"))["items"][0]["price"] == 12
        assert "new" in {stream["key"] for stream in (await nobody("GET", "/streams"))["items"]}
        assert (await member("GET", "/auth/me"))["id"] == ann.id
        assert (await member("PATCH", "/users/me", {"username": f"{ann.username}x"}))["username"].endswith("x")
        await admin("POST", "/notifications", {"userId": ann.id, "title": "Hello", "message": "there"}, status=201)
        assert (await member("GET", "/notifications"))["items"][0]["title"] == "Hello"
        await admin("GET", "/moderation/sanctions")
        guest = await nobody("POST", "/auth/guest", {})
        assert (await Caller(shop, guest["accessToken"])("GET", "/auth/me"))["role"] == "GUEST"
        assert cluster.tracebacks() == []


async def test_what_needs_sessions_says_to_come_again(open_faulty_cluster: OpenFaultyCluster) -> None:
    """A logout that was answered 503 holds all the same once Redis is back, and a session that was refused is whole."""
    async with open_faulty_cluster(1) as cluster:
        shop = cluster.shop
        ann, bob = await shop.person(), await shop.person()
        stays, leaves = await login(shop, ann), await login(shop, bob)
        cluster.redis.kill()
        await refused(shop, "/auth/login", email=ann.email, password=PASSWORD)
        await refused(shop, "/auth/refresh", refreshToken=stays["refreshToken"])
        await refused(shop, "/auth/logout", token=leaves["accessToken"], refreshToken=leaves["refreshToken"])
        await Caller(shop, leaves["accessToken"])("GET", "/auth/me", status=401)  # by PostgreSQL
        cluster.redis.start()

        async def serves() -> bool:
            answer = await shop.request(
                "POST", "/auth/refresh", body={"refreshToken": stays["refreshToken"]}, status={200, 503}
            )
            return "accessToken" in answer

        await until(serves)
        await Caller(shop, leaves["accessToken"])("GET", "/auth/me", status=401)
        await Caller(shop, None)("POST", "/auth/refresh", {"refreshToken": leaves["refreshToken"]}, status=401)
        assert cluster.tracebacks() == []
