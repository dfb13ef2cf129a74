"""Cursors of HTTP lists: where a page ended, opaque to clients. Used by the services that page."""

import base64
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from gateway.errors import InvalidPayload

Item = TypeVar("Item")
Key = TypeVar("Key")


def page(
    items: Sequence[Item], limit: int, key: Callable[[Item], tuple[Any, ...]]
) -> tuple[Sequence[Item], str | None]:
    """Return the first `limit` items, and the cursor of the next page; None if there are no more items."""
    shown = items[:limit]
    return shown, encode(key(shown[-1])) if len(items) > limit else None


def encode(key: tuple[Any, ...]) -> str:
    """Return the cursor for the sort key of the last item of a page. Times and UUIDs become text."""
    text = json.dumps(key, separators=(",", ":"), default=_text)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, shape: type[Key]) -> Key:
    """Return the sort key in a cursor, checked to be a tuple of this shape. Raises InvalidPayload."""
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return TypeAdapter(shape).validate_json(text, strict=True)
    except (ValueError, ValidationError):
        raise InvalidPayload(details=[{"field": "cursor", "problem": "not a cursor of this list"}]) from None


def _text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
