"""The media folder: finds sources by name, and caches their metadata for all job workers. Used by replays."""

import hashlib
from pathlib import Path

from gateway.media.errors import MediaError
from gateway.media.ffmpeg import Ffmpeg
from gateway.media.output import Metadata
from gateway.metrics import Metrics
from gateway.redis.cache import Cache
from gateway.redis.client import RedisClient

REMEMBERED = 86_400.0  # s; the key changes with the file, so an entry is never outdated


class Library:
    """Reads sources, whose names are paths in one folder. Raises MediaError for a missing file or no recording."""

    def __init__(self, folder: Path, ffmpeg: Ffmpeg, redis: RedisClient, metrics: Metrics, limit: float) -> None:
        """`limit`: s for measuring a recording whose container has no duration."""
        self._limit = limit
        self.folder = folder.resolve()
        self._ffmpeg = ffmpeg
        self._cache: Cache[Metadata] = Cache(redis, metrics, "media", Metadata, REMEMBERED)

    def source(self, name: str) -> Path:
        """Return the path of a source. Links must not lead out of the folder."""
        try:
            path = (self.folder / name).resolve(strict=True)
        except (OSError, ValueError, RuntimeError):  # not there, not a name, or a link to itself
            raise MediaError("There is no such source") from None
        if not path.is_relative_to(self.folder) or not path.is_file():
            raise MediaError("There is no such source")
        return path

    async def metadata(self, source: Path) -> Metadata:
        """Return the metadata of a source, which all job workers together read once, until the file changes."""
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
    """Return the size of a file, and a key that changes with its content."""
    state = source.stat()
    text = f"{source}\0{state.st_size}\0{state.st_mtime_ns}"
    return state.st_size, hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
