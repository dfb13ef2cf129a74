"""Deletes rows that have been kept for long enough. Run by all nodes, one of which deletes at a time."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence

import structlog

from gateway.errors import Unavailable
from gateway.keys import RETENTION_LOCK
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.postgres.errors import ConstraintError
from gateway.services.retention.kinds import Kind

log = structlog.get_logger()

BATCH = 500  # rows in one statement, some ms
REST = 4  # the pause after a batch, as a multiple of its time: deleting takes at most a fifth of one connection

LOCK = "SELECT pg_try_advisory_xact_lock($1) AS mine"


class Retention:
    """Deletes rows of all kinds in their order, in batches with pauses.

    If a batch fails, its size is a quarter in the next round, and grows again.
    """

    def __init__(self, database: Database, kinds: Sequence[Kind], metrics: Metrics) -> None:
        self._database = database
        self._kinds = kinds
        self._metrics = metrics
        self._sizes = dict.fromkeys(kinds, BATCH)

    async def sweep(self) -> Counter[str]:
        """Delete the rows that are due; return how many, by kind. Raises Unavailable."""
        done: Counter[str] = Counter()
        for kind in self._kinds:
            try:
                done[kind.name] += await self._delete(kind)
            except ConstraintError as error:  # a new row refers to one of the rows, which are still needed
                log.info("rows of a kind are kept for now", kind=kind.name, constraint=str(error))
        return done

    async def _delete(self, kind: Kind) -> int:
        deleted = 0
        while True:
            size, started = self._sizes[kind], time.monotonic()
            try:
                count = await self._batch(kind, size)
            except Unavailable:
                self._sizes[kind] = max(1, size // 4)
                raise
            self._sizes[kind] = min(BATCH, 2 * size)
            deleted += count
            if count < size:
                return deleted
            await asyncio.sleep(REST * (time.monotonic() - started))

    async def _batch(self, kind: Kind, size: int) -> int:
        async with self._database.guard("retention"), self._database.transaction():
            (lock,) = await self._database.query(LOCK, RETENTION_LOCK)
            if not lock["mine"]:
                return 0
            count = len(await self._database.query(kind.statement, kind.kept, size))
        self._metrics.retention_deleted.labels(kind.name).inc(count)
        return count
