"""The wire contract of what commerce refuses: the status, the code and the form, for all roles and requests."""

from typing import Any, NamedTuple

import pytest

from tests.client.socket import FailedError
from tests.cluster.shop import Person, Shop

ERROR_FIELDS = {"statusCode", "errorCode", "message", "retryable", "requestId", "timestamp"}
STREAM_FIELDS = {
    *("key", "title", "description", "hostId", "status", "scheduledAt", "startedAt", "endedAt"),
    *("closesAt", "ordersWhenNotLive", "peakViewers", "totalViewers", "createdAt"),
}
CODES = {
    "AUTH_REQUIRED": 401, "FORBIDDEN": 403, "NOT_FOUND": 404, "INVALID_PAYLOAD": 400, "CONFLICT": 409,
    "INSUFFICIENT_STOCK": 409,
}  # fmt: skip
NOBODY = "00000000-0000-4000-8000-000000000000"


class Wrong(NamedTuple):
    """A request that is refused."""

    who: Person | None
    method: str
    path: str
    code: str
    body: Any = None


async def refuse(shop: Shop, *requests: Wrong) -> None:
    for number, (who, method, path, code, body) in enumerate(requests):
        token = who.token if who else None
        answer = await shop.request(method, path, body=body, token=token, node=number % 2, status={CODES[code]})
        assert answer["errorCode"] == code, (method, path, body, answer)
        assert ERROR_FIELDS <= set(answer) <= {*ERROR_FIELDS, "details"}
        assert (answer["statusCode"], answer["retryable"]) == (CODES[code], False)


async def test_invalid_stream_requests_are_refused(shop: Shop) -> None:
    host, other, user = await shop.person("HOST"), await shop.person("HOST"), await shop.person()
    moderator, guest = await shop.person("MODERATOR"), shop.guest()
    stream = await shop.request("POST", "/streams", body={"title": "Sale"}, token=host.token, status={201})
    assert set(stream) == STREAM_FIELDS
    assert (stream["status"], stream["hostId"]) == ("SCHEDULED", host.id)
    key = stream["key"]
    await refuse(
        shop,
        Wrong(None, "POST", "/streams", "AUTH_REQUIRED", {"title": "A"}),
        *(Wrong(who, "POST", "/streams", "FORBIDDEN", {"title": "A"}) for who in (guest, user, moderator)),
        Wrong(host, "POST", "/streams", "INVALID_PAYLOAD", {"title": " "}),
        Wrong(host, "POST", "/streams", "INVALID_PAYLOAD", {"title": "A", "hostId": other.id}),
        *(
            Wrong(host, "POST", "/streams", "INVALID_PAYLOAD", {"title": "A", "scheduledAt": moment})
            for moment in ("2026-12-01T10:00:00", "2026-12-01", 1_800_000_000, "1800000000", True)
        ),
        Wrong(host, "POST", "/streams", "CONFLICT", {"title": "A", "key": key}),
        Wrong(host, "POST", "/streams", "CONFLICT", {"title": "A", "key": "upcoming"}),
        *(Wrong(who, "POST", f"/streams/{key}/start", "FORBIDDEN") for who in (other, moderator, user, guest)),
        Wrong(host, "POST", f"/streams/{key}/stop", "CONFLICT"),
        Wrong(host, "POST", "/streams/nowhere/start", "NOT_FOUND"),
        Wrong(None, "GET", "/streams/nowhere", "NOT_FOUND"),
        Wrong(None, "GET", "/streams?status=live", "INVALID_PAYLOAD"),
        Wrong(None, "GET", "/streams?cursor=abc", "INVALID_PAYLOAD"),
    )
    for what, status in (("start", "LIVE"), ("start", "LIVE"), ("stop", "ENDED"), ("stop", "ENDED")):
        changed = await shop.request("POST", f"/streams/{key}/{what}", token=host.token, status={200})
        assert changed["status"] == status
    await refuse(
        shop,
        *(Wrong(who, "DELETE", f"/streams/{key}", "FORBIDDEN") for who in (other, moderator, user, guest)),
        Wrong(host, "DELETE", f"/streams/{key}", "CONFLICT"),
    )
    resumed = await shop.request("POST", f"/streams/{key}/start", token=host.token, status={200})
    assert (resumed["status"], resumed["endedAt"], resumed["closesAt"]) == ("LIVE", None, None)


async def test_invalid_product_requests_are_refused(shop: Shop) -> None:
    key, admin, host = await shop.stream(), await shop.person("ADMIN"), await shop.person("HOST")
    cup = await shop.product(key, stock=3)
    path, body = f"/products/{cup['id']}", {"streamKey": key, "name": "Cup", "price": 1, "stock": 1}
    strangers = [shop.guest(), await shop.person(), await shop.person("MODERATOR"), host]
    await refuse(
        shop,
        Wrong(None, "POST", "/products", "AUTH_REQUIRED", body),
        *(Wrong(who, "POST", "/products", "FORBIDDEN", body) for who in strangers),
        *(Wrong(who, "PATCH", path, "FORBIDDEN", {"price": 2}) for who in strangers),
        *(Wrong(who, "DELETE", path, "FORBIDDEN") for who in strangers),
        Wrong(admin, "POST", "/products", "NOT_FOUND", body | {"streamKey": "nowhere"}),
        Wrong(admin, "POST", "/products", "INVALID_PAYLOAD", body | {"price": "1_000"}),
        Wrong(admin, "POST", "/products", "INVALID_PAYLOAD", body | {"stock": -1}),
        Wrong(admin, "POST", "/products", "INVALID_PAYLOAD", body | {"imageUrl": "javascript:alert(1)"}),
        Wrong(admin, "PATCH", path, "CONFLICT", {"version": 9, "price": 2}),
        Wrong(admin, "PATCH", path, "INVALID_PAYLOAD", {"name": None}),
        Wrong(admin, "PATCH", "/products/999999999", "NOT_FOUND", {"price": 2}),
        Wrong(admin, "PATCH", f"{path}/stock", "INSUFFICIENT_STOCK", {"change": -4}),
        Wrong(admin, "PATCH", f"{path}/stock", "INVALID_PAYLOAD", {"change": -1, "stock": 2}),
        *(Wrong(None, "GET", f"/products/{one}", "NOT_FOUND") for one in ("0", "cup", "9" * 30, f"00{cup['id']}")),
        Wrong(None, "GET", "/products?limit=101", "INVALID_PAYLOAD"),
        Wrong(host, "PUT", f"/streams/{key}/featured-product", "FORBIDDEN", {"productId": cup["id"]}),
        Wrong(admin, "PUT", f"/streams/{key}/featured-product", "NOT_FOUND", {"productId": "999999999"}),
    )
    assert await shop.request("GET", path, status={200}) == cup, "nothing has changed"


async def test_invalid_order_notification_and_job_requests_are_refused(shop: Shop) -> None:
    key, admin = await shop.stream(), await shop.person("ADMIN")
    ann, guest = await shop.person(), shop.guest()
    cup = await shop.product(key, stock=3)

    def lines(product_id: str, quantity: int) -> dict[str, Any]:
        return {"items": [{"productId": product_id, "quantity": quantity}]}

    note = {"userId": ann.id, "title": "A", "message": "B"}
    job = {"kind": "replay", "streamKey": key, "source": "a.mp4"}
    await refuse(
        shop,
        Wrong(None, "POST", "/orders", "AUTH_REQUIRED", lines(cup["id"], 1)),
        Wrong(guest, "POST", "/orders", "FORBIDDEN", lines(cup["id"], 1)),
        Wrong(ann, "POST", "/orders", "INSUFFICIENT_STOCK", lines(cup["id"], 4)),
        Wrong(ann, "POST", "/orders", "NOT_FOUND", lines("999999999", 1)),
        Wrong(ann, "POST", "/orders", "INVALID_PAYLOAD", lines(cup["id"], 0)),
        Wrong(ann, "POST", "/orders", "INVALID_PAYLOAD", {"items": []}),
        Wrong(ann, "GET", f"/orders/{NOBODY}", "NOT_FOUND"),
        Wrong(ann, "GET", f"/orders?userId={admin.id}", "FORBIDDEN"),
        Wrong(None, "POST", "/notifications", "AUTH_REQUIRED", note),
        Wrong(ann, "POST", "/notifications", "FORBIDDEN", note),
        Wrong(guest, "GET", "/notifications", "FORBIDDEN"),
        Wrong(admin, "POST", "/notifications", "NOT_FOUND", note | {"userId": NOBODY}),
        Wrong(admin, "POST", "/notifications", "INVALID_PAYLOAD", note | {"level": "LOUD"}),
        Wrong(ann, "POST", "/jobs", "FORBIDDEN", job),
        Wrong(ann, "GET", f"/jobs/{NOBODY}", "FORBIDDEN"),
        Wrong(admin, "GET", f"/jobs/{NOBODY}", "NOT_FOUND"),
        Wrong(admin, "POST", "/jobs", "CONFLICT", job),
        Wrong(admin, "POST", "/jobs", "NOT_FOUND", job | {"streamKey": "nowhere"}),
        Wrong(admin, "POST", "/jobs", "INVALID_PAYLOAD", job | {"source": "../a.mp4"}),
    )


async def test_invalid_socket_requests_are_refused(shop: Shop) -> None:
    viewer = await shop.connect(shop.guest(), "/streaming")
    follower = await shop.connect(shop.guest(), "/", node=1)
    for socket, event, payload, code in (
        (viewer, "stream:viewer:join", {"streamKey": "nowhere"}, "NOT_FOUND"),
        (viewer, "stream:viewer:join", {"streamKey": 5}, "INVALID_PAYLOAD"),
        (viewer, "stream:viewer:join", {}, "INVALID_PAYLOAD"),
        (viewer, "join:stream", {"streamId": "demo"}, "UNKNOWN_EVENT"),
        (follower, "join:stream", {"streamId": "nowhere"}, "NOT_FOUND"),
        (follower, "join:stream", {"streamId": "a b"}, "INVALID_PAYLOAD"),
        (follower, "stream:viewer:join", {"streamKey": "demo"}, "UNKNOWN_EVENT"),
    ):
        with pytest.raises(FailedError) as caught:
            await socket.call(event, payload)
        assert caught.value.code == code, (event, payload)
        assert set(caught.value.ack) == {"ok", "error", "requestId", "ts"}
