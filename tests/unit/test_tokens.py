"""Access tokens: what is refused, in which words, and that keys can be rotated."""

import base64
import json
from typing import Any

import jwt
import pytest

from gateway.errors import AuthRequired, Code
from gateway.security.principal import Role
from gateway.security.tokens import REQUIRED, Tokens
from gateway.settings import Settings

SECRET = "a-secret-of-the-tests-that-is-long-enough"
OTHER = "another-secret-of-the-tests-that-is-long-enough"
NOW = 1_800_000_000.25


def settings(**overrides: Any) -> Settings:
    return Settings(
        app_env="development",
        database_url="postgres://localhost/none",
        redis_url="redis://localhost",
        **{"jwt_secret": SECRET} | overrides,
    )


def tokens(now: float = NOW, **overrides: Any) -> Tokens:
    return Tokens(settings(**overrides), clock=lambda: now)


@pytest.fixture
def token() -> str:
    return tokens().issue_access("u1", Role.USER, "s1")


@pytest.fixture
def claims(token: str) -> dict[str, Any]:
    payload: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return payload


def kid(of: Tokens) -> str:
    return str(jwt.get_unverified_header(of.issue_access("u1", Role.USER, "s1"))["kid"])


def signed(claims: dict[str, Any], *, secret: str = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    return jwt.encode(claims, secret, algorithm=algorithm, headers={"kid": kid(tokens())} | headers)


def refusal(token: str | None, verifier: Tokens | None = None) -> tuple[str, str]:
    with pytest.raises(AuthRequired) as caught:
        (verifier or tokens()).verify_access(token)
    return caught.value.message, caught.value.code


INVALID = ("Invalid token", Code.AUTH_REQUIRED)


def test_an_issued_token_says_who_and_until_when(token: str) -> None:
    claims = tokens().verify_access(token)
    assert (claims.user_id, claims.role, claims.session_id) == ("u1", Role.USER, "s1")
    assert claims.issued_at.timestamp() == NOW
    assert claims.expires_at.timestamp() == 1_800_000_901  # fifteen minutes, rounded up to a second


def test_every_token_has_all_claims_and_an_id_of_its_own(claims: dict[str, Any]) -> None:
    assert set(claims) == set(REQUIRED)
    assert claims["type"] == "access"
    other = tokens().verify_access(tokens().issue_access("u1", Role.USER, "s1"))
    assert other.token_id != claims["jti"]


def test_no_token() -> None:
    assert refusal(None) == ("No token provided", Code.AUTH_REQUIRED)


def test_an_expired_token_is_told_apart(token: str) -> None:
    tokens(NOW + 900).verify_access(token)
    assert refusal(token, tokens(NOW + 901)) == ("Token expired", Code.TOKEN_EXPIRED)


def test_an_expired_token_of_somebody_else_is_just_invalid(claims: dict[str, Any]) -> None:
    assert refusal(signed(claims | {"aud": "others"}), tokens(NOW + 2000)) == INVALID
    assert refusal(signed(claims, secret=OTHER), tokens(NOW + 2000)) == INVALID


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_claim(claims: dict[str, Any], name: str) -> None:
    tokens().verify_access(signed(claims))
    del claims[name]
    assert refusal(signed(claims)) == INVALID


@pytest.mark.parametrize(
    "wrong",
    [
        {"iss": "others"},
        {"aud": "others"},
        {"aud": ["dorami-clients", "others"]},
        {"type": "refresh"},
        {"role": "ROOT"},
        {"role": ["ADMIN"]},
        {"sid": ""},
        {"sid": 1},
        {"jti": None},
        {"sub": 7},
        {"iat": NOW + 60},
        {"iat": "1800000000"},
        {"exp": "1900000000"},
        {"exp": True},
        {"exp": 1e300},
        {"exp": float("nan")},
        {"exp": float("inf")},
        {"nbf": 4_000_000_000},
    ],
    ids=str,
)
def test_a_wrong_claim(claims: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert refusal(signed(claims | wrong)) == INVALID


def test_a_clock_that_is_a_little_ahead_is_no_crime(claims: dict[str, Any]) -> None:
    tokens().verify_access(signed(claims | {"iat": NOW + 5}))


def part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_no_algorithm_at_all(claims: dict[str, Any]) -> None:
    for name in ("none", "None", "NONE", ""):
        header = {"alg": name, "typ": "JWT", "kid": kid(tokens())}
        assert refusal(f"{part(header)}.{part(claims)}.") == INVALID
        assert refusal(f"{part(header)}.{part(claims)}.AAAA") == INVALID


@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
@pytest.mark.parametrize("algorithm", ["HS384", "HS512"])
def test_another_algorithm_with_the_right_key(claims: dict[str, Any], algorithm: str) -> None:
    assert refusal(signed(claims, algorithm=algorithm)) == INVALID


def test_a_forged_signature_or_payload(token: str, claims: dict[str, Any]) -> None:
    head, body, signature = token.split(".")
    assert refusal(f"{head}.{part(claims | {'role': 'ADMIN'})}.{signature}") == INVALID
    assert refusal(f"{head}.{body}.{part(b'x' * 32)}") == INVALID
    assert refusal(f"{head}.{body}.") == INVALID
    assert refusal(signed(claims, secret=OTHER)) == INVALID


@pytest.mark.parametrize("wrong", [None, "", "unknown", "../../dev/null", "' or 1=1", "\ud800", 7, ["x"]], ids=repr)
def test_a_kid_that_names_no_key(claims: dict[str, Any], wrong: object) -> None:
    header = {"alg": "HS256", "typ": "JWT"} | ({} if wrong is None else {"kid": wrong})
    _, body, signature = signed(claims).split(".")
    assert refusal(f"{part(header)}.{body}.{signature}") == INVALID


def test_a_key_that_the_token_brings_along(claims: dict[str, Any]) -> None:
    own = {"kty": "oct", "k": part(OTHER.encode()), "alg": "HS256"}
    for header in ({"jwk": own}, {"jku": "https://evil.example/keys"}, {"crit": ["x"], "x": 1}):
        assert refusal(signed(claims, secret=OTHER, **header)) == INVALID


@pytest.mark.parametrize(
    "garbage",
    ["", ".", "..", "a.b.c", "null", "é.é.é", "\ud800.a.b", "a" * 5000, "Bearer x", part(b"[" * 2500) + ".e30.AAAA"],
    ids=lambda text: repr(text[:12]),
)
def test_garbage(garbage: str) -> None:
    assert refusal(garbage) == INVALID


def test_a_valid_token_that_is_padded_until_it_is_too_long(claims: dict[str, Any]) -> None:
    assert refusal(signed(claims | {"padding": "x" * 5000})) == INVALID


def test_a_new_secret_takes_over_without_logging_anyone_out(token: str) -> None:
    before, during = tokens(), tokens(jwt_secret=OTHER, jwt_previous_secrets=SECRET)
    assert during.verify_access(token).user_id == "u1"
    fresh = during.issue_access("u1", Role.USER, "s1")
    assert refusal(fresh, before) == INVALID  # the new one signs
    after = tokens(jwt_secret=OTHER)
    assert after.verify_access(fresh).user_id == "u1"
    assert refusal(token, after) == INVALID


def test_a_key_does_not_verify_under_the_name_of_another(claims: dict[str, Any]) -> None:
    verifier = tokens(jwt_secret=OTHER, jwt_previous_secrets=SECRET)
    confused = signed(claims, secret=SECRET, kid=kid(verifier))
    assert refusal(confused, verifier) == INVALID


def test_no_secret_in_a_repr_or_a_refusal(token: str) -> None:
    verifier = tokens(jwt_previous_secrets=OTHER)
    shown = f"{verifier!r} {vars(verifier)!r} {settings(jwt_previous_secrets=OTHER)!r}"
    assert SECRET not in shown
    assert OTHER not in shown
    with pytest.raises(AuthRequired) as caught:
        verifier.verify_access(token + "x")
    assert token[-20:] not in repr(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
