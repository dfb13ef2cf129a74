"""Signatures of webhooks: the example of the specification, and what is refused."""

import base64

import pytest

from gateway.errors import AuthRequired
from gateway.security.webhooks import TOLERANCE, WebhookSignature

# From the specification: https://github.com/standard-webhooks/standard-webhooks
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
SENT = 1614265330
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(SENT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


@pytest.fixture
def signature() -> WebhookSignature:
    return WebhookSignature(SECRET, clock=lambda: SENT + 1)


def test_the_signature_of_the_specification(signature: WebhookSignature) -> None:
    assert signature.sign(HEADERS["webhook-id"], SENT, BODY) == HEADERS["webhook-signature"]
    signature.verify(HEADERS, BODY)


def test_one_of_several_signatures_is_enough(signature: WebhookSignature) -> None:
    other = "v1," + base64.b64encode(b"another secret's").decode()
    signature.verify(HEADERS | {"webhook-signature": f"{other} {HEADERS['webhook-signature']} v1a,unknown"}, BODY)


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_may_not_be_missing(signature: WebhookSignature, header: str) -> None:
    with pytest.raises(AuthRequired):
        signature.verify({name: value for name, value in HEADERS.items() if name != header}, BODY)


@pytest.mark.parametrize("moment", ["-1", "1e9", "¹", "9" * 40, str(SENT + 1)])
def test_the_timestamp_is_signed(signature: WebhookSignature, moment: str) -> None:
    with pytest.raises(AuthRequired):
        signature.verify(HEADERS | {"webhook-timestamp": moment}, BODY)


def test_another_body_is_refused(signature: WebhookSignature) -> None:
    with pytest.raises(AuthRequired):
        signature.verify(HEADERS, BODY + b" ")


@pytest.mark.parametrize("seconds", [TOLERANCE + 1, -TOLERANCE - 1])
def test_a_replayed_webhook_is_refused(seconds: float) -> None:
    with pytest.raises(AuthRequired):
        WebhookSignature(SECRET, clock=lambda: SENT + seconds).verify(HEADERS, BODY)


@pytest.mark.parametrize("header", ["webhook-id", "webhook-signature"])
def test_a_header_with_invalid_utf8_is_refused(signature: WebhookSignature, header: str) -> None:
    with pytest.raises(AuthRequired):
        signature.verify(HEADERS | {header: b"v1,\xff".decode(errors="surrogateescape")}, BODY)
