"""Access tokens: what is refused, in which words, and that keys can be rotated."""

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, SECP384R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from gateway.errors import AuthRequired, Code
from gateway.security.principal import Role
from gateway.security.tokens.signing_keys import Keyring
from gateway.security.tokens.tokens import REQUIRED, Tokens
from gateway.settings import DEVELOPMENT_SECRET, Settings, SettingsError, load

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


def test_an_issued_token_has_user_and_expiry(token: str) -> None:
    claims = tokens().verify_access(token)
    assert (claims.user_id, claims.role, claims.session_id) == ("u1", Role.USER, "s1")
    assert claims.issued_at.timestamp() == NOW
    assert claims.expires_at.timestamp() == 1_800_000_901  # fifteen minutes, rounded up to a second


def test_every_token_has_all_claims_and_an_id_of_its_own(claims: dict[str, Any]) -> None:
    assert set(claims) == set(REQUIRED)
    assert claims["type"] == "access"
    other = jwt.decode(tokens().issue_access("u1", Role.USER, "s1"), options={"verify_signature": False})
    assert other["jti"] != claims["jti"]


def test_missing_token() -> None:
    assert refusal(None) == ("No token provided", Code.AUTH_REQUIRED)


def test_an_expired_token_is_told_apart(token: str) -> None:
    tokens(NOW + 900).verify_access(token)
    assert refusal(token, tokens(NOW + 901)) == ("Token expired", Code.TOKEN_EXPIRED)


def test_cached_tokens_expire_and_their_forgeries_are_refused(token: str) -> None:
    now = [NOW]
    verifier = Tokens(settings(), clock=lambda: now[0])
    assert verifier.verify_access(token) == verifier.verify_access(token)
    head, payload, signature = token.split(".")
    for forgery in (f"{head}.{payload}.{signature[::-1]}", f"{head}.{payload}", f"{head}.{payload}."):
        assert refusal(forgery, verifier) == INVALID
    now[0] = NOW + 901
    assert refusal(token, verifier) == ("Token expired", Code.TOKEN_EXPIRED)


def test_an_expired_token_of_somebody_else_is_just_invalid(claims: dict[str, Any]) -> None:
    assert refusal(signed(claims | {"aud": "others"}), tokens(NOW + 2000)) == INVALID
    assert refusal(signed(claims, secret=OTHER), tokens(NOW + 2000)) == INVALID


@pytest.mark.parametrize("name", REQUIRED)
def test_missing_claims_are_refused(claims: dict[str, Any], name: str) -> None:
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
def test_wrong_claims_are_refused(claims: dict[str, Any], wrong: dict[str, Any]) -> None:
    assert refusal(signed(claims | wrong)) == INVALID


def test_a_small_clock_skew_is_tolerated(claims: dict[str, Any]) -> None:
    tokens().verify_access(signed(claims | {"iat": NOW + 5}))


def part(content: object) -> str:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def test_algorithm_none_is_refused(claims: dict[str, Any]) -> None:
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


def test_a_key_inside_the_token_is_ignored(claims: dict[str, Any]) -> None:
    own = {"kty": "oct", "k": part(OTHER.encode()), "alg": "HS256"}
    for header in ({"jwk": own}, {"jku": "https://evil.example/keys"}, {"crit": ["x"], "x": 1}):
        assert refusal(signed(claims, secret=OTHER, **header)) == INVALID


@pytest.mark.parametrize(
    "garbage",
    ["", ".", "..", "a.b.c", "null", "é.é.é", "\ud800.a.b", "a" * 5000, "Bearer x", part(b"[" * 2500) + ".e30.AAAA"],
    ids=lambda text: repr(text[:12]),
)
def test_garbage_is_refused(garbage: str) -> None:
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


# --- keys that others can verify with ---------------------------------------------------------------------------------


def pem(private: Any) -> str:
    encoded: bytes = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return encoded.decode()


def public_pem(private: Any) -> str:
    encoded: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return encoded.decode()


ED25519, P256, RSA = Ed25519PrivateKey.generate(), generate_ec(SECP256R1()), generate_rsa(65537, 2048)


@pytest.mark.parametrize(("private", "algorithm"), [(ED25519, "EdDSA"), (P256, "ES256"), (RSA, "RS256")])
def test_a_private_key_signs_and_its_public_key_is_enough_to_verify(private: Any, algorithm: str) -> None:
    ours = tokens(jwt_private_key=pem(private).replace("\n", "\\n"))
    token = ours.issue_access("u1", Role.USER, "s1")
    assert ours.verify_access(token).user_id == "u1"
    assert jwt.get_unverified_header(token)["alg"] == algorithm
    [served] = ours.public_keys()["keys"]
    assert not {"d", "p", "q", "k"} & set(served)
    found = jwt.PyJWKSet.from_dict({"keys": [served]})[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, found, audience="dorami-clients", options={"verify_iat": False})["sub"] == "u1"


@pytest.mark.parametrize("private", [ED25519, P256, RSA])
def test_a_public_key_is_not_taken_for_a_secret(private: Any, claims: dict[str, Any]) -> None:
    verifier = tokens(jwt_private_key=pem(private))
    public = public_pem(private)
    for secret in (public, public.strip(), json.dumps(verifier.public_keys()["keys"][0])):
        header = part({"alg": "HS256", "typ": "JWT", "kid": kid(verifier)})
        signature = hmac.digest(secret.encode(), f"{header}.{part(claims)}".encode(), "sha256")
        assert refusal(f"{header}.{part(claims)}.{part(signature)}", verifier) == INVALID


def test_private_keys_take_over_without_logging_anyone_out(token: str) -> None:
    first = tokens(jwt_private_key=pem(ED25519))
    assert first.verify_access(token).user_id == "u1"  # signed by the secret, before there was a key
    assert tokens().public_keys() == {"keys": []}
    second = tokens(jwt_private_key=pem(P256), jwt_previous_public_keys=public_pem(ED25519) + public_pem(RSA))
    assert second.verify_access(first.issue_access("u2", Role.USER, "s1")).user_id == "u2"
    assert len(second.public_keys()["keys"]) == 3
    assert refusal(first.issue_access("u2", Role.USER, "s1"), tokens(jwt_private_key=pem(P256))) == INVALID


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("jwt_private_key", "nonsense"),
        ("jwt_private_key", public_pem(ED25519)),
        ("jwt_private_key", pem(generate_rsa(65537, 1024))),
        ("jwt_private_key", pem(generate_ec(SECP384R1()))),
        ("jwt_previous_public_keys", "nonsense"),
        ("jwt_previous_public_keys", pem(ED25519)),
    ],
)
def test_an_invalid_key_is_reported_without_its_text(setting: str, value: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Keyring(settings(**{setting: value}))
    [line] = caught.value.lines
    assert line.startswith(setting.upper())
    assert value not in line


def test_no_private_key_in_a_repr() -> None:
    shown = f"{settings(jwt_private_key=pem(RSA))!r} {Keyring(settings(jwt_private_key=pem(RSA))).signing!r}"
    assert "PRIVATE" not in shown
    assert "object at" not in shown


def test_previous_secrets_are_as_good_as_the_current_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"JWT_SECRET": SECRET, "DATABASE_URL": "postgres://x/y", "REDIS_URL": "redis://x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JWT_PREVIOUS_SECRETS", f"{OTHER}, {SECRET}x")
    assert [secret.get_secret_value() for secret in load().jwt_previous_secrets] == [OTHER, SECRET + "x"]
    for weak in ("tiny-one", DEVELOPMENT_SECRET):
        monkeypatch.setenv("JWT_PREVIOUS_SECRETS", f"{OTHER},{weak}")
        with pytest.raises(SettingsError) as caught:
            load(app_env="production")
        assert [line.partition(":")[0] for line in caught.value.lines] == ["JWT_PREVIOUS_SECRETS"]
        assert OTHER not in str(caught.value)
        assert weak not in str(caught.value)
