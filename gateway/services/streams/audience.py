"""The peak and the total number of a stream's viewers, as they are stored. Used by viewers."""

import asyncio
from dataclasses import dataclass, field

from gateway.postgres.database import Database

# A minute after the end of a stream everybody has stored what they knew of it; then its numbers stay as they are.
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
    """What is not stored yet of one stream. `came` and `gone` have nobody in common."""

    came: set[str] = field(default_factory=set)
    gone: set[str] = field(default_factory=set)
    peak: int = 0


class Audience:
    """Keeps numbers in memory until `store`; a node that is killed loses those since.

    Who watched is kept by name until an hour after the stream has closed, so the total is of distinct people,
    exactly, on whatever nodes and devices, and outlives Redis.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._unstored: dict[str, _Unstored] = {}
        self._lock = asyncio.Lock()

    def came(self, key: str, who: str) -> None:
        """Somebody watches a stream; again or for the first time."""
        unstored = self._unstored.setdefault(key, _Unstored())
        unstored.came.add(who)
        unstored.gone.discard(who)

    def was_not(self, key: str, who: str) -> None:
        """Somebody who watched was somebody else, who is counted."""
        unstored = self._unstored.setdefault(key, _Unstored())
        unstored.came.discard(who)
        unstored.gone.add(who)

    def peaked(self, key: str, peak: int) -> None:
        """So many watched at one time."""
        unstored = self._unstored.setdefault(key, _Unstored())
        unstored.peak = max(unstored.peak, peak)

    async def store(self) -> None:
        """Store what is new. Raises Unavailable, with all of it remembered."""
        async with self._lock:
            for key in list(self._unstored):
                unstored = self._unstored.pop(key)
                try:
                    async with self._database.guard("audience.store"):
                        await self._database.query(RECORD, key, list(unstored.came), list(unstored.gone), unstored.peak)
                except BaseException:
                    self._put_back(key, unstored)
                    raise

    def _put_back(self, key: str, old: _Unstored) -> None:
        unstored = self._unstored.setdefault(key, _Unstored())
        unstored.came |= old.came - unstored.gone
        unstored.gone |= old.gone - unstored.came
        unstored.peak = max(unstored.peak, old.peak)
