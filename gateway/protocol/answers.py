"""How a request is answered: one ack, one error event, one HTTP error body. Used by both edges."""

from contextlib import suppress
from typing import Any, Literal

from pydantic import Field, ValidationError

from gateway.errors import CATALOGUE, Code, GatewayError, InvalidPayload
from gateway.protocol.wire import Payload, Timestamp, epoch_ms, now

MAX_DETAILS = 10  # problems that an answer lists
MAX_FIELD_NAME = 100  # characters of a field's name in it


class ErrorBody(Payload):
    """What an ack says of a failure."""

    code: str
    message: str
    retryable: bool
    retry_after_ms: int | None = Field(default=None, exclude_if=lambda v: v is None)
    details: Any = Field(default=None, exclude_if=lambda v: v is None)


class Failure(Payload):
    """The ack of a request that was not done."""

    ok: Literal[False] = False
    error: ErrorBody
    request_id: str
    ts: int = Field(default_factory=epoch_ms)


class ErrorEvent(Payload):
    """The `error` event, to a client that asked for no ack."""

    type: Literal["error"] = "error"
    error_code: str
    message: str
    retry_after_ms: int | None = Field(default=None, exclude_if=lambda v: v is None)
    request_id: str
    timestamp: Timestamp = Field(default_factory=now)


class HttpError(Payload):
    """The body of every HTTP answer from 400 on."""

    status_code: int
    error_code: str
    message: str
    retryable: bool
    details: Any = Field(default=None, exclude_if=lambda v: v is None)
    request_id: str
    timestamp: Timestamp = Field(default_factory=now)


class Refusal(Payload):
    """`data` of a `connect_error`."""

    code: str
    retryable: Literal[False] = False  # what passes by itself is no `connect_error`: official clients give up after one
    until: str | None = Field(default=None, exclude_if=lambda v: v is None)  # of a ban


class Farewell(Payload):
    """`auth:expired`, `auth:revoked` and `server:shutdown`: why the server ends a socket, and whether to come back."""

    code: str
    reconnect: bool
    retry_after_ms: int | None = Field(default=None, exclude_if=lambda v: v is None)


def misfit(error: ValidationError) -> GatewayError:
    """What is wrong with a request that does not fit its shape: the code that a check of the shape names, or a list.

    The list has MAX_DETAILS problems at most. Names of fields come from the client and are cut.
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
    """The message and the data of the `connect_error` that tells of an error."""
    if error.code is not Code.BANNED:
        return error.message, Refusal(code=error.code)
    return CATALOGUE[error.code].message, Refusal(code=error.code, until=(error.details or {}).get("until"))


def failure(error: GatewayError, request_id: str) -> Failure:
    """The ack that tells of an error."""
    body = ErrorBody(
        code=error.code,
        message=error.message,
        retryable=error.retryable,
        retry_after_ms=error.retry_after_ms,
        details=error.details,
    )
    return Failure(error=body, request_id=request_id)


def error_event(error: GatewayError, request_id: str) -> ErrorEvent:
    """The `error` event that tells of an error."""
    return ErrorEvent(
        error_code=error.code, message=error.message, retry_after_ms=error.retry_after_ms, request_id=request_id
    )


def http_error(error: GatewayError, request_id: str, status: int | None = None) -> HttpError:
    """The HTTP body that tells of an error; `status` is given where HTTP knows better than the catalogue (405)."""
    return HttpError(
        status_code=status or error.status,
        error_code=error.code,
        message=error.message,
        retryable=error.retryable,
        details=error.details,
        request_id=request_id,
    )
