"""The forms of answers to failed requests: ack, error event, HTTP body, refused CONNECT. Used by the edges."""

from contextlib import suppress
from typing import Any, Literal

from pydantic import Field, ValidationError

from gateway.clocks import epoch_ms, now
from gateway.errors import CATALOGUE, Code, GatewayError, InvalidPayload
from gateway.protocol.wire import Payload, Timestamp

MAX_DETAILS = 10  # problems listed in an answer
MAX_FIELD_NAME = 100  # characters of a field's name in an answer


class ErrorBody(Payload):
    """The error in an ack."""

    code: Code
    message: str
    retryable: bool
    retry_after_ms: int | None = Field(default=None, exclude_if=lambda v: v is None)
    details: Any = Field(default=None, exclude_if=lambda v: v is None)


class Failure(Payload):
    """The ack of a failed request."""

    ok: Literal[False] = False
    error: ErrorBody
    request_id: str
    ts: int = Field(default_factory=epoch_ms)


class ErrorEvent(Payload):
    """The `error` event, sent to a client that asked for no ack; `event` is the name it sent, None for no string."""

    type: Literal["error"] = "error"
    event: str | None
    error_code: Code
    message: str
    retryable: bool
    retry_after_ms: int | None = Field(default=None, exclude_if=lambda v: v is None)
    details: Any = Field(default=None, exclude_if=lambda v: v is None)
    request_id: str
    timestamp: Timestamp = Field(default_factory=now)


class HttpError(Payload):
    """The body of HTTP answers with status 400 and above."""

    status_code: int
    error_code: Code
    message: str
    retryable: bool
    retry_after_ms: int | None = Field(default=None, exclude_if=lambda v: v is None)
    details: Any = Field(default=None, exclude_if=lambda v: v is None)
    request_id: str
    timestamp: Timestamp = Field(default_factory=now)


class Refusal(Payload):
    """`data` of a `connect_error`."""

    code: Code
    retryable: Literal[False] = False  # passing errors close the transport instead: clients give up after this one
    until: str | None = Field(default=None, exclude_if=lambda v: v is None)  # of a ban


class Farewell(Payload):
    """`auth:expired`, `auth:revoked` and `server:shutdown`: why the server ends a socket, and whether to reconnect."""

    code: Code
    reconnect: bool
    retry_after_ms: int | None = Field(default=None, exclude_if=lambda v: v is None)


def payload_error(error: ValidationError) -> GatewayError:
    """Return the error for a request that does not match its shape.

    That is the error that a validator of the shape names, else InvalidPayload with at most MAX_DETAILS problems. Names
    of fields come from the client and are shortened.
    """
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    for problem in problems:
        with suppress(ValueError):
            return GatewayError(Code(problem["type"]), problem["msg"])
    return InvalidPayload(
        details=[
            {"field": ".".join(map(str, problem["loc"]))[:MAX_FIELD_NAME], "problem": problem["msg"]}
            for problem in problems[:MAX_DETAILS]
        ]
    )


def refusal(error: GatewayError) -> tuple[str, Refusal]:
    """Return the message and the data of the `connect_error` for an error."""
    if error.code is not Code.BANNED:
        return error.message, Refusal(code=error.code)
    return CATALOGUE[error.code].message, Refusal(code=error.code, until=(error.details or {}).get("until"))


def failure(error: GatewayError, request_id: str) -> Failure:
    """Return the ack for an error."""
    body = ErrorBody(
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        details=error.details,
    )
    return Failure(error=body, request_id=request_id)


def error_event(error: GatewayError, event: object, request_id: str) -> ErrorEvent:
    """Return the `error` event for an error; `event` is the name that the client sent, and is cut if it is long."""
    return ErrorEvent(
        event=event[:MAX_FIELD_NAME] if isinstance(event, str) else None,
        error_code=error.code,
        message=error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        details=error.details,
        request_id=request_id,
    )


def http_error(error: GatewayError, request_id: str, status: int | None = None) -> HttpError:
    """Return the HTTP body for an error; `status` overrides the status of the catalogue."""
    return HttpError(
        status_code=status or error.status,
        error_code=error.code,
        message=error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        details=error.details,
        request_id=request_id,
    )
