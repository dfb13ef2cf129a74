"""What holds for every HTTP route: the envelope, shapes, limits, origins, CSRF, headers and counts."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import structlog
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from gateway.errors import CATALOGUE, Code, GatewayError, InvalidPayload, RateLimited
from gateway.http import dispatch
from gateway.http.dispatch import parse_body
from gateway.http.routes import KEY, Call, Cookie, Reply, Route
from gateway.metrics import Metrics
from gateway.protocol.payloads.catalog import ChangeProduct, ChangeStock, CreateProduct
from gateway.protocol.payloads.streaming import CreateStream
from gateway.protocol.queries import ProductQuery
from gateway.protocol.wire import Payload, Request
from gateway.security.principal import ADMINS, EVERYONE, MEMBERS, Role
from tests.http_edge import Client, bearer, edge, refused


class Say(Request):
    """A request of the tests."""

    text: str
    times: int = 1


class Said(Payload):
    """Its answer."""

    said_text: str


async def say(call: Call[Say, None]) -> Said:
    return Said(said_text=call.body.text * call.body.times)


async def who(call: Call[None, None]) -> Said:
    return Said(said_text=f"{call.principal.user_id} from {call.address}")


async def key(call: Call[None, ProductQuery]) -> Said:
    return Said(said_text=f"{call.path('key')} {call.query.limit} {call.query.stream_key}")


async def nothing(_call: Call[None, None]) -> None:
    return None


async def explode(_call: Call[None, None]) -> Said:
    raise RuntimeError("the secret of the house")


async def raise_code(call: Call[None, None]) -> Said:
    raise GatewayError(Code(call.path("key")), retry_after_ms=1500 if call.path("key") == "SLOW_MODE" else None)


async def enough(_call: Call[None, None]) -> Said:
    raise RateLimited(90_500, limit=3)


async def sleep(_call: Call[None, None]) -> Said:
    await asyncio.Event().wait()
    raise AssertionError


async def context(_call: Call[None, None]) -> Said:
    return Said(said_text=structlog.contextvars.get_contextvars()["request_id"])


async def biscuits(_call: Call[None, None]) -> Reply:
    return Reply(Said(said_text="x"), status=202, cookies=(Cookie("a", "1", 60), Cookie("b", "2", 0, False)))


ROUTES = [
    Route("POST", "/say", say, body=Say, answer=Said),
    Route("GET", f"/key/{KEY}", key, query=ProductQuery, answer=Said),
    Route("DELETE", "/nothing", nothing),
    Route("GET", "/explode", explode, answer=Said),
    Route("GET", f"/raise/{KEY}", raise_code, answer=Said),
    Route("GET", "/sleep", sleep, answer=Said),
    Route("GET", "/enough", enough, answer=Said),
    Route("GET", "/context", context, answer=Said),
    Route("GET", "/biscuits", biscuits, answer=Said),
    Route("GET", "/who", who, answer=Said, who=EVERYONE),
    Route("POST", "/members", who, answer=Said, who=MEMBERS),
    Route("POST", "/admins", who, answer=Said, who=ADMINS),
]


@pytest.fixture(scope="module")
async def client() -> AsyncIterator[Client]:
    async with edge(ROUTES, handler_timeout="200ms", cors_origins="https://shop.example") as client:
        yield client


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_requests_and_answers_are_in_camel_case(client: Client) -> None:
    response = await client.post("/say", json={"text": "hé", "times": 2})
    assert response.status == 200
    assert response.headers["Content-Type"] == "application/json; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert await response.json() == {"saidText": "héhé"}


async def test_no_content_answer(client: Client) -> None:
    response = await client.delete("/nothing")
    assert (response.status, await response.read()) == (204, b"")


async def test_an_answer_may_have_cookies_and_a_status(client: Client) -> None:
    response = await client.get("/biscuits")
    assert response.status == 202
    assert response.headers.getall("Set-Cookie") == [
        "a=1; HttpOnly; Max-Age=60; Path=/; SameSite=Lax",
        "b=2; Max-Age=0; Path=/; SameSite=Lax",
    ]


async def test_cookies_may_have_a_domain_and_a_prefix() -> None:
    async with edge(ROUTES, cookie_domain="shop.example", cookie_prefix="dorami_") as client:
        response = await client.get("/biscuits")
        assert (
            response.headers["Set-Cookie"]
            == "dorami_a=1; Domain=shop.example; HttpOnly; Max-Age=60; Path=/; SameSite=Lax"
        )
        assert (await client.get("/who", headers={"Cookie": "dorami_accessToken=USER"})).status == 200
        await refused(await client.get("/who", headers={"Cookie": "accessToken=USER"}), 401, "AUTH_REQUIRED")


async def test_production_cookies_travel_only_over_tls() -> None:
    async with edge(ROUTES, app_env="production") as client:
        response = await client.get("/biscuits")
        assert all("; Secure" in cookie for cookie in response.headers.getall("Set-Cookie"))
        assert response.headers["Strict-Transport-Security"].startswith("max-age=")


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1/none", "/say/", "/key/a%00b", "/key/ä", "/key/" + "k" * 65, "//"]
)
async def test_an_unknown_path(client: Client, path: str) -> None:
    await refused(await client.get(path), 404, "NOT_FOUND", "There is nothing at this address")


async def test_a_method_that_is_not_allowed(client: Client) -> None:
    response = await client.get("/say")
    await refused(response, 405, "NOT_FOUND")
    assert response.headers["Allow"] == "POST"
    await refused(await client.request("PROPFIND", "/say"), 405, "NOT_FOUND")


BAD_BODIES = [
    b"{",
    b"nonsense",
    b"\xff\xfe{}",
    b'{"text": "\xff"}',
    b'{"text": "\\ud800"}',
    b'{"text": "a\\u0000b"}',
    b'{"\\u0000": "a"}',
    b'{"text": "\\\\u0000", "left": "over"}',
    b"[]",
    b"null",
    b'"text"',
    b'{"text": 1}',
    b'{"text": "a", "times": "2"}',
    b'{"text": "a", "times": 2.0}',
    b'{"text": "a", "times": true}',
    b'{"text": "a", "times": NaN}',
    b'{"text": "a", "times": 1e999}',
    b'{"text": "a", "times": ' + b"9" * 10_000 + b"}",
    b'{"text": "a", "left": "over"}',
    b'{"text": ' + b"[" * 50_000,
    b'{"text": "\\u0000", "deep": ' + b"[" * 50_000,
]


@pytest.mark.parametrize("body", BAD_BODIES)
async def test_an_invalid_body(client: Client, body: bytes) -> None:
    await refused(
        await client.post("/say", data=body, headers={"Content-Type": "application/json"}), 400, "INVALID_PAYLOAD"
    )


async def test_all_problems_of_a_body_are_listed(client: Client) -> None:
    details = await refused(await client.post("/say", json={"times": "2", "more": 1}), 400, "INVALID_PAYLOAD")
    assert {detail["field"] for detail in details} == {"text", "times", "more"}
    details = await refused(await client.post("/say"), 400, "INVALID_PAYLOAD")
    assert details == [{"field": "text", "problem": "Field required"}]


async def test_an_escaped_backslash_is_no_nul(client: Client) -> None:
    response = await client.post("/say", json={"text": r"\u0000"})
    assert await response.json() == {"saidText": r"\u0000"}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
async def test_a_body_with_another_content_type(client: Client, content_type: str) -> None:
    response = await client.post("/say", data=b'{"text": "a"}', headers={"Content-Type": content_type})
    await refused(response, 415, "INVALID_PAYLOAD")


async def test_a_body_that_is_too_large(client: Client) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 1000

    json_type = {"Content-Type": "application/json"}
    large = b" " * (dispatch.MAX_BODY + 1)
    await refused(await client.post("/say", data=large, headers=json_type), 413, "PAYLOAD_TOO_LARGE")
    await refused(await client.post("/say", data=endless(), headers=json_type), 413, "PAYLOAD_TOO_LARGE")


PACKED = [gzip.compress(b'{"text": "a"}'), b'{"text": "a"}', gzip.compress(b" " * 50_000_000)]


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "GZIP", "identity, gzip", "none"])
@pytest.mark.parametrize("body", PACKED, ids=("packed", "not packed", "bomb"))
async def test_a_compressed_body_is_refused(client: Client, encoding: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    await refused(await client.post("/say", data=body, headers=headers), 415, "INVALID_PAYLOAD")


async def test_identity_encoding_is_accepted(client: Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "identity"}
    assert (await client.post("/say", data=b'{"text": "a"}', headers=headers)).status == 200


async def test_a_byte_order_mark_is_skipped(client: Client) -> None:
    headers = {"Content-Type": "application/json"}
    body = '{"text": "a"}'.encode("utf-8-sig")
    assert (await client.post("/say", data=body, headers=headers)).status == 200


async def test_a_body_that_does_not_arrive(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "BODY_SECONDS", 0.05)
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(b"POST /say HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{")
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(await reader.read(4096))["errorCode"] == "INVALID_PAYLOAD"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "query",
    ["limit=x", "limit=0", "limit=101", "more=1", "limit=1&limit=2", "streamKey=a%00b", "search=%00", "cursor=%FF"],
)
async def test_an_invalid_query(client: Client, query: str) -> None:
    await refused(await client.get(f"/key/k?{query}"), 400, "INVALID_PAYLOAD")


@pytest.mark.parametrize(
    "query",
    [
        "utm_source=x&utm_medium=",
        "_=1700000000",
        "fbclid=a&gclid=b",
        "_=1&_=2",
        "search=",
        "search=&limit=",
        "cursor=&search=",
        "search=%20",
        "search=%E3%85%A4",  # U+3164 shows nothing
        "search=%E2%80%8B%CC%81%E2%A0%80",
    ],
)
async def test_tracker_parameters_and_empty_ones_are_ignored(client: Client, query: str) -> None:
    response = await client.get(f"/key/k?{query}&streamKey=demo")
    assert await response.json() == {"saidText": "k 20 demo"}


async def test_a_query_of_thousands_of_parameters(client: Client) -> None:
    query = "&".join(f"p{number}=1" for number in range(900))
    assert await refused(await client.get(f"/key/k?{query}"), 400, "INVALID_PAYLOAD") is None


async def test_a_query_is_converted(client: Client) -> None:
    response = await client.get("/key/k?limit=7&streamKey=demo")
    assert await response.json() == {"saidText": "k 7 demo"}


@pytest.mark.parametrize("code", Code)
async def test_every_code_has_its_status(client: Client, code: Code) -> None:
    response = await client.get(f"/raise/{code}")
    await refused(response, CATALOGUE[code].status, code, CATALOGUE[code].message)
    assert response.headers.get("Retry-After") == ("2" if code is Code.SLOW_MODE else None)
    assert response.headers.get("WWW-Authenticate") == ("Bearer" if response.status == 401 else None)


async def test_unexpected_errors_are_logged_but_not_shown(client: Client) -> None:
    with capture_logs() as logs:
        response = await client.get("/explode")
        await refused(response, 500, "INTERNAL_ERROR", "Something went wrong on our side")
    assert "secret" not in await response.text()
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("a request failed", "error")]
    assert logs[0]["exc_info"]


async def test_a_handler_that_hangs(client: Client) -> None:
    response = await client.get("/sleep")
    await refused(response, 503, "SERVICE_UNAVAILABLE")
    assert response.headers["Retry-After"] == "1"


# --- who --------------------------------------------------------------------------------------------------------------


async def test_caller_is_authenticated(client: Client) -> None:
    response = await client.get("/who", headers=bearer(Role.GUEST) | {"X-Forwarded-For": "1.2.3.4"})
    assert await response.json() == {"saidText": "id-GUEST from 127.0.0.1"}
    await refused(await client.get("/who"), 401, "AUTH_REQUIRED", "No token provided")
    await refused(await client.get("/who", headers={"Authorization": "Bearer x"}), 401, "AUTH_REQUIRED")
    await refused(await client.get("/who", headers={"Authorization": "Basic QUJD"}), 401, "AUTH_REQUIRED")
    response = await client.get("/who", headers={"Authorization": "Bearer away"})
    await refused(response, 503, "SERVICE_UNAVAILABLE")
    assert response.headers["Retry-After"] == "2"


@pytest.mark.parametrize("role", Role)
async def test_roles_of_routes(client: Client, role: Role) -> None:
    response = await client.post("/members", headers=bearer(role))
    assert response.status == (403 if role is Role.GUEST else 200)
    response = await client.post("/admins", headers=bearer(role))
    assert response.status == (200 if role is Role.ADMIN else 403)


async def test_unsafe_requests_with_cookies_need_the_csrf_token(client: Client) -> None:
    cookie = {"Cookie": "accessToken=ADMIN; csrf-token=c5rf"}
    assert (await client.get("/who", headers=cookie)).status == 200
    await refused(await client.post("/admins", headers=cookie), 403, "CSRF_TOKEN_MISSING")
    await refused(await client.post("/admins", headers=cookie | {"X-CSRF-Token": "x"}), 403, "CSRF_TOKEN_INVALID")
    assert (await client.post("/admins", headers=cookie | {"X-CSRF-Token": "c5rf"})).status == 200
    # Browsers add Basic by themselves: it is no sign that the page itself wrote the request.
    await refused(
        await client.post("/admins", headers=cookie | {"Authorization": "Basic eA"}), 403, "CSRF_TOKEN_MISSING"
    )
    assert (await client.post("/admins", headers=cookie | bearer(Role.ADMIN))).status == 200


async def test_unsafe_requests_of_foreign_pages_are_refused(client: Client) -> None:
    evil = {"Origin": "https://evil.example"}
    await refused(await client.delete("/nothing", headers=evil), 403, "FORBIDDEN", "This origin is not allowed")
    await refused(await client.post("/admins", headers=evil | bearer(Role.ADMIN)), 403, "FORBIDDEN")
    assert (await client.get("/who", headers=evil | bearer(Role.USER))).status == 200  # it cannot read the answer
    assert (await client.delete("/nothing", headers={"Origin": "https://shop.example"})).status == 204


# --- limits -----------------------------------------------------------------------------------------------------------


async def test_routes_are_limited_per_client() -> None:
    metrics = Metrics()
    async with edge(ROUTES, metrics=metrics, http_rate_limit="2/minute") as client:
        for left in ("1", "0"):
            response = await client.delete("/nothing")
            assert response.status == 204
            assert response.headers["RateLimit-Limit"] == "2"
            assert response.headers["RateLimit-Remaining"] == left
            assert 0 < int(response.headers["RateLimit-Reset"]) <= 60
        response = await client.delete("/nothing", headers={"X-Forwarded-For": "1.2.3.4"})
        await refused(response, 429, "RATE_LIMIT_EXCEEDED")
        assert response.headers["RateLimit-Remaining"] == "0"
        assert 0 < int(response.headers["Retry-After"]) <= 60
        assert (await client.get("/biscuits")).status == 202  # another route
        for role in (Role.ADMIN, Role.ADMIN, Role.USER):
            assert (await client.get("/who", headers=bearer(role))).status == 200
        await refused(await client.get("/who", headers=bearer(Role.ADMIN)), 429, "RATE_LIMIT_EXCEEDED")
        assert (await client.post("/say", json={})).headers["RateLimit-Remaining"] == "1"  # errors say it as well
    assert metrics.registry.get_sample_value("dorami_rate_limited_total", {"scope": "http"}) == 2


async def test_a_limit_of_the_service_replaces_that_of_the_route(client: Client) -> None:
    response = await client.get("/enough")
    await refused(response, 429, "RATE_LIMIT_EXCEEDED")
    result = {name: response.headers[f"RateLimit-{name}"] for name in ("Limit", "Remaining", "Reset")}
    assert result == {"Limit": "3", "Remaining": "0", "Reset": "91"}
    assert response.headers["Retry-After"] == "91"


async def test_behind_a_trusted_proxy_each_client_has_its_own_limit() -> None:
    async with edge(ROUTES, http_rate_limit="1/minute", trusted_proxies="127.0.0.0/8") as client:
        for address in ("1.2.3.4", "1.2.3.5"):
            assert (await client.delete("/nothing", headers={"X-Forwarded-For": address})).status == 204
        response = await client.delete("/nothing", headers={"X-Forwarded-For": "9.9.9.9, 1.2.3.5"})
        await refused(response, 429, "RATE_LIMIT_EXCEEDED")


async def test_an_ipv6_site_is_limited() -> None:
    async with edge(ROUTES, http_rate_limit="1/minute", trusted_proxies="127.0.0.0/8") as client:
        for number in range(16):
            headers = {"X-Forwarded-For": f"2001:db8:1:{number:x}::1"}
            response = await client.delete("/nothing", headers=headers)
            assert (response.status, response.headers["RateLimit-Limit"]) == (204, "1")
        response = await client.delete("/nothing", headers={"X-Forwarded-For": "2001:db8:1:ff::1"})
        await refused(response, 429, "RATE_LIMIT_EXCEEDED")
        assert (await client.delete("/nothing", headers={"X-Forwarded-For": "2001:db8:2:ff::1"})).status == 204


async def test_a_route_may_have_more_or_be_exempt() -> None:
    routes = [Route("GET", "/more", context, limit=3), Route("GET", "/free", context, limit=0)]
    async with edge(routes, http_rate_limit="1/minute") as client:
        statuses = [(await client.get("/more")).status for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        responses = [await client.get("/free") for _ in range(5)]
        assert {response.status for response in responses} == {200}
        assert "RateLimit-Limit" not in responses[0].headers


# --- around every answer ----------------------------------------------------------------------------------------------


async def test_a_request_has_an_id(client: Client) -> None:
    response = await client.get("/context", headers={"X-Request-ID": "abc-1.2_3"})
    assert response.headers["X-Request-ID"] == "abc-1.2_3"
    assert await response.json() == {"saidText": "abc-1.2_3"}
    for nonsense in ("", "a b", "x" * 65, "<script>", "ü"):
        response = await client.get("/context", headers={"X-Request-ID": nonsense})
        made = response.headers["X-Request-ID"]
        assert len(made) == 16
        assert await response.json() == {"saidText": made}


@pytest.mark.parametrize("path", ["/context", "/explode", "/none"])
async def test_every_answer_has_security_headers(client: Client, path: str) -> None:
    with capture_logs():
        headers = (await client.get(path)).headers
    assert "Server" not in headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "Strict-Transport-Security" not in headers  # not in development
    assert headers["Vary"] == "Origin"
    assert headers["Cache-Control"] == "no-store"


async def test_listed_origins_may_read_with_cookies_others_may_not(client: Client) -> None:
    listed = (await client.get("/none", headers={"Origin": "https://shop.example"})).headers
    assert listed["Access-Control-Allow-Origin"] == "https://shop.example"
    assert listed["Access-Control-Allow-Credentials"] == "true"
    assert "X-Request-ID" in listed["Access-Control-Expose-Headers"]
    forged = {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https"}
    other = (await client.get("/context", headers=forged)).headers
    assert not [name for name in other if name.startswith("Access-Control")]


async def test_cors_preflight(client: Client) -> None:
    asks = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
    response = await client.options("/say", headers=asks)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    allowed = response.headers["Access-Control-Allow-Headers"].split(", ")
    assert {"X-CSRF-Token", "traceparent", "tracestate", "sentry-trace", "baggage"} <= set(allowed)
    assert "DELETE" in response.headers["Access-Control-Allow-Methods"]
    response = await client.options("/say", headers=asks | {"Origin": "https://evil.example"})
    await refused(response, 403, "FORBIDDEN")
    assert "Access-Control-Allow-Origin" not in response.headers
    await refused(await client.options("/say"), 405, "NOT_FOUND")


async def test_the_wildcard_origin_may_read_without_cookies() -> None:
    async with edge(ROUTES, cors_origins="*") as client:
        headers = (await client.get("/context", headers={"Origin": "https://any.example"})).headers
        assert headers["Access-Control-Allow-Origin"] == "*"
        assert "Access-Control-Allow-Credentials" not in headers


async def test_requests_are_counted_by_route() -> None:
    metrics = Metrics()
    async with edge(ROUTES, metrics=metrics) as client:
        for path in ("/key/one", "/key/two", "/nowhere/one", "/nowhere/two"):
            await client.get(path)
        await client.request("PROPFIND", "/key/one")
    count = metrics.registry.get_sample_value
    labels = {"method": "GET", "route": "/key/{key}", "status": "200"}
    assert count("dorami_http_seconds_count", labels) == 2
    assert count("dorami_http_seconds_count", {"method": "GET", "route": "unknown", "status": "404"}) == 2
    assert count("dorami_http_seconds_count", {"method": "other", "route": "unknown", "status": "405"}) == 1


# --- odd inputs -------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.decimals().map(str),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=5), children, max_size=3),
    max_leaves=8,
)
SHAPES: list[type[Request]] = [CreateProduct, ChangeProduct, ChangeStock, CreateStream]


@st.composite
def bodies(draw: st.DrawFn) -> tuple[type[Request], bytes]:
    """Return a shape, and a body that has the shape's names more often than chance would."""
    shape = draw(st.sampled_from(SHAPES))
    names = st.sampled_from([field.alias or name for name, field in shape.model_fields.items()])
    body = draw(st.dictionaries(names, JSON, max_size=12) | JSON)
    raw = json.dumps(body, ensure_ascii=draw(st.booleans())).encode(errors="surrogatepass")
    return shape, raw[: draw(st.integers(0, len(raw)))] if draw(st.integers(0, 9)) == 0 else raw


@given(bodies())
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_bodies_are_valid_or_refused(ask: tuple[type[Request], bytes]) -> None:
    shape, raw = ask
    with suppress(InvalidPayload):
        parsed = parse_body(shape, raw)
        assert not any("\0" in value for value in vars(parsed).values() if isinstance(value, str))


@pytest.mark.parametrize("price", ["sNaN", "NaN", "Infinity", "-0.01", "1e400", "1E-400", "", "0x1", "9" * 5000])
def test_invalid_prices_are_refused(price: str) -> None:
    body = json.dumps({"streamKey": "s", "name": "n", "stock": 1, "price": price}).encode()
    with pytest.raises(InvalidPayload):
        parse_body(CreateProduct, body)
