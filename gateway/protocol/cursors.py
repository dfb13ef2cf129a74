"""Cursors of HTTP lists: where a page ended, opaque to clients. Used by the services that page."""

import base64
import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.errors import InvalidPayload

Key = TypeVar("Key")


def encode(key: tuple[Any, ...]) -> str:
    """Return the cursor for the sort key of the last item of a page."""
    return base64.urlsafe_b64encode(json.dumps(key, separators=(",", ":")).encode()).decode().rstrip("=")


def decode(cursor: str, shape: type[Key]) -> Key:
    """Return the sort key in a cursor, checked to be a tuple of this shape. Raises InvalidPayload."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return TypeAdapter(shape).validate_json(text, strict=True)
    except (ValueError, ValidationError):
        raise InvalidPayload(details=[{"field": "cursor", "problem": "not a cursor of this list"}]) from None
