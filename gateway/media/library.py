"""The media folder: sources by their names, and what they are made of, remembered for all workers. Used by replays."""

import hashlib
from pathlib import Path

from gateway.media.errors import MediaError
from gateway.media.ffmpeg import Ffmpeg
from gateway.media.output import Metadata
from gateway.metrics import Metrics
from gateway.redis.cache import Cache
from gateway.redis.client import RedisClient

REMEMBERED = 86_400.0  # s; a file that is changed is another one, so nothing is ever stale


class Library:
    """Every name is below one folder. Raises MediaError for what is not there or not a recording."""

    def __init__(self, folder: Path, ffmpeg: Ffmpeg, redis: RedisClient, metrics: Metrics, limit: float) -> None:
        """`limit`: s that measuring a recording may take whose container does not say how long it is."""
        self._limit = limit
        self.folder = folder.resolve()
        self._ffmpeg = ffmpeg
        self._cache: Cache[Metadata] = Cache(redis, metrics, "media", Metadata, REMEMBERED)

    def source(self, name: str) -> Path:
        """Where a source is. Links are followed, but not out of the folder."""
        try:
            path = (self.folder / name).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # not there, not a name, or a link to itself
            raise MediaError("There is no such source") from None
        if not path.is_relative_to(self.folder) or not path.is_file():
            raise MediaError("There is no such source")
        return path

    async def metadata(self, source: Path) -> Metadata:
        """Return the facts of a source, probed once by all workers as long as the file does not change."""
        size, key = _identity(source)
        return await self._cache.read(key, lambda: self._look(source, size))

    async def _look(self, source: Path, size: int) -> Metadata:
        found = await self._ffmpeg.look(source, size)
        if found.duration is None and found.video_codec is not None:
            found = found.model_copy(update={"duration": await self._ffmpeg.measure(source, self._limit)})
        return found

    async def close(self) -> None:
        """Stop probing."""
        await self._cache.close()


def _identity(source: Path) -> tuple[int, str]:
    """Return the size of a file, and a name that changes with its content."""
    state = source.stat()
    said = f"{source}\0{state.st_size}\0{state.st_mtime_ns}"
    return state.st_size, hashlib.sha256(said.encode(errors="surrogateescape")).hexdigest()
