"""Payloads of `/streaming` and of streams over HTTP."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from gateway.protocol.wire import Moment, Payload, Request, StreamKey, Timestamp, now

Title = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
StreamStatus = Literal["SCHEDULED", "LIVE", "ENDED"]


class ViewerJoin(Request):
    """`stream:viewer:join`."""

    stream_key: StreamKey


class ViewerLeave(Request):
    """`stream:viewer:leave`."""

    stream_key: StreamKey


class ViewerJoined(Payload):
    """The ack of `stream:viewer:join`; counts are distinct people over all nodes."""

    stream_key: str
    viewer_count: int
    peak_viewers: int
    live: bool


class ViewerLeft(Payload):
    """The ack of `stream:viewer:leave`."""

    stream_key: str
    viewer_count: int


class ViewerUpdate(Payload):
    """`data` of `stream:viewer:update`."""

    stream_key: str
    viewer_count: int
    timestamp: Timestamp = Field(default_factory=now)


class StreamMoment(Payload):
    """`stream:started` and `stream:ended`."""

    stream_key: str
    timestamp: Timestamp = Field(default_factory=now)


class CreateStream(Request):
    """`POST /streams`; without a key the gateway makes one."""

    title: Title
    key: StreamKey | None = None
    description: Annotated[str, StringConstraints(max_length=5000)] = ""
    scheduled_at: Annotated[Moment, Field(strict=False)] | None = None


class MediaStream(Request):
    """`data` of a media event."""

    stream_key: StreamKey


class MediaEvent(Request):
    """`POST /webhooks/media`: the media server receives a stream, or no more."""

    type: Literal["stream.started", "stream.ended"]
    timestamp: Annotated[Moment, Field(strict=False)]
    data: MediaStream


class StreamView(Payload):
    """A stream as everybody sees it."""

    key: str
    title: str
    description: str
    host_id: str
    status: StreamStatus
    scheduled_at: Timestamp | None
    started_at: Timestamp | None
    ended_at: Timestamp | None
    peak_viewers: int  # at one time
    total_viewers: int  # distinct people that watched at any time
    created_at: Timestamp


class StreamPage(Payload):
    """A page of streams; `next_cursor` is None at the end."""

    items: list[StreamView]
    next_cursor: str | None


class UpcomingStreams(Payload):
    """`upcoming:updated`, and `GET /streams/upcoming`."""

    streams: list[StreamView]
