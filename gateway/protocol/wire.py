"""The base classes and types of payloads: strict for requests, camelCase in both directions."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, StringConstraints
from pydantic.alias_generators import to_camel

from gateway.clocks import iso

StreamKey = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
Identifier = Annotated[str, StringConstraints(min_length=1, max_length=64)]
Reason = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]  # PostgreSQL cannot store NUL

Timestamp = Annotated[
    datetime,
    # The format of JavaScript's toISOString(): UTC, milliseconds, Z.
    PlainSerializer(iso, return_type=str),
    Field(json_schema_extra={"format": "date-time"}),
]
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)", re.ASCII | re.IGNORECASE)


def _timestamp(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if not (isinstance(value, str) and RFC_3339.fullmatch(value)):
        raise ValueError("not a timestamp with an offset, such as 2026-11-21T12:00:00Z")
    return datetime.fromisoformat(value.upper())


# A timestamp from clients, as RFC 3339 text, in a range that can be converted to UTC.
Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_timestamp),
    Field(ge=datetime(2000, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC)),
]
Money = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]  # decimal(10,2), a JSON number


class Request(BaseModel):
    """The base class of requests. Wrong types and unknown fields are refused, nothing is converted."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        extra="forbid",
        strict=True,
        frozen=True,
        str_strip_whitespace=False,
        populate_by_name=False,
        hide_input_in_errors=True,  # it may be a password
    )


class Payload(BaseModel):
    """The base class of the payloads that the gateway sends."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        frozen=True,
        populate_by_name=True,
        serialize_by_alias=True,
        json_schema_serialization_defaults_required=True,  # fields with a default are always sent
    )


class Typed(Payload):
    """The envelope of most broadcasts: `{type, data}`; `type` repeats the event's name."""

    type: str
    data: Any


class Stamp(Payload):
    """The fields that every logged event has beside those of its payload: room, place and time of the commit."""

    room: str
    seq: int
    epoch: str
    at: Timestamp


class StreamTime(Payload):
    """A further field of the data of an event of a stream's room: ms since the stream first went live.

    It is left out for events before that.
    """

    stream_time: int | None = Field(default=None, exclude_if=lambda v: v is None)


class Cursor(Payload):
    """A place in a room log. `epoch` identifies the log; cursors of other epochs are void."""

    epoch: str
    seq: int


class Since(Request):
    """A cursor that a client received earlier and sends back."""

    epoch: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    seq: int


class Missed(Payload):
    """One event that a client missed, as it was broadcast."""

    event: str
    payload: Any
    seq: int
