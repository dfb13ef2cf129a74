"""The catalogue of errors is that of the wire contract, spelled here once more: clients were written for it."""

from gateway.errors import CATALOGUE

STATUSES = {
    "INVALID_PAYLOAD": 400,
    "INVALID_MESSAGE": 400,
    "MESSAGE_TOO_LONG": 400,
    "AUTH_REQUIRED": 401,
    "TOKEN_EXPIRED": 401,
    "TOKEN_REVOKED": 401,
    "FORBIDDEN": 403,
    "CSRF_TOKEN_MISSING": 403,
    "CSRF_TOKEN_INVALID": 403,
    "MUTED": 403,
    "BANNED": 403,
    "NOT_FOUND": 404,
    "UNKNOWN_EVENT": 404,
    "NOT_IN_ROOM": 409,
    "CONFLICT": 409,
    "INSUFFICIENT_STOCK": 409,
    "PRICE_CHANGED": 409,
    "ROOM_FROZEN": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "RATE_LIMIT_EXCEEDED": 429,
    "SLOW_MODE": 429,
    "INTERNAL_ERROR": 500,
    "SERVICE_UNAVAILABLE": 503,
}


def test_codes_and_statuses_are_those_of_the_contract() -> None:
    assert {code.value: entry.status for code, entry in CATALOGUE.items()} == STATUSES


def test_what_passes_by_itself_may_be_repeated() -> None:
    repeatable = {code.value for code, entry in CATALOGUE.items() if entry.retryable}
    assert repeatable == {"RATE_LIMIT_EXCEEDED", "SLOW_MODE", "SERVICE_UNAVAILABLE"}
