"""Payloads of `/streaming` and of streams over HTTP."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from gateway.clocks import now
from gateway.protocol.text import bounded, clean_line, clean_lines
from gateway.protocol.wire import Cursor, Missed, Moment, Money, Payload, Request, Since, StreamKey, Timestamp

Title = Annotated[str, bounded(clean_line, 200), Field(json_schema_extra={"maxLength": 200})]
Description = Annotated[str, bounded(clean_lines, 5000), Field(json_schema_extra={"maxLength": 5000})]
StreamStatus = Literal["SCHEDULED", "LIVE", "ENDED", "CANCELLED"]


class ViewerJoin(Request):
    """`stream:viewer:join`."""

    stream_key: StreamKey
    since: Since | None = None


class ViewerLeave(Request):
    """`stream:viewer:leave`."""

    stream_key: StreamKey


class ViewerJoined(Payload):
    """The ack of `stream:viewer:join`; counts are of distinct people over all nodes."""

    stream_key: str
    viewer_count: int
    peak_viewers: int
    total_viewers: int
    live: bool
    cursor: Cursor
    recovered: bool
    events: list[Missed] | None = Field(default=None, exclude_if=lambda v: v is None)


class ViewerLeft(Payload):
    """The ack of `stream:viewer:leave`."""

    stream_key: str
    viewer_count: int


class ViewerUpdate(Payload):
    """`data` of `stream:viewer:update`."""

    stream_key: str
    viewer_count: int
    timestamp: Timestamp = Field(default_factory=now)


class StreamStats(Payload):
    """`stream:stats` and `GET /streams/{key}/stats`. Rates are of the last minute.

    `orders` and `revenue` count what was ordered since the stream began and is neither cancelled nor expired, paid or
    not.
    """

    stream_key: str
    viewers: int
    messages_per_minute: int
    orders_per_minute: int
    orders: int
    revenue: Money
    at: Timestamp


class HostedStats(Payload):
    """The numbers of a stream, with its host, as nodes share them."""

    host_id: str
    stats: StreamStats


class SendHearts(Request):
    """`stream:heart`: clients add up hearts, and send the sum at most once a second."""

    stream_key: StreamKey
    count: int = Field(default=1, ge=1, le=50)


class HeartsSent(Payload):
    """The ack of `stream:heart`."""

    stream_key: str


class Hearts(Payload):
    """`data` of `stream:hearts`: the hearts sent through one node since its last event, the receiver's own too."""

    stream_key: str
    count: int
    timestamp: Timestamp = Field(default_factory=now)


class StreamStarted(Payload):
    """`stream:started`; `resumed`: the stream had ended and continues."""

    stream_key: str
    resumed: bool = Field(default=False, exclude_if=lambda v: not v)
    timestamp: Timestamp = Field(default_factory=now)


class StreamEnded(Payload):
    """`stream:ended`."""

    stream_key: str
    timestamp: Timestamp = Field(default_factory=now)


class CreateStream(Request):
    """`POST /streams`; without a key the gateway makes one. `ordersWhenNotLive`: accept orders before and after."""

    title: Title
    key: StreamKey | None = None
    description: Description = ""
    scheduled_at: Moment | None = None
    orders_when_not_live: bool = False


class ChangeStream(Request):
    """`PATCH /streams/{key}`: the given fields change. The time of a started stream cannot change."""

    title: Title | None = None
    description: Description | None = None
    scheduled_at: Moment | None = None
    orders_when_not_live: bool | None = None

    @model_validator(mode="after")
    def _something(self) -> "ChangeStream":
        given = self.model_fields_set
        if not given:
            raise ValueError("give at least one field")
        if any(getattr(self, name) is None for name in given - {"scheduled_at"}):
            raise ValueError("only scheduledAt may be null")
        return self


class DuplicateStream(Request):
    """`POST /streams/{key}/duplicate`: a scheduled stream like this one, with its products unless `products` is false.

    Without a key the gateway makes one, without a title the copy has the same.
    """

    key: StreamKey | None = None
    title: Title | None = None
    scheduled_at: Moment | None = None
    products: bool = True


class IngestKey(Payload):
    """The answer to `POST /streams/{key}/ingest-key`: a secret for the encoder, which cannot be read again."""

    stream_key: str
    ingest_key: str = Field(repr=False)
    created_at: Timestamp


class MediaStream(Request):
    """`data` of a media event: the stream by its key, or by its ingest key; exactly one of the two."""

    stream_key: StreamKey | None = None
    ingest_key: Annotated[str, StringConstraints(min_length=1, max_length=128)] | None = Field(None, repr=False)

    @model_validator(mode="after")
    def _either(self) -> "MediaStream":
        if (self.stream_key is None) == (self.ingest_key is None):
            raise ValueError("give either streamKey or ingestKey")
        return self


class MediaEvent(Request):
    """`POST /webhooks/media`: the media server receives a stream, or no longer receives it."""

    type: Literal["stream.started", "stream.ended"]
    timestamp: Moment
    data: MediaStream


class StreamView(Payload):
    """A stream."""

    key: str
    title: str
    description: str
    host_id: str
    status: StreamStatus
    scheduled_at: Timestamp | None
    started_at: Timestamp | None
    ended_at: Timestamp | None
    closes_at: Timestamp | None  # of an ended stream: until then it can be resumed, and its chat is open
    orders_when_not_live: bool
    peak_viewers: int  # at one time
    total_viewers: int  # distinct people who watched at any time
    created_at: Timestamp


class StreamPage(Payload):
    """A page of streams; `next_cursor` is None at the end."""

    items: list[StreamView]
    next_cursor: str | None


class UpcomingStreams(Payload):
    """`upcoming:updated`: the first streams of `GET /streams/upcoming`."""

    streams: list[StreamView]


class StreamList(Payload):
    """A page of `GET /streams/active` or `/streams/upcoming`; `next_cursor` is None at the end."""

    streams: list[StreamView]
    next_cursor: str | None
