"""Tokens that must not be believed, at every door of two nodes: the three namespaces, and HTTP by header and cookie."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.security.tokens.tokens import Tokens
from tests.client.client import Client
from tests.client.raw import raw_polling, raw_websocket
from tests.cluster.shop import PASSWORD, Person, Shop, open_shop
from tests.support import Databases, Keyspaces, make_settings

PRIVATE = rsa.generate_private_key(65537, 2048)
PEM = PRIVATE.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

INVALID = ("AUTH_REQUIRED", "Invalid token")
EXPIRED = ("TOKEN_EXPIRED", "Token expired")
REVOKED = ("TOKEN_REVOKED", "Token has been revoked")


@pytest.fixture(scope="module")
async def harness(
    client: Client, databases: Databases, keyspaces: Keyspaces, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Shop]:
    """Two nodes that sign with a private key and still take what the shared secret has signed."""
    folder, url = tmp_path_factory.mktemp("guarded"), await databases.migrated()
    async with open_shop(client, folder, url, keyspaces.fresh(), JWT_PRIVATE_KEY=PEM) as shop:
        yield shop
        assert [shop.complaints(node) for node in (0, 1)] == [[], []]
    await databases.drop(url)


# --- doors ----------------------------------------------------------------------------------------------------------

Door = Callable[[str, str], Awaitable[tuple[str, str]]]


async def namespace(url: str, name: str, auth: dict[str, str], **headers: str) -> tuple[str, str]:
    """How a CONNECT is answered over a websocket: the code and the message, ("", "") for a welcome."""
    prefix = "" if name == "/" else f"{name},"
    async with raw_websocket(url, **headers) as raw:
        await raw.send(f"40{prefix}{json.dumps(auth)}")
        answer = await raw.until("4")
        if answer.startswith("40"):
            return "", ""
        refused = json.loads(answer.removeprefix(f"44{prefix}"))
        return refused["data"]["code"], refused["message"]


async def polling(url: str, token: str) -> tuple[str, str]:
    """Do the same over polling, with the token in the body of a POST."""
    async with raw_polling(url) as raw:
        await raw.post(f"40/chat,{json.dumps({'token': token})}")
        answer = await raw.until("4")
        if answer.startswith("40"):
            return "", ""
        refused = json.loads(answer.removeprefix("44/chat,"))
        return refused["data"]["code"], refused["message"]


async def http(url: str, **headers: str) -> tuple[str, str]:
    """Do the same with a request."""
    async with (
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session,
        session.get(f"{url}/api/v1/auth/me", headers=headers) as response,
    ):
        body = await response.json()
        assert response.status == (401 if "errorCode" in body else 200), body
        return body.get("errorCode", ""), body.get("message", "")


DOORS: dict[str, Door] = {
    "/": lambda url, token: namespace(url, "/", {"token": token}),
    "/chat": lambda url, token: namespace(url, "/chat", {"token": token}),
    "/streaming": lambda url, token: namespace(url, "/streaming", {"token": token}),
    "websocket header": lambda url, token: namespace(url, "/chat", {}, Authorization=f"Bearer {token}"),
    "websocket cookie": lambda url, token: namespace(url, "/chat", {}, Cookie=f"accessToken={token}"),
    "polling": polling,
    "http header": lambda url, token: http(url, Authorization=f"Bearer {token}"),
    "http cookie": lambda url, token: http(url, Cookie=f"accessToken={token}"),
}

# --- keys of the wrong kind -------------------------------------------------------------------------------------------


def parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the header and the claims."""
    return jwt.get_unverified_header(token), jwt.decode(token, options={"verify_signature": False})


def encoded(part: dict[str, Any]) -> str:
    """Return a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


def by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes) -> str:
    """Sign with HS256 and any key, which no library would do."""
    signed = f"{encoded(header)}.{encoded(claims)}"
    digest = hmac.digest(signed.encode(), secret, hashlib.sha256)
    return f"{signed}.{base64.urlsafe_b64encode(digest).decode().rstrip('=')}"


def confused(person: Person, secret: bytes) -> str:
    """Sign valid claims with the public half of the private key as if it were a secret, under the name of that key."""
    _, claims = parts(person.token)
    kid = Tokens(make_settings(jwt_private_key=PEM)).public_keys()["keys"][0]["kid"]
    return by_hand({"alg": "HS256", "typ": "JWT", "kid": kid}, claims, secret)


def own_key(person: Person) -> str:
    """Signed with a key that the token brings along."""
    stranger = rsa.generate_private_key(65537, 2048)
    key = jwt.algorithms.RSAAlgorithm.to_jwk(stranger.public_key(), as_dict=True)
    header, claims = parts(person.token)
    return jwt.encode(
        claims, stranger, "RS256", headers={"kid": header["kid"], "jwk": key, "jku": "https://evil.example"}
    )


def tampered(person: Person) -> str:
    """Return a USER who has written ADMIN into the claims."""
    header, claims = parts(person.token)
    return f"{encoded(header)}.{encoded(claims | {'role': 'ADMIN'})}.{person.token.rpartition('.')[2]}"


async def refresh_token(shop: Shop, person: Person) -> str:
    """Return a real refresh token."""
    body = {"email": person.email, "password": PASSWORD}
    answer = await shop.request("POST", "/auth/login", body=body, status={200})
    return str(answer["refreshToken"])


async def logged_out(shop: Shop, person: Person) -> str:
    """Return an access token whose session was ended on the other node."""
    token = await shop.login(person)
    await shop.request("POST", "/auth/logout", token=token, node=1, status={204})
    return token


async def none_at_all(shop: Shop, person: Person, name: str) -> str:
    """Return the algorithm `none`, in one of its spellings."""
    header, claims = parts(person.token)
    return f"{encoded(header | {'alg': name})}.{encoded(claims)}."


BAD: dict[str, tuple[Callable[[Shop, Person], Any], tuple[str, str]]] = {
    "rubbish": (lambda shop, person: "rubbish", INVALID),
    "a wrong signature": (lambda shop, person: person.token[:-8] + "AAAAAAAA", INVALID),
    "a changed role": (lambda shop, person: tampered(person), INVALID),
    "another secret": (lambda shop, person: shop.token(person, secret="another secret, long enough " * 2), INVALID),
    "expired": (lambda shop, person: shop.token(person, exp=int(time.time()) - 1), EXPIRED),
    "revoked": (logged_out, REVOKED),
    "of the future": (lambda shop, person: shop.token(person, iat=time.time() + 60), INVALID),
    "for others": (lambda shop, person: shop.token(person, aud="others"), INVALID),
    "for us and others": (lambda shop, person: shop.token(person, aud=["dorami-clients", "others"]), INVALID),
    "by others": (lambda shop, person: shop.token(person, iss="others"), INVALID),
    "a refresh token": (refresh_token, INVALID),
    "of the type refresh": (lambda shop, person: shop.token(person, type="refresh"), INVALID),
    "none": (lambda shop, person: none_at_all(shop, person, "none"), INVALID),
    "nOnE": (lambda shop, person: none_at_all(shop, person, "nOnE"), INVALID),
    "no algorithm": (lambda shop, person: none_at_all(shop, person, ""), INVALID),
    "public key as secret": (lambda shop, person: confused(person, PUBLIC), INVALID),
    "public key as secret, trimmed": (lambda shop, person: confused(person, PUBLIC.strip()), INVALID),
    "empty secret": (lambda shop, person: confused(person, b""), INVALID),
    "a key of its own": (lambda shop, person: own_key(person), INVALID),
    "of nobody": (lambda shop, person: shop.token(person, sub="00000000-0000-4000-8000-000000000000"), INVALID),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("kind", BAD)
async def test_invalid_tokens_are_refused_everywhere(harness: Shop, kind: str, door: str) -> None:
    make, refusal = BAD[kind]
    person = await harness.person()
    token = make(harness, person)
    token = await token if isinstance(token, Awaitable) else token
    assert await DOORS[door](harness.urls[0], token) == refusal


@pytest.mark.parametrize("door", DOORS)
async def test_a_valid_token_is_accepted_everywhere(harness: Shop, door: str) -> None:
    """Without this the test above would also pass before a locked house."""
    person = await harness.person()
    for token in (person.token, await harness.login(person)):  # of the shared secret, and of the private key
        assert await DOORS[door](harness.urls[0], token) == ("", "")
