"""Bounds on the JSON of clients. Checked before the shape: to report 6,000 unknown fields takes pydantic 30 ms."""

from typing import Any, Final

from gateway.errors import InvalidPayload

MAX_FIELDS: Final = 32  # of one object; our shapes have at most half of that
MAX_DEPTH: Final = 8  # of nested objects and lists
MAX_EVENT_VALUES: Final = 256  # in the payload of an event, at all depths
MAX_BODY_VALUES: Final = 4096  # in the body of an HTTP request; the largest changes many products

_CONTAINERS: Final = frozenset((dict, list))
_SMALL: Final = MAX_EVENT_VALUES // MAX_FIELDS - 1  # values of a list or an object, itself not counted


def check_event(payload: dict[str, Any]) -> None:
    """Raise InvalidPayload if the payload of an event is larger than any of our shapes."""
    if len(payload) > MAX_FIELDS:
        raise InvalidPayload("The object has too many fields")
    for value in payload.values():
        kind = value.__class__
        if kind in _CONTAINERS and (
            # 32 small flat values are within all bounds: nearly all payloads end here.
            len(value) > _SMALL or not _CONTAINERS.isdisjoint(map(type, value.values() if kind is dict else value))
        ):
            check_values(payload, MAX_EVENT_VALUES)
            return


def check_values(value: object, most: int) -> None:
    """Raise InvalidPayload if parsed JSON has more than `most` values, too large an object, or too deep a nesting.

    The work is bounded by `most`.
    """
    count, level = 1, [value]
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                if len(item) > MAX_FIELDS:
                    raise InvalidPayload("An object has too many fields")
            elif not isinstance(item, list):
                continue
            count += len(item)
            if count > most:
                raise InvalidPayload("The request holds too many values")
            deeper += item.values() if isinstance(item, dict) else item
        if not deeper:
            return
        level = deeper
    raise InvalidPayload("The request is nested too deeply")
