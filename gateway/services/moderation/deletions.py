"""Deletes single messages for good, and hides them until a review. Called by `/chat`, reports and reviews."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from uuid import UUID

from gateway.errors import NotFound
from gateway.keys import chat_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.payloads.chat import NOBODY, Deleted, DeleteMessage, MessageDeleted
from gateway.protocol.powers import Power
from gateway.protocol.wire import Typed
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.messages import uuid_of
from gateway.services.moderation.erasure import Erasure
from gateway.services.moderation.permissions import Permissions
from gateway.services.moderation.pins import Pins
from gateway.services.rooms.log import NewEvent, RoomLog
from gateway.services.rooms.outbox import Outbox, PlacedEvent
from models.main.moderation import ModerationAction

# `revocable`: a clear or reports have deleted the message, so that it may be restored.
FIND = """
    SELECT m.id, m.sender_id, m.deleted_at IS NOT NULL AS deleted,
        d.message_id IS NOT NULL AND (d.deleted_by IS NULL OR coalesce(e.action = $3, false)) AS revocable
    FROM messages m
    LEFT JOIN LATERAL (SELECT * FROM message_deletions WHERE message_id = m.id LIMIT 1) d ON true
    LEFT JOIN moderation_log e ON e.id = d.entry_id
    WHERE m.id = $1 AND m.stream_key = $2
"""

# Assigns a deletion to another entry, so that undoing a clear does not restore the message.
CLAIM = (
    "UPDATE message_deletions SET entry_id = $2, deleted_by = $3, reason = $4 WHERE message_id = $1 RETURNING entry_id"
)

# A deleted message needs no review.
REVIEWED = """
    UPDATE reported_messages SET decision = 'DELETED', reviewed_by = $2, reviewed_at = clock_timestamp()
    WHERE message_id = $1
"""

Check = Callable[[], Awaitable[object]]


class Deletions:
    """Deletes messages, each in one transaction. Raises Forbidden, NotFound, and Unavailable."""

    def __init__(
        self,
        database: Database,
        log: RoomLog,
        outbox: Outbox,
        permissions: Permissions,
        audit_log: AuditLog,
        pins: Pins,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._log = log
        self._outbox = outbox
        self._permissions = permissions
        self._audit_log = audit_log
        self._erasure = Erasure(database)
        self._pins = pins
        self._metrics = metrics

    async def delete(self, principal: Principal, request: DeleteMessage) -> Deleted:
        """Delete the text of a message for good, wherever it can be read, then publish the deletion.

        If a clear has deleted the message before, undoing the clear no longer restores it.
        """

        async def check() -> None:
            await self._permissions.require(principal, Power.DELETE, request.live_id)

        return await self.delete_if(principal, request, check)

    async def delete_if(
        self, principal: Principal, request: DeleteMessage, check: Check, details: Mapping[str, Any] | None = None
    ) -> Deleted:
        """Delete as `delete` does, if `check` does not raise. It is called in the transaction, with the room locked.

        `details` are for the entry in the audit log.
        """
        room = chat_room(request.live_id)
        async with self._log.local_lock(room):
            async with self._database.guard("chat.delete"), self._database.transaction():
                await self._log.lock(room)
                await check()
                found = await self._find(request)
                message_id = found["id"]
                if found["deleted"] and not found["revocable"]:
                    return Deleted(message_id=str(message_id), already_deleted=True)
                entry = await self._audit_log.record(
                    ModerationAction.DELETE_MESSAGE,
                    principal,
                    live_id=request.live_id,
                    subject_id=found["sender_id"],
                    message_id=str(message_id),
                    reason=request.reason,
                    details=details,
                )
                await self._database.query(REVIEWED, message_id, UUID(principal.user_id))
                if found["deleted"]:
                    await self._database.query(CLAIM, message_id, entry, UUID(principal.user_id), request.reason)
                    return Deleted(message_id=str(message_id), already_deleted=True)
                placed = await self._erase(request, message_id, principal.user_id, entry)
            await self._outbox.publish(placed)
        self._metrics.messages_erased.labels("delete").inc()
        return Deleted(message_id=str(message_id), already_deleted=False)

    async def hide_if(self, request: DeleteMessage, due: Callable[[], Awaitable[bool]]) -> bool:
        """Hide a message if `due` returns true; return whether it did. A review deletes or restores the message.

        `due` is called in the transaction, with the room locked. The audit log gets no entry, because no staff acts.
        """
        room = chat_room(request.live_id)
        async with self._log.local_lock(room):
            async with self._database.guard("chat.hide"), self._database.transaction():
                await self._log.lock(room)
                if not await due():
                    return False
                placed = await self._erase(request, uuid_of(request.message_id), None, None)
            await self._outbox.publish(placed)
        self._metrics.messages_erased.labels("hide").inc()
        return True

    async def _find(self, request: DeleteMessage) -> dict[str, Any]:
        for row in await self._database.query(
            FIND, uuid_of(request.message_id), request.live_id, ModerationAction.CLEAR
        ):
            return row
        raise NotFound("There is no such message")

    async def _erase(
        self, request: DeleteMessage, message_id: UUID, deleted_by: str | None, entry: int | None
    ) -> list[PlacedEvent]:
        """Erase a message and unpin it, in the transaction; return the events to publish."""
        await self._erasure.erase(request.live_id, [message_id], deleted_by, request.reason, entry)
        room = chat_room(request.live_id)
        seq = await self._log.next(room)
        data = MessageDeleted(
            message_id=str(message_id),
            seq=seq,
            live_id=request.live_id,
            deleted_by=NOBODY if deleted_by is None else deleted_by,
            reason=request.reason,
        )
        event = NewEvent(room, events.CHAT_MESSAGE_DELETED, Typed(type=events.CHAT_MESSAGE_DELETED, data=data))
        placed = [PlacedEvent(event, await self._log.record(room, seq, event.event, event.payload))]
        return placed + await self._outbox.append(await self._pins.drop_deleted(request.live_id))
