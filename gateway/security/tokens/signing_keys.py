"""The keys of access tokens by their `kid`, made from the settings. Used by tokens.py.

`JWT_PRIVATE_KEY`, or without one `JWT_SECRET`, signs. Both of them verify, and so do the keys of `JWT_PREVIOUS_SECRETS`
and `JWT_PREVIOUS_PUBLIC_KEYS`: a replaced key moves there until the last token signed with it has expired.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.algorithms import get_default_algorithms

from gateway.settings import Settings, SettingsError

MIN_RSA = 2048  # bits

_END = "-----END PUBLIC KEY-----"


@dataclass(frozen=True, slots=True)
class Key:
    """A key with its algorithm. The key decides the algorithm, never the token."""

    kid: str
    algorithm: str
    verifies: Any = field(repr=False)  # the secret or the public key
    signs: Any = field(repr=False, default=None)  # the secret or the private key


class Keyring:
    """All keys of this deployment; `signing` signs new tokens. Raises SettingsError for an invalid key."""

    def __init__(self, settings: Settings) -> None:
        shared = [
            _shared(secret.get_secret_value()) for secret in (settings.jwt_secret, *settings.jwt_previous_secrets)
        ]
        private = [] if settings.jwt_private_key is None else [_private(settings.jwt_private_key.get_secret_value())]
        public = _public(settings.jwt_previous_public_keys)
        self.signing = (private or shared)[0]
        self._keys = {key.kid: key for key in (*public, *shared, *private)}

    def find(self, kid: object) -> Key | None:
        """Return the key of this `kid`, None if there is none."""
        return self._keys.get(kid) if isinstance(kid, str) else None

    def public_keys(self) -> dict[str, list[dict[str, Any]]]:
        """Return a JSON Web Key Set (RFC 7517) with which others verify our tokens; empty if all keys are secrets."""
        algorithms = get_default_algorithms()
        return {
            "keys": [
                algorithms[key.algorithm].to_jwk(key.verifies, as_dict=True)
                | {"kid": key.kid, "alg": key.algorithm, "use": "sig", "key_ops": ["verify"]}
                for key in self._keys.values()
                if key.algorithm != "HS256"
            ]
        }


def _shared(secret: str) -> Key:
    # The kid is derived from the key, so that all nodes agree on it without a setting.
    return Key(_kid(b"dorami:" + secret.encode()), "HS256", secret, secret)


def _private(pem: str) -> Key:
    try:
        private = load_pem_private_key(_lines(pem), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise SettingsError(["JWT_PRIVATE_KEY: not a private key in PEM without a password"]) from None
    return _asymmetric("JWT_PRIVATE_KEY", private.public_key(), private)


def _public(pems: str) -> Sequence[Key]:
    name = "JWT_PREVIOUS_PUBLIC_KEYS"
    try:
        loaded = [load_pem_public_key(_lines(pem + _END)) for pem in pems.split(_END) if pem.strip()]
    except (ValueError, UnsupportedAlgorithm):
        raise SettingsError([f"{name}: not one or more public keys in PEM"]) from None
    return [_asymmetric(name, public, None) for public in loaded]


def _asymmetric(setting: str, public: Any, private: Any) -> Key:
    match public:
        case Ed25519PublicKey():
            algorithm = "EdDSA"
        case EllipticCurvePublicKey(curve=SECP256R1()):
            algorithm = "ES256"
        case RSAPublicKey(key_size=size) if size >= MIN_RSA:
            algorithm = "RS256"
        case _:
            raise SettingsError([f"{setting}: neither Ed25519 nor P-256 nor RSA of at least {MIN_RSA} bits"])
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(_kid(der), algorithm, public, private)


def _kid(material: bytes) -> str:
    return hashlib.sha256(material).hexdigest()[:16]


def _lines(pem: str) -> bytes:
    return pem.replace("\\n", "\n").strip().encode()  # environment variables may have line feeds written as \n
