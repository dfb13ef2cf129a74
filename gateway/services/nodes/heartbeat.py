"""Stores a row for each node every second. A node that alone cannot reach Redis takes itself out of service."""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog

from gateway import __version__
from gateway.concurrency.availability import Hearing
from gateway.concurrency.tasks import cancel
from gateway.errors import Unavailable
from gateway.postgres.database import Database
from gateway.services.nodes.deafness import Deafness

log = structlog.get_logger()

PAUSE: Final = 1.0  # s between two heartbeats of a node that reaches Redis
LOOK: Final = 0.25  # s between two checks for changes, and between two heartbeats of a node that does not reach Redis
FRESH: Final = 10.0  # s for which the row of another node counts
KEPT: Final = 60.0  # s that the row of a node that is gone is kept

BEAT: Final = """
WITH gone AS (
    DELETE FROM nodes WHERE seen_at < now() - make_interval(secs => $8) AND id <> $1
), me AS (
    INSERT INTO nodes (id, name, version, started_at, seen_at, heard_at, status, connections, details, drained)
    VALUES ($1, $2, $3, now(), now(), clock_timestamp() - make_interval(secs => $4), $5, $6, $9::text::jsonb, $10)
    ON CONFLICT (id) DO UPDATE
    SET seen_at = excluded.seen_at, heard_at = excluded.heard_at, status = excluded.status,
        connections = excluded.connections, details = excluded.details
)
SELECT extract(epoch FROM clock_timestamp() - max(heard_at))::float8 AS ago,
    coalesce((SELECT drained FROM nodes WHERE id = $1), $10) AS drained
FROM nodes WHERE id <> $1 AND seen_at > now() - make_interval(secs => $7)
"""
LEAVE: Final = "DELETE FROM nodes WHERE id = $1"


class NodeHeartbeat:
    """Shares with the other nodes when each last reached Redis, and reads what administrators want of this node.

    `deaf`: other nodes reach Redis and this one does not. If no node reaches it, none is deaf. `drained`: an
    administrator has taken this node out of service. While PostgreSQL is away both keep their values.
    """

    def __init__(
        self,
        database: Database,
        process_id: str,
        name: str,
        *,
        hearing: Callable[[], Hearing],
        status: Callable[[], str],
        connections: Callable[[], int],
        details: Callable[[], Mapping[str, Any]],
        on_deaf: Callable[[bool], None],
        on_drained: Callable[[bool], None],
    ) -> None:
        """`on_deaf` and `on_drained` are called with the new values; they must not wait or raise."""
        self.deaf = self.drained = False
        self._database = database
        self._id = process_id
        self._name = name
        self._hearing = hearing
        self._status = status
        self._connections = connections
        self._details = details
        self._on_deaf = on_deaf
        self._on_drained = on_drained
        self._deafness = Deafness()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to send heartbeats."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="node-heartbeat")

    async def close(self) -> None:
        """Stop, and delete this node's row if PostgreSQL answers."""
        await cancel(self._task)
        try:
            async with self._database.guard("nodes.leave"):
                await self._database.query(LEAVE, self._id)
        except Unavailable:
            log.debug("the row of this node is left to the others")

    async def _run(self) -> None:
        while True:
            hearing, status = self._hearing(), self._status()
            try:
                await self._beat(hearing, status)
            except Unavailable:
                log.debug("no heartbeat: the database is away")  # logged by its client
            except Exception:
                log.exception("the heartbeat of the node failed")
            due = time.monotonic() + (PAUSE if hearing.missing is None else LOOK)
            while True:
                await asyncio.sleep(LOOK)
                changed = self._hearing().answered != hearing.answered or self._status() != status
                if changed or time.monotonic() >= due:
                    break

    async def _beat(self, hearing: Hearing, status: str) -> None:
        ago = None if hearing.answered is None else time.monotonic() - hearing.answered
        values = (self._id, self._name, __version__, ago, status, self._connections(), FRESH, KEPT)
        details = json.dumps(self._details())
        async with self._database.guard("nodes.beat"):
            (row,) = await self._database.query(BEAT, *values, details, self.drained)
        now = time.monotonic()
        others = None if row["ago"] is None else now - row["ago"]
        deaf = self._deafness.judge(now, self._hearing().missing, others)
        if deaf != self.deaf:
            self.deaf = deaf
            log.warning("other nodes hear redis, this one does not" if deaf else "this node hears redis again")
            self._on_deaf(deaf)
        if row["drained"] != self.drained:
            self.drained = row["drained"]
            log.warning("an administrator took this node out of service" if self.drained else "the node serves again")
            self._on_drained(self.drained)
