"""The one error of the package."""

from typing import Any


class DoramiError(Exception):
    """Why a request failed.

    `code` is one of the gateway's, or OFFLINE (nothing was sent), NO_ANSWER (it may have been done or not), NETWORK
    (the gateway cannot be reached) or CLOSED. `retryable`: the same request may succeed later, after `retry_after` s
    if that is known.
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
