"""The record of who moderated what, when and why. Written by the moderation services, read over HTTP."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.connections.database import Database
from gateway.security.principal import Principal
from models.moderation import ModerationAction

RECORD = """
    INSERT INTO moderation_log (action, stream_key, actor_id, subject_id, message_id, reason, details, created_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7::text::jsonb, clock_timestamp()) RETURNING id
"""


class ModerationLog:
    """Entries are added and never changed. None of them holds what a message said."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self,
        action: ModerationAction,
        actor: Principal,
        *,
        live_id: str | None = None,
        subject_id: str | None = None,
        message_id: str | None = None,
        reason: str | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> int:
        """Add an entry, within the transaction that does what it tells of; its id.

        `actor` is a user, `subject_id` the user or guest whom it concerns, `live_id` the stream key and None for what
        holds everywhere; `details` is JSON-ready.
        """
        rows = await self._database.query(
            RECORD,
            action,
            live_id,
            UUID(actor.user_id),
            subject_id,
            None if message_id is None else UUID(message_id),
            reason,
            json.dumps(details or {}, ensure_ascii=False),
        )
        return int(rows[0]["id"])
