"""Parses the output of ffmpeg: metadata of a file, progress, and the reason of a failure. Called by ffmpeg."""

import re

from pydantic import BaseModel, ConfigDict

_INPUT = re.compile(r"^Input #0,", re.MULTILINE)
_DURATION = re.compile(r"^ *Duration: (\d+):(\d\d):(\d\d(?:\.\d+)?)", re.MULTILINE)
# An attached picture, such as a cover, is not video.
_VIDEO = re.compile(r"^ *Stream #0:\d+.*?: Video: (\w+)(?!.*\(attached pic\)).*?, (\d{1,5})x(\d{1,5})\b", re.MULTILINE)
_AUDIO = re.compile(r"^ *Stream #0:\d+.*?: Audio: (\w+)", re.MULTILINE)

# Texts for users by patterns in the end of ffmpeg's output, the most specific first.
REASONS = (
    (re.compile("No space left on device"), "There is no space left for the replay"),
    (
        re.compile("Invalid data found|moov atom not found|could not find codec|not on whitelist"),
        "The source is not a recording that can be read",
    ),
    (re.compile("No such file|Permission denied"), "The source cannot be read"),
    (re.compile("matches no streams"), "The source has no picture"),
)
UNKNOWN = "The recording could not be converted"


class Metadata(BaseModel):
    """The metadata of a recording. Without video the video fields are None."""

    model_config = ConfigDict(frozen=True)

    duration: float | None  # s; None if the container does not have it, because its recorder was killed
    size: int  # bytes
    video_codec: str | None
    width: int | None
    height: int | None
    audio_codec: str | None


def metadata(text: str, size: int) -> Metadata | None:
    """Parse the output of `ffmpeg -i`. Return None if the file is not a recording."""
    if _INPUT.search(text) is None:
        return None
    length = _DURATION.search(text)
    video, audio = _VIDEO.search(text), _AUDIO.search(text)
    return Metadata(
        duration=int(length[1]) * 3600 + int(length[2]) * 60 + float(length[3]) if length else None,
        size=size,
        video_codec=video[1] if video else None,
        width=int(video[2]) if video else None,
        height=int(video[3]) if video else None,
        audio_codec=audio[1] if audio else None,
    )


def seconds_done(line: str) -> float | None:
    """Return the converted seconds from a line of `-progress`; None for other lines and before the first frame."""
    name, _, value = line.partition("=")
    if name != "out_time_us" or not value.strip().isdigit():  # N/A or negative before the first frame
        return None
    return int(value) / 1_000_000


def reason(errors: str) -> str:
    """Return the reason of a failure, as a text for users."""
    return next((words for pattern, words in REASONS if pattern.search(errors)), UNKNOWN)
