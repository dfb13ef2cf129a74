"""Payloads of jobs: what an admin asks for, and what whoever waits is told."""

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
    """`POST /jobs`: cut the replay of an ended stream out of its recording, in one or more heights of picture.

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
    """What came of a job of kind `replay`; `duration` in seconds, as the files have it.

    `truncated`: they are shorter than asked for, because the recording ends before it says.
    """

    duration: float
    truncated: bool = False
    files: list[ReplayFile]


class Job(Payload):
    """A job as admins see it. `result` is there when it is DONE."""

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
    """`data` of `job:update`: how far it is, in percent."""

    id: str
    kind: JobKind
    progress: int
    status: JobState
    detail: str
