"""Cuts replays from recordings, in one or more renditions. Called by the job runner."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import structlog

from gateway.media.errors import MediaError
from gateway.media.ffmpeg import SOURCE, Ffmpeg
from gateway.media.library import Library
from gateway.media.output import Metadata
from gateway.protocol.payloads.jobs import SHORTEST, CreateJob, Rendition, Replay, ReplayFile

log = structlog.get_logger()

FOLDER = "replays"  # in the media folder
# If a replay is shorter than requested by more than SHORT s and SHARE of its length, the recording was truncated.
SHORT, SHARE = 1.0, 0.01
WIDEST = 4096  # pixels; the limit of players and of the encoder
FINISHED = re.compile(r"(?P<job>[0-9a-f-]{36})-\d+p\.mp4")


class Replays:
    """Makes replays. A file gets its name when it is complete; a repeated job replaces it. Raises MediaError."""

    def __init__(self, library: Library, ffmpeg: Ffmpeg, limit: float) -> None:
        """`limit`: s for one replay."""
        self._library = library
        self._ffmpeg = ffmpeg
        self._limit = limit

    async def make(self, job_id: str, run: str, request: CreateJob, progress: Callable[[float], None]) -> Replay:
        """Make all renditions; call `progress` with the completed part, from 0 to 1.

        `run` is part of the names of unfinished files, so that two runs of a job do not share them.
        """
        source = self._library.source(request.source)
        metadata = await self._library.metadata(source)
        duration = _length(metadata, request)
        folder = self._library.folder / FOLDER / request.stream_key
        folder.mkdir(parents=True, exist_ok=True)
        finished = {rendition: folder / f"{job_id}-{rendition}.mp4" for rendition in request.renditions}
        for left in folder.glob(f".{job_id}-*.part"):  # by a run whose worker was lost
            left.unlink(missing_ok=True)
        with ExitStack() as remains:
            unfinished = {rendition: folder / f".{job_id}-{rendition}-{run}.part" for rendition in request.renditions}
            for part in unfinished.values():
                remains.callback(part.unlink, missing_ok=True)
            arguments = conversion(source, request.from_, duration, unfinished)
            await self._ffmpeg.convert(arguments, self._limit, lambda seconds: progress(min(1.0, seconds / duration)))
            made = await self._made(next(iter(unfinished.values())))
            for rendition, part in unfinished.items():
                part.replace(finished[rendition])
        return Replay(
            duration=round(made, 3),
            truncated=made < duration - max(SHORT, SHARE * duration),
            files=[self._file(*item) for item in finished.items()],
        )

    async def _made(self, part: Path) -> float:
        """Return the real duration of a file: a source may end before the duration of its container."""
        made = await self._ffmpeg.look(part, 0)
        if made.video_codec is None or not made.duration:
            raise MediaError("The cut has no picture")
        return made.duration

    async def discard(self, job_id: str) -> None:
        """Delete the finished files of a cancelled or old job."""
        await asyncio.to_thread(self._delete, lambda job: job == job_id, time.time() + 1)

    async def tidy(self, ended: Callable[[set[str]], Awaitable[set[str]]]) -> None:
        """Delete files that dead workers have left.

        These are unfinished files that no run can still write, and finished files of jobs without a result. `ended`
        returns which of the given jobs have none.
        """
        before = time.time() - self._limit
        await asyncio.to_thread(self._tidy, before)
        if jobs := await asyncio.to_thread(self._jobs):
            useless = await ended(jobs)
            await asyncio.to_thread(self._delete, lambda job: job in useless, before)

    def _tidy(self, before: float) -> None:
        for part in (self._library.folder / FOLDER).glob("*/.*.part"):
            with suppress(FileNotFoundError):  # its run has renamed it, or another worker has deleted it
                if part.stat().st_mtime < before:
                    part.unlink()
                    log.info("an unfinished replay was deleted", name=part.name)

    def _jobs(self) -> set[str]:
        names = (FINISHED.fullmatch(path.name) for path in (self._library.folder / FOLDER).glob("*/*.mp4"))
        return {found["job"] for found in names if found}

    def _delete(self, chosen: Callable[[str], bool], before: float) -> None:
        for path in (self._library.folder / FOLDER).glob("*/*.mp4"):
            found = FINISHED.fullmatch(path.name)
            with suppress(FileNotFoundError):  # another worker has deleted it
                if found and chosen(found["job"]) and path.stat().st_mtime < before:
                    path.unlink()
                    log.info("a replay was deleted", name=path.name)

    def _file(self, rendition: Rendition, path: Path) -> ReplayFile:
        name = path.relative_to(self._library.folder).as_posix()
        return ReplayFile(rendition=rendition, path=name, size=path.stat().st_size)


def _length(metadata: Metadata, request: CreateJob) -> float:
    """Return the duration of the replay in seconds. Raises MediaError if the recording is too short."""
    if metadata.video_codec is None or metadata.duration is None:
        raise MediaError("The source has no picture")
    end = metadata.duration if request.to is None else min(request.to, metadata.duration)
    if end - request.from_ < SHORTEST:
        raise MediaError("The cut begins after the end of the recording")
    return end - request.from_


def conversion(source: Path, begin: float, duration: float, targets: dict[Rendition, Path]) -> Sequence[str]:
    """Return ffmpeg's arguments. It reads the source once for all targets, and enlarges no picture."""
    arguments = [*SOURCE, "-ss", f"{begin:.3f}", "-t", f"{duration:.3f}", "-i", str(source)]
    for rendition, target in targets.items():
        # The format needs even numbers of at least 2, also for a picture that is very tall or very wide.
        lines = f"min({rendition.removesuffix('p')}\\,ih)"
        width = f"min({WIDEST}\\,max(2\\,trunc(iw*{lines}/ih/2)*2))"
        height = f"max(2\\,trunc({lines}/2)*2)"
        arguments += ["-map", "0:V:0", "-map", "0:a:0?", "-vf", f"scale={width}:{height}"]
        arguments += ["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
        arguments += ["-movflags", "+faststart", "-f", "mp4", str(target)]
    return arguments
