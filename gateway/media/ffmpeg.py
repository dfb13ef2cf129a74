"""Runs ffmpeg as a child process: without a shell, with a time limit, killed on cancellation. Used by media."""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from gateway.media import output
from gateway.media.errors import MediaError
from gateway.media.output import Metadata
from gateway.settings import SettingsError

log = structlog.get_logger()

NICE = "10"  # below other processes of the machine
LOOK = 20.0  # s for reading the head of a file
ERROR_CHUNKS = 20  # pieces at the end of the error output that are kept

# A recording is one local file in one of these formats. Playlists and scripts, which can name other files or addresses,
# are refused by their content, whatever the name of the file is.
CONTAINERS = "mov,matroska,flv,mpegts"
SOURCE = ("-protocol_whitelist", "file", "-format_whitelist", CONTAINERS)


class Ffmpeg:
    """One ffmpeg program. Raises MediaError if it fails."""

    def __init__(self, program: str) -> None:
        """`program` is a name on the PATH or a path. Raises SettingsError if there is no such program."""
        found = shutil.which(program)
        if found is None:
            raise SettingsError([f"FFMPEG: there is no program {program}; install ffmpeg, or say where it is"])
        self._command = [*_guarded(), found, "-hide_banner", "-nostdin", "-nostats"]

    async def look(self, source: Path, size: int) -> Metadata:
        """Return the metadata of a recording of `size` bytes from its container."""
        async with self._run([*SOURCE, "-i", str(source)], LOOK) as process:
            _, errors = await process.communicate()
        text = errors.decode(errors="replace")
        found = output.metadata(text, size)
        if found is None:
            raise MediaError(output.reason(text))
        return found

    async def measure(self, source: Path, limit: float) -> float:
        """Read a recording to its end without decoding it, for at most `limit` s; return its length in seconds."""
        seconds = 0.0

        def progress(done: float) -> None:
            nonlocal seconds
            seconds = done

        await self.convert(
            [*SOURCE, "-i", str(source), "-map", "0:V:0?", "-c", "copy", "-f", "null", "-"], limit, progress
        )
        return seconds

    async def convert(
        self, arguments: Sequence[str], limit: float, progress: Callable[[float], None] = lambda _: None
    ) -> None:
        """Run a conversion for at most `limit` s; call `progress` with the converted seconds.

        `arguments` begin with those of the source, and have no options of clients. A cancellation kills the process.
        """
        options = ["-loglevel", "error", "-y", "-progress", "pipe:1", "-stats_period", "0.5"]
        async with self._run([*options, *arguments], limit) as process:
            errors = asyncio.create_task(_last_errors(process))
            try:
                assert process.stdout is not None  # noqa: S101  asked for in _run
                async for line in process.stdout:
                    if (seconds := output.seconds_done(line.decode(errors="replace"))) is not None:
                        progress(seconds)
                text = await errors
            finally:
                errors.cancel()
            if await process.wait() != 0:
                log.warning("ffmpeg failed", code=process.returncode, said=text)
                raise MediaError(output.reason(text))

    @asynccontextmanager
    async def _run(self, arguments: Sequence[str], limit: float) -> AsyncIterator[asyncio.subprocess.Process]:
        process = await asyncio.create_subprocess_exec(
            *self._command, *arguments, stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        try:
            async with asyncio.timeout(limit):
                yield process
        except TimeoutError:
            raise MediaError("It took too long") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def _guarded() -> list[str]:
    """Return a prefix that lowers the priority and kills the child with its parent, through setpriv(1) of Linux."""
    setpriv, nice = shutil.which("setpriv"), shutil.which("nice")
    return [*([setpriv, "--pdeathsig", "KILL"] if setpriv else []), *([nice, "-n", NICE] if nice else [])]


async def _last_errors(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None  # noqa: S101  asked for in _run
    lines: deque[str] = deque(maxlen=ERROR_CHUNKS)
    while raw := await process.stderr.read(4096):  # not by lines, which may exceed the limit of the reader
        lines.append(raw.decode(errors="replace"))
    return "".join(lines)
