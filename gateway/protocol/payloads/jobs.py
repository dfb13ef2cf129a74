"""Payloads of jobs: requests, views and updates."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, field_validator, model_validator

from gateway.protocol.wire import Payload, Request, StreamKey, Timestamp

LONGEST = 86_400.0  # s of a recording
SHORTEST = 0.5  # s of a cut
JobKind = Literal["replay"]
JobState = Literal["QUEUED", "RUNNING", "DONE", "FAILED", "CANCELLED"]
Rendition = Literal["1080p", "720p", "480p", "360p"]
Seconds = Annotated[float, Field(ge=0, le=LONGEST, allow_inf_nan=False)]


class CreateJob(Request):
    """`POST /jobs`: cut the replay of an ended stream from its recording, in one or more renditions.

    `source` is a path below the media folder; `from` and `to` are seconds from its beginning.
    """

    kind: JobKind
    stream_key: StreamKey
    source: Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\\]+$")]
    from_: Seconds = Field(0.0, alias="from")
    to: Seconds | None = None
    renditions: Annotated[list[Rendition], Field(min_length=1, max_length=4)] = Field(default=["720p"])

    @field_validator("source")
    @classmethod
    def _below(cls, source: str) -> str:
        if any(part in ("", ".", "..") for part in source.split("/")):
            raise ValueError("not a path below the media folder")
        return source

    @field_validator("renditions")
    @classmethod
    def _once(cls, renditions: list[Rendition]) -> list[Rendition]:
        if len(set(renditions)) < len(renditions):
            raise ValueError("a rendition is named twice")
        return renditions

    @model_validator(mode="after")
    def _forwards(self) -> "CreateJob":
        if self.to is not None and self.to - self.from_ < SHORTEST:
            raise ValueError(f"the cut must end at least {SHORTEST} s after it begins")
        return self


class ReplayFile(Payload):
    """One finished file; `path` is below the media folder, `size` in bytes."""

    rendition: Rendition
    path: str
    size: int


class Replay(Payload):
    """The result of a job of kind `replay`; `duration` is that of the files, in seconds.

    `truncated`: the files are shorter than requested, because the recording ends earlier than it states.
    """

    duration: float
    truncated: bool = False
    files: list[ReplayFile]


class Job(Payload):
    """A job. `result` is null unless the job is DONE."""

    id: str
    kind: JobKind
    stream_key: str
    status: JobState
    progress: int
    detail: str
    result: dict[str, Any] | None
    created_at: Timestamp
    started_at: Timestamp | None
    ended_at: Timestamp | None


class JobPage(Payload):
    """A page of jobs, newest first; `next_cursor` is null at the end."""

    items: list[Job]
    next_cursor: str | None


class JobUpdate(Payload):
    """`data` of `job:update`; `progress` is in percent."""

    id: str
    kind: JobKind
    progress: int
    status: JobState
    detail: str
