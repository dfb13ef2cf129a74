"""Lists the running nodes for administrators; takes nodes out of service and back. Called by the HTTP edge."""

import json
from typing import Any, Final

from gateway.errors import Conflict, NotFound
from gateway.keys import NODES_LOCK
from gateway.postgres.database import Database
from gateway.protocol.payloads.cluster import NodePage, NodeView
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from models.main.moderation import ModerationAction

LIST: Final = """
    SELECT left(md5(id), 16) AS id, id AS process, name, version, started_at, seen_at, connections, details,
        CASE WHEN seen_at <= clock_timestamp() - interval '10 seconds' THEN 'gone'
            WHEN drained THEN 'draining' ELSE status END AS status
    FROM nodes ORDER BY name, started_at
"""

# The node reads it with its next heartbeat, within a second, even if it does not reach Redis.
DRAIN: Final = "UPDATE nodes SET drained = $2 WHERE id = $1"

LOCK: Final = "SELECT pg_advisory_xact_lock($1)"

READY: Final = ("ok", "degraded")


class Nodes:
    """Lists and drains nodes. Raises NotFound for an unknown node, and Unavailable."""

    def __init__(self, database: Database, audit_log: AuditLog) -> None:
        self._database = database
        self._audit_log = audit_log

    async def page(self) -> NodePage:
        """Return all nodes by name; one that has died is listed for a minute as `gone`."""
        return NodePage(items=[_view(row) for row in await self._rows()])

    async def drain(self, principal: Principal, node_id: str) -> NodeView:
        """Take a node out of service: it is not ready, and its clients move to other nodes. Its process keeps running.

        Raises Conflict if no other node is ready.
        """
        async with self._database.guard("nodes.drain"), self._database.transaction():
            await self._database.query(LOCK, NODES_LOCK)  # or concurrent drains would see each other's node as ready
            rows = await self._database.query(LIST)
            row = _find(rows, node_id)
            if not any(other["status"] in READY for other in rows if other["id"] != node_id):
                raise Conflict("No other node is ready")
            await self._database.query(DRAIN, row["process"], True)
            await self._audit_log.record(ModerationAction.DRAIN_NODE, principal, details={"node": row["name"]})
        return _view(row | {"status": "draining"})

    async def resume(self, principal: Principal, node_id: str) -> NodeView:
        """Put a drained node back into service. The status in the answer may still be the former one."""
        row = _find(await self._rows(), node_id)
        async with self._database.guard("nodes.resume"), self._database.transaction():
            await self._database.query(DRAIN, row["process"], False)
            await self._audit_log.record(ModerationAction.RESUME_NODE, principal, details={"node": row["name"]})
        return _view(row)

    async def _rows(self) -> list[dict[str, Any]]:
        async with self._database.guard("nodes.list"):
            return await self._database.query(LIST)


def _find(rows: list[dict[str, Any]], node_id: str) -> dict[str, Any]:
    for row in rows:
        if row["id"] == node_id:
            return row
    raise NotFound("There is no such node")


def _view(row: dict[str, Any]) -> NodeView:
    details = json.loads(row["details"] or "{}")  # a node of an older version has none
    fields = {name: row[name] for name in ("id", "name", "version", "started_at", "seen_at", "status", "connections")}
    return NodeView.model_validate(fields | details)
