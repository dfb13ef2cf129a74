"""Stores how many people watch a stream at most, and how many have watched it. Used by viewers."""

import asyncio
from dataclasses import dataclass, field

from gateway.postgres.database import Database

# A minute after the end of a stream all nodes have stored their viewers; after that the numbers do not change.
RECORD = """
    WITH stream AS MATERIALIZED (
        SELECT key FROM streams WHERE key = $1 AND (ended_at IS NULL OR ended_at > now() - interval '1 minute')
    ), seen AS (
        INSERT INTO stream_viewers (stream_key, viewer_id)
        SELECT s.key, v.id FROM stream s CROSS JOIN unnest($2::text[]) v (id) ORDER BY v.id
        ON CONFLICT DO NOTHING RETURNING 1
    ), gone AS (
        DELETE FROM stream_viewers WHERE stream_key IN (SELECT key FROM stream) AND viewer_id = ANY ($3) RETURNING 1
    ), new AS (
        SELECT (SELECT count(*) FROM seen) - (SELECT count(*) FROM gone) AS people
    )
    UPDATE streams SET peak_viewers = greatest(peak_viewers, $4), total_viewers = total_viewers + new.people
    FROM new WHERE key = $1 AND (peak_viewers < $4 OR new.people <> 0)
"""


@dataclass
class _Unstored:
    """The changes of one stream that are not stored yet. `added` and `removed` are disjoint."""

    added: set[str] = field(default_factory=set)
    removed: set[str] = field(default_factory=set)
    peak: int = 0


class ViewerTotals:
    """Collects changes in memory until `store`. A killed node loses the changes since the last call.

    The ids of viewers are stored until an hour after the stream has closed. So the total is the exact number of
    distinct people over all nodes and devices, and survives a loss of Redis.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unstored: dict[str, _Unstored] = {}
        self._lock = asyncio.Lock()

    def add(self, key: str, who: str) -> None:
        """Add a viewer of a stream; repetitions have no effect."""
        unstored = self._unstored.setdefault(key, _Unstored())
        unstored.added.add(who)
        unstored.removed.discard(who)

    def remove(self, key: str, who: str) -> None:
        """Remove a viewer who turned out to be another person, such as a guest who logged in."""
        unstored = self._unstored.setdefault(key, _Unstored())
        unstored.added.discard(who)
        unstored.removed.add(who)

    def peak(self, key: str, peak: int) -> None:
        """Raise the peak of a stream to this number."""
        unstored = self._unstored.setdefault(key, _Unstored())
        unstored.peak = max(unstored.peak, peak)

    async def store(self) -> None:
        """Store all changes. Raises Unavailable, and keeps the changes for the next call."""
        async with self._lock:
            for key in list(self._unstored):
                unstored = self._unstored.pop(key)
                try:
                    async with self._database.guard("audience.store"):
                        await self._database.query(
                            RECORD, key, list(unstored.added), list(unstored.removed), unstored.peak
                        )
                except BaseException:
                    self._put_back(key, unstored)
                    raise

    def _put_back(self, key: str, old: _Unstored) -> None:
        unstored = self._unstored.setdefault(key, _Unstored())
        unstored.added |= old.added - unstored.removed
        unstored.removed |= old.removed - unstored.added
        unstored.peak = max(unstored.peak, old.peak)
