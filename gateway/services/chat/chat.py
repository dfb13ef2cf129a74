"""What people say about a stream: joining, sending, reading back. Called by the `/chat` namespace."""

from typing import Protocol

from gateway.errors import Code, Conflict, GatewayError
from gateway.keys import Room, chat_room
from gateway.postgres.database import Database
from gateway.protocol.chat import HistoryPage, Joined, SendMessage, Sent, You
from gateway.protocol.wire import Payload, Since
from gateway.security.principal import Principal
from gateway.services.chat import standing
from gateway.services.chat.messages import Messages, Placed
from gateway.services.chat.snapshot import Snapshot
from gateway.services.chat.word_filter import said
from gateway.services.chat.writer import MessageWriter
from gateway.services.rooms.catch_up import CatchUp
from gateway.services.rooms.log import RoomLog


class Newest(Protocol):
    """Shows joiners what there is."""

    async def read(self, live_id: str) -> Snapshot:
        """Raises NotFound if there is no such room."""
        ...


class Words(Protocol):
    """Looks for listed words."""

    def check(self, live_id: str, text: str) -> str:
        """What is to be stored of a text. Raises INVALID_MESSAGE."""
        ...


class Fanout(Protocol):
    """Broadcasts; what has a place in the room's log, in the order of places. Never raises."""

    async def publish(self, room: Room, event: str, payload: Payload, seq: int | None = None) -> None: ...


class Chat:
    """Raises Unavailable while the database is away; nothing is half-done then. `live_id` is the stream key."""

    def __init__(
        self,
        database: Database,
        log: RoomLog,
        messages: Messages,
        newest: Newest,
        words: Words,
        fanout: Fanout,
    ) -> None:
        self._database = database
        self._messages = messages
        self._newest = newest
        self._replays = CatchUp(log)
        self._writer = MessageWriter(database, log, messages, fanout)
        self._words = words

    # --- coming in ---------------------------------------------------------------------------------------------------

    async def admit(self, principal: Principal, live_id: str) -> None:
        """Whether somebody may join a room. Raises BANNED, and NotFound if there is none."""
        await self._standing(principal, live_id)

    async def snapshot(self, principal: Principal, live_id: str, since: Since | None, members: int) -> Joined:
        """The room, with so many members, as a socket finds it that hears it by now. Raises BANNED."""
        room = chat_room(live_id)
        snapshot, missed = await self._newest.read(live_id), None
        cursor = snapshot.cursor
        if since is not None:
            place, missed = await self._replays.position(room, since)
            cursor = place if missed is not None else cursor
        # Read after the cursor: what is changed from then on is heard. A ban is known here, or its notice finds them.
        stands = await self._standing(principal, live_id)
        return Joined(
            room_name=room.name,
            members=members,
            history=snapshot.history if missed is None else [],
            pinned=snapshot.pinned,
            settings=stands.settings,
            you=You(
                user_id=principal.user_id,
                username=principal.username,
                role=principal.role,
                muted_until=stands.muted_until,
                can_send=stands.can_send,
            ),
            cursor=cursor,
            recovered=missed is not None,
            events=missed,
        )

    async def _standing(self, principal: Principal, live_id: str) -> standing.Standing:
        async with self._database.guard("chat.standing"):
            found = await standing.read(self._database, principal, live_id)
        found.require(Code.BANNED)
        return found

    # --- messages -----------------------------------------------------------------------------------------------------

    async def send(self, principal: Principal, ask: SendMessage) -> Sent:
        """Store a message, then tell the room; the answer means that it is committed.

        A client message id that the sender has used in this room is answered as it was then. Raises Conflict if that
        earlier message had another text, and BANNED, MUTED, ROOM_FROZEN, SLOW_MODE, Forbidden where guests may not, or
        INVALID_MESSAGE for a word that is blocked.
        """
        try:
            text = self._words.check(ask.live_id, ask.message)
        except GatewayError:  # it may have been allowed when it was sent the first time
            earlier = await self.repeated(principal, ask)
            if earlier is None:
                raise
            return earlier
        return _sent(ask, await self._writer.write(self._messages.draft(principal, ask, text)))

    async def repeated(self, principal: Principal, ask: SendMessage) -> Sent | None:
        """The answer that a message got when it was sent the first time; None if it was not. Raises Conflict."""
        if ask.client_message_id is None:
            return None
        async with self._database.guard("chat.repeated"):
            earlier = await self._messages.sent(ask.live_id, principal.user_id, ask.client_message_id)
        return None if earlier is None else _sent(ask, earlier)

    async def history(self, live_id: str, before: str | None, limit: int) -> HistoryPage:
        """A page of messages, oldest first. Raises NotFound if `before` is no message of this room."""
        async with self._database.guard("chat.history"):
            messages = await self._messages.page(live_id, before, limit + 1)
        page = messages[-limit:]
        return HistoryPage(messages=page, next_before=page[0].id if len(messages) > limit else None)

    async def close(self) -> None:
        """Take no more messages, answer nobody who comes; returns when what was taken is stored and told."""
        await self._writer.close()
        await self._replays.close()


def _sent(ask: SendMessage, placed: Placed) -> Sent:
    if placed.text is not None and not said(placed.text, ask.message):
        raise Conflict("This clientMessageId was used for another message")
    return Sent(id=placed.id, seq=placed.seq, timestamp=placed.timestamp, duplicate=not placed.fresh)
