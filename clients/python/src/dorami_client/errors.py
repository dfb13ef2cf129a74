"""The error of the package."""

from typing import Any


class DoramiError(Exception):
    """A request failed.

    `code` is a code of the gateway, or OFFLINE (the request was not sent), NO_ANSWER (it may have been carried out or
    not), NETWORK (the gateway cannot be reached) or CLOSED. `retryable`: the same request may succeed later, after
    `retry_after` s if known.
    """

    def __init__(self, code: str, message: str = "", *, retryable: bool = False, **more: Any) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.retryable = retryable
        self.retry_after: float | None = more["retryAfterMs"] / 1000 if more.get("retryAfterMs") else None
        self.details = more.get("details")
        self.request_id = more.get("requestId")


def passing(code: str, message: str = "") -> DoramiError:
    """Return an error after which the same request may succeed."""
    return DoramiError(code, message, retryable=True)
