"""Ingest keys: secrets with which encoders name their stream. Called by the HTTP edge and by streams.

A stream's key is public. An ingest key is shown once; its SHA-256 is stored.
"""

import secrets

from gateway.clocks import now
from gateway.postgres.database import Database
from gateway.protocol.payloads.streaming import IngestKey
from gateway.security.principal import Principal
from gateway.security.sessions.refresh_tokens import fingerprint
from gateway.services.audit.audit_log import AuditLog
from gateway.services.streams.ownership import lock_stream
from models.main.moderation import ModerationAction

BYTES = 24  # of randomness in a key

OF_KEY = "SELECT key FROM streams WHERE ingest_key_hash = $1"


class IngestKeys:
    """Makes ingest keys. Raises NotFound for an unknown stream, Forbidden for another host's, and Unavailable."""

    def __init__(self, database: Database, audit_log: AuditLog) -> None:
        self._database = database
        self._audit_log = audit_log

    async def rotate(self, principal: Principal, key: str) -> IngestKey:
        """Give a stream a new ingest key, and return it. The former one becomes invalid."""
        ingest_key, moment = secrets.token_urlsafe(BYTES), now()
        async with self._database.guard("streams.ingest_key"), self._database.transaction():
            stream = await lock_stream(principal, key)
            stream.ingest_key_hash = fingerprint(ingest_key)
            await stream.save(update_fields=["ingest_key_hash"])
            await self._audit_log.record(ModerationAction.ROTATE_INGEST_KEY, principal, live_id=key)
        return IngestKey(stream_key=key, ingest_key=ingest_key, created_at=moment)


async def stream_of(database: Database, ingest_key: str) -> str | None:
    """Return the key of the stream of an ingest key; None for an unknown one. Raises Unavailable."""
    async with database.guard("streams.of_ingest_key"):
        for row in await database.query(OF_KEY, fingerprint(ingest_key)):
            return str(row["key"])
    return None
