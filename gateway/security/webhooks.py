"""Signatures of what other servers tell us, as standardwebhooks.com describes them. Used by the HTTP edge."""

import base64
import hmac
from collections.abc import Callable, Mapping

from gateway.clocks import postgres_clock
from gateway.errors import AuthRequired

PREFIX = "whsec_"
MESSAGE_ID = "webhook-id"  # the header: the same for each repetition of a message
TOLERANCE = 300.0  # s between the sender's clock and PostgreSQL's; what is older is somebody's recording


class WebhookSignature:
    """HMAC-SHA256 over `id.timestamp.body` under a secret that both sides know.

    Headers: `webhook-id`, `webhook-timestamp` (s since 1970), `webhook-signature` (`v1,<base64>`; several, parted by
    spaces, while the sender changes its secret).
    """

    def __init__(self, secret: str, clock: Callable[[], float] = postgres_clock.time) -> None:
        """`secret` is `whsec_` and Base64."""
        self._key = base64.b64decode(secret.removeprefix(PREFIX))
        self._clock = clock

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """The signature of one message."""
        signed = b".".join((_bytes(message_id), str(timestamp).encode(), body))
        return "v1," + base64.b64encode(hmac.digest(self._key, signed, "sha256")).decode()

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raises AuthRequired for a message that is not signed, not by this secret, or not now."""
        message_id, sent = headers.get(MESSAGE_ID, ""), headers.get("webhook-timestamp", "")
        if not message_id or not (sent.isascii() and sent.isdigit() and len(sent) <= 12):
            raise AuthRequired("The message is not signed")
        if abs(self._clock() - int(sent)) > TOLERANCE:
            raise AuthRequired("The message is too old, or of the future")
        expected = self.sign(message_id, int(sent), body).encode()
        given = _bytes(headers.get("webhook-signature", "")).split()
        if not any([hmac.compare_digest(expected, signature) for signature in given]):  # noqa: C419  all, always
            raise AuthRequired("The signature is wrong")


def _bytes(header: str) -> bytes:
    """A header as it came: what is no UTF-8 stands in it as surrogates."""
    return header.encode("utf-8", "surrogateescape")
