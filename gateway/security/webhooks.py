"""Signatures of webhooks, as standardwebhooks.com specifies them. Used by the HTTP edge."""

import base64
import hmac
from collections.abc import Callable, Mapping

from gateway.clocks import postgres_clock
from gateway.errors import AuthRequired

PREFIX = "whsec_"
MESSAGE_ID = "webhook-id"  # the header; repetitions of a message have the same value
TOLERANCE = 300.0  # s between the sender's clock and PostgreSQL's; older messages may be replayed ones


class WebhookSignature:
    """HMAC-SHA256 of `id.timestamp.body` with a shared secret.

    Headers: `webhook-id`, `webhook-timestamp` (s since 1970), `webhook-signature` (`v1,<base64>`; several, separated by
    spaces, while the sender changes its secret).
    """

    def __init__(self, secret: str, clock: Callable[[], float] = postgres_clock.time) -> None:
        """Take the secret as `whsec_` followed by Base64."""
        self._key = base64.b64decode(secret.removeprefix(PREFIX))
        self._clock = clock

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """Return the signature of a message."""
        signed = b".".join((_bytes(message_id), str(timestamp).encode(), body))
        return "v1," + base64.b64encode(hmac.digest(self._key, signed, "sha256")).decode()

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise AuthRequired for a message without a valid signature, or signed more than TOLERANCE ago."""
        message_id, sent = headers.get(MESSAGE_ID, ""), headers.get("webhook-timestamp", "")
        if not message_id or not (sent.isascii() and sent.isdigit() and len(sent) <= 12):
            raise AuthRequired("The message is not signed")
        if abs(self._clock() - int(sent)) > TOLERANCE:
            raise AuthRequired("The message is too old, or its timestamp is in the future")
        expected = self.sign(message_id, int(sent), body).encode()
        given = _bytes(headers.get("webhook-signature", "")).split()
        if not any([hmac.compare_digest(expected, signature) for signature in given]):  # noqa: C419  all, always
            raise AuthRequired("The signature is wrong")


def _bytes(header: str) -> bytes:
    """Return the bytes of a header; aiohttp decodes bytes that are not UTF-8 to surrogates."""
    return header.encode("utf-8", "surrogateescape")
