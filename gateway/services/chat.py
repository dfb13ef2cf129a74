"""What people say about a stream: joining, sending, deleting, reading back. Called by the `/chat` namespace."""

from typing import Protocol

from gateway.connections.database import Database
from gateway.errors import Conflict
from gateway.keys import Room, chat_room
from gateway.protocol import events
from gateway.protocol.chat import (
    Deleted,
    DeleteMessage,
    HistoryPage,
    Joined,
    MessageDeleted,
    SendMessage,
    Sent,
    You,
)
from gateway.protocol.wire import Payload, Since, Typed, now
from gateway.security.principal import Principal
from gateway.services.message_writer import MessageWriter
from gateway.services.messages import Messages, Placed
from gateway.services.room_log import RoomLog
from gateway.services.room_settings import Standing


class Rules(Protocol):
    """Knows how somebody stands in a room."""

    async def standing(self, principal: Principal, live_id: str) -> Standing:
        """Raises BANNED, and NotFound if there is no such room."""
        ...


class Fanout(Protocol):
    """Broadcasts; what has a place in the room's log, in the order of places. Never raises."""

    async def publish(self, room: Room, event: str, payload: Payload, seq: int | None = None) -> None: ...


class Chat:
    """Raises Unavailable while the database is away; nothing is half-done then. `live_id` is the stream key."""

    def __init__(self, database: Database, log: RoomLog, rules: Rules, fanout: Fanout) -> None:
        self._database = database
        self._log = log
        self._messages = Messages(database, log)
        self._writer = MessageWriter(database, log, self._messages, fanout)
        self._rules = rules
        self._fanout = fanout

    # --- coming in ---------------------------------------------------------------------------------------------------

    async def admit(self, principal: Principal, live_id: str) -> None:
        """Whether somebody may join a room. Raises BANNED, and NotFound if there is none."""
        await self._rules.standing(principal, live_id)

    async def snapshot(self, principal: Principal, live_id: str, since: Since | None, members: int) -> Joined:
        """The room, with so many members, as a socket finds it that hears it by now. Raises BANNED."""
        room = chat_room(live_id)
        async with self._database.guard("chat.join"):
            missed = None
            if since is not None:
                cursor, missed = await self._log.position(room, since)
            if missed is None:
                cursor, history = await self._messages.latest(live_id)
        # Read after the cursor: what is changed from then on is heard. A ban is known here, or its notice finds them.
        standing = await self._rules.standing(principal, live_id)
        return Joined(
            room_name=room.name,
            members=members,
            history=history if missed is None else [],
            settings=standing.settings,
            you=You(
                user_id=principal.user_id,
                username=principal.username,
                role=principal.role,
                muted_until=standing.muted_until,
                can_send=standing.can_send,
            ),
            cursor=cursor,
            recovered=missed is not None,
            events=missed,
        )

    # --- messages -----------------------------------------------------------------------------------------------------

    async def send(self, principal: Principal, ask: SendMessage) -> Sent:
        """Store a message, then tell the room; the answer means that it is committed.

        A client message id that the sender has used in this room is answered as it was then. Raises Conflict if that
        earlier message had another text, and BANNED, MUTED, ROOM_FROZEN, SLOW_MODE, or Forbidden where guests may not.
        """
        return _sent(ask, await self._writer.write(self._messages.draft(principal, ask)))

    async def repeated(self, principal: Principal, ask: SendMessage) -> Sent | None:
        """The answer that a message got when it was sent the first time; None if it was not. Raises Conflict."""
        if ask.client_message_id is None:
            return None
        async with self._database.guard("chat.repeated"):
            earlier = await self._messages.sent(ask.live_id, principal.user_id, ask.client_message_id)
        return None if earlier is None else _sent(ask, earlier)

    async def delete(self, principal: Principal, ask: DeleteMessage) -> Deleted:
        """Take a message's text away for good, then tell the room. Raises NotFound."""
        room, moment = chat_room(ask.live_id), now()
        async with self._database.guard("chat.delete"), self._log.turn(room):
            async with self._database.transaction():
                message = await self._messages.lock(ask.live_id, ask.message_id)
                if message is None:
                    return Deleted(message_id=ask.message_id, already_deleted=True)
                await self._messages.erase(message, principal.user_id, ask.reason, moment)
                seq = await self._log.next(room)
                deleted = MessageDeleted(
                    message_id=message.id,
                    seq=seq,
                    live_id=ask.live_id,
                    deleted_by=principal.user_id,
                    reason=ask.reason,
                    timestamp=moment,
                )
                told = Typed(type=events.CHAT_MESSAGE_DELETED, data=deleted)
                await self._log.record(room, seq, events.CHAT_MESSAGE_DELETED, told)
            await self._fanout.publish(room, events.CHAT_MESSAGE_DELETED, told, seq)
        return Deleted(message_id=message.id, already_deleted=False)

    async def clear_of(self, principal: Principal, live_id: str, user_id: str, reason: str | None) -> int:
        """Delete all messages of somebody in a room; how many there were."""
        async with self._database.guard("chat.clear_of"):
            ids = await self._messages.of(live_id, user_id)
        for message_id in ids:
            await self.delete(principal, DeleteMessage(liveId=live_id, messageId=message_id, reason=reason))
        return len(ids)

    async def history(self, live_id: str, before: str | None, limit: int) -> HistoryPage:
        """A page of messages, oldest first. Raises NotFound if `before` is no message of this room."""
        async with self._database.guard("chat.history"):
            messages = await self._messages.page(live_id, before, limit + 1)
        page = messages[-limit:]
        return HistoryPage(messages=page, next_before=page[0].id if len(messages) > limit else None)

    async def close(self) -> None:
        """Take no more messages; returns when those that were taken are stored and told."""
        await self._writer.close()


def _sent(ask: SendMessage, placed: Placed) -> Sent:
    if placed.text != ask.message:
        raise Conflict("This clientMessageId was used for another message")
    return Sent(id=placed.id, seq=placed.seq, timestamp=placed.timestamp, duplicate=not placed.fresh)
