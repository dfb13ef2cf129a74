"""Pins messages, unpins them, and ends expired pins. Called by `/chat`, the chat service and deletions."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from gateway.errors import Conflict, NotFound
from gateway.keys import chat_room
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.payloads.chat import PinnedMessage
from gateway.protocol.payloads.curation import Cause, PinAck, PinMessage, UnpinAck, UnpinMessage, Unpinned
from gateway.protocol.powers import Power
from gateway.protocol.wire import Typed
from gateway.security.principal import Principal
from gateway.services.audit.audit_log import AuditLog
from gateway.services.chat.messages import message_of, uuid_of
from gateway.services.moderation.permissions import Permissions
from gateway.services.rooms.log import NewEvent, RoomLog
from gateway.services.rooms.outbox import Outbox
from models.main.moderation import ModerationAction

MOST = 5  # pins of a room; another one replaces the oldest
ROOMS = 100  # rooms whose expired pins are ended in one sweep

FIND = "SELECT id, text FROM messages WHERE id = $1 AND stream_key = $2"

# Pins begin and end by the clock of the database.
PIN = """
    INSERT INTO pins (message_id, stream_key, pinned_by, created_at, ends_at)
    SELECT $1, $2, $3, moment, moment + $4 * interval '1 second' FROM clock_timestamp() AS moment
    ON CONFLICT (message_id) DO UPDATE SET
        pinned_by = excluded.pinned_by, created_at = excluded.created_at, ends_at = excluded.ends_at
"""

UNPIN = "DELETE FROM pins WHERE message_id = $1 AND stream_key = $2 RETURNING message_id"

REPLACE = """
    DELETE FROM pins WHERE stream_key = $1 AND message_id IN (
        SELECT message_id FROM pins WHERE stream_key = $1 ORDER BY created_at DESC, message_id OFFSET $2
    ) RETURNING message_id
"""

DROP_DELETED = """
    DELETE FROM pins p
    WHERE p.stream_key = $1 AND (SELECT m.deleted_at FROM messages m WHERE m.id = p.message_id) IS NOT NULL
    RETURNING p.message_id
"""

DUE = "SELECT DISTINCT stream_key FROM pins WHERE ends_at <= clock_timestamp() LIMIT $1"

EXPIRE = "DELETE FROM pins WHERE stream_key = $1 AND ends_at <= clock_timestamp() RETURNING message_id"

# By the start of the transaction, so that a message pinned in it is always found.
SHOWN = """
    SELECT m.*, p.pinned_by, p.created_at AS pinned_at, p.ends_at AS pinned_until
    FROM pins p CROSS JOIN LATERAL (SELECT * FROM messages WHERE id = p.message_id LIMIT 1) m
    WHERE p.stream_key = $1 AND m.deleted_at IS NULL AND (p.ends_at IS NULL OR p.ends_at > now())
    ORDER BY p.created_at, m.seq
"""


class Pins:
    """Changes pins, each in one transaction with its logged event. Raises Forbidden, NotFound, and Unavailable."""

    def __init__(
        self, database: Database, log: RoomLog, outbox: Outbox, permissions: Permissions, audit_log: AuditLog
    ) -> None:
        self._database = database
        self._log = log
        self._outbox = outbox
        self._permissions = permissions
        self._audit_log = audit_log

    async def pin(self, principal: Principal, request: PinMessage) -> PinAck:
        """Pin a message, for some seconds or for good. Raises Conflict if it was deleted."""
        room = chat_room(request.live_id)
        async with self._outbox.change("chat.pin", room) as outgoing:
            await self._log.lock(room)
            await self._permissions.require(principal, Power.PIN, request.live_id)
            message_id = await self._find(request)
            await self._database.query(PIN, message_id, request.live_id, UUID(principal.user_id), request.seconds)
            replaced = await self._database.query(REPLACE, request.live_id, MOST)
            [pinned] = [pin for pin in await self.shown(request.live_id) if pin.id == str(message_id)]
            await self._record(ModerationAction.PIN, principal, request, {"seconds": request.seconds})
            event = NewEvent(room, events.CHAT_PINNED, Typed(type=events.CHAT_PINNED, data=pinned))
            outgoing.extend([*_unpinned(request.live_id, replaced, Cause.REPLACED), event])
        return PinAck(message_id=pinned.id, until=pinned.pinned_until)

    async def unpin(self, principal: Principal, request: UnpinMessage) -> UnpinAck:
        """Unpin a message; do nothing if it is not pinned. Raises NotFound for an unknown id."""
        room = chat_room(request.live_id)
        async with self._outbox.change("chat.unpin", room) as outgoing:
            await self._log.lock(room)
            await self._permissions.require(principal, Power.PIN, request.live_id)
            rows = await self._database.query(UNPIN, uuid_of(request.message_id), request.live_id)
            if rows:
                await self._record(ModerationAction.UNPIN, principal, request, {})
            elif not await self._database.query(FIND, uuid_of(request.message_id), request.live_id):
                raise NotFound("There is no such message")
            outgoing.extend(_unpinned(request.live_id, rows, Cause.UNPINNED))
        return UnpinAck(message_id=str(uuid_of(request.message_id)), already_unpinned=not rows)

    async def shown(self, live_id: str) -> list[PinnedMessage]:
        """Return the pinned messages of a room, the oldest pin first. Call it within `database.guard`."""
        return [
            PinnedMessage(
                **message_of(row).model_dump(by_alias=False, exclude={"seq"}),
                pinned_by=str(row["pinned_by"]),
                pinned_at=row["pinned_at"],
                pinned_until=row["pinned_until"],
            )
            for row in await self._database.query(SHOWN, live_id)
        ]

    async def drop_deleted(self, live_id: str) -> list[NewEvent]:
        """Unpin deleted messages, within a transaction; return the events for the room."""
        return list(_unpinned(live_id, await self._database.query(DROP_DELETED, live_id), Cause.DELETED))

    async def expire(self) -> int:
        """End the expired pins of all rooms; return how many. Each is ended by one node."""
        async with self._database.guard("pins.due"):
            due = await self._database.query(DUE, ROOMS)
        return sum([await self._expire(row["stream_key"]) for row in due])

    async def _expire(self, live_id: str) -> int:
        room = chat_room(live_id)
        async with self._outbox.change("pins.expire", room) as outgoing:
            await self._log.lock(room)
            rows = await self._database.query(EXPIRE, live_id)
            outgoing.extend(_unpinned(live_id, rows, Cause.EXPIRED))
        return len(rows)

    async def _find(self, request: PinMessage) -> UUID:
        for row in await self._database.query(FIND, uuid_of(request.message_id), request.live_id):
            if row["text"] is None:
                raise Conflict("The message was deleted")
            message_id: UUID = row["id"]
            return message_id
        raise NotFound("There is no such message")

    async def _record(
        self,
        action: ModerationAction,
        principal: Principal,
        request: PinMessage | UnpinMessage,
        details: dict[str, Any],
    ) -> None:
        message_id = str(uuid_of(request.message_id))
        await self._audit_log.record(action, principal, live_id=request.live_id, message_id=message_id, details=details)


def _unpinned(live_id: str, rows: Iterable[dict[str, Any]], cause: Cause) -> Sequence[NewEvent]:
    return [
        NewEvent(
            chat_room(live_id),
            events.CHAT_UNPINNED,
            Typed(
                type=events.CHAT_UNPINNED,
                data=Unpinned(live_id=live_id, message_id=str(row["message_id"]), cause=cause),
            ),
        )
        for row in rows
    ]
