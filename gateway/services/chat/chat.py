"""Chat rooms: joining, sending messages, reading the history. Called by the `/chat` namespace."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from gateway.concurrency.batcher import Batcher
from gateway.errors import Code, Conflict, GatewayError, Unavailable
from gateway.keys import chat_room
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.payloads.chat import History, HistoryPage, Joined, JoinRoom, Message, SendMessage, Sent, You
from gateway.protocol.wire import Since
from gateway.realtime.fanout.fanout import Fanout
from gateway.security.principal import Principal
from gateway.services.chat.messages import Messages, Placed
from gateway.services.chat.snapshot import Snapshots
from gateway.services.chat.standing import Standing, Standings
from gateway.services.chat.word_filter import said
from gateway.services.rooms import log as room_log
from gateway.services.rooms.catch_up import CatchUp
from gateway.services.rooms.log import RoomLog

log = structlog.get_logger()

LANES = 2  # concurrent batches of different rooms: one is stored while the other is published
BATCH = 200  # messages in one statement
WAITING = 1000  # messages of a lane without an answer; further ones are refused with Unavailable


class Words(Protocol):
    """Checks messages for listed words."""

    def check(self, live_id: str, text: str) -> str:
        """Return the text to store, with listed words masked. Raises INVALID_MESSAGE for a blocked word."""
        ...


class Chat:
    """The chat rooms of all streams; `live_id` is the stream key.

    Messages that arrive while others are being stored form the next batch, which is one statement, one transaction and
    one publication. Raises Unavailable while the database is unavailable, without partial effects.
    """

    def __init__(
        self,
        database: Database,
        log: RoomLog,
        messages: Messages,
        snapshots: Snapshots,
        standings: Standings,
        words: Words,
        fanout: Fanout,
    ) -> None:
        self._database = database
        self._log = log
        self._messages = messages
        self._snapshots = snapshots
        self._standings = standings
        self._catch_up = CatchUp(log)
        self._words = words
        self._fanout = fanout
        self._batches: Batcher[Message, Placed] = Batcher(
            "messages", self._store, most=BATCH, waiting=WAITING, unavailable=Unavailable, lanes=LANES, retry=True
        )

    async def close(self) -> None:
        """Refuse further messages; return when the accepted ones are stored and published."""
        await self._batches.close()
        await self._catch_up.close()

    # --- joining ------------------------------------------------------------------------------------------------------

    async def check_join(self, principal: Principal, live_id: str) -> None:
        """Raise BANNED if a user or guest may not join a room, NotFound if there is no such room."""
        await self._standing(principal, live_id)

    async def resumes(self, request: JoinRoom) -> bool:
        """Return whether the log still has all events that the client missed."""
        if request.since is None:
            return False
        return (await self._catch_up.position(chat_room(request.live_id), request.since)).events is not None

    async def snapshot(self, principal: Principal, live_id: str, since: Since | None, members: int) -> Joined:
        """Return the ack of a join, for a socket that receives the room's events already. Raises BANNED."""
        room = chat_room(live_id)
        snapshot, missed = await self._snapshots.read(live_id), None
        cursor = snapshot.cursor
        if since is not None:
            place, missed = await self._catch_up.position(room, since)
            cursor = place if missed is not None else cursor
        # Read after the cursor: later changes arrive as events. A later ban is enforced by its notice.
        found = await self._standing(principal, live_id)
        return Joined(
            room_name=room.name,
            members=members,
            history=snapshot.history if missed is None else [],
            pinned=snapshot.pinned,
            settings=found.settings,
            you=You(
                user_id=principal.user_id,
                username=principal.username,
                role=principal.role.value,
                **dict(found.rights(principal)),
            ),
            cursor=cursor,
            recovered=missed is not None,
            events=missed,
        )

    async def _standing(self, principal: Principal, live_id: str) -> Standing:
        found = await self._standings.read(principal, live_id)
        found.require(Code.BANNED)
        return found

    # --- sending ------------------------------------------------------------------------------------------------------

    async def send(self, principal: Principal, request: SendMessage) -> Sent:
        """Store a message, then publish it to the room; the answer means that it is committed.

        A client message id that the sender has used in this room gets the first answer again. After a cancellation the
        message may have been stored; if it was, it is published like any other.

        Raises:
            Conflict: The earlier message of this client message id had another text.
            GatewayError: BANNED, MUTED, ROOM_FROZEN, SLOW_MODE, FORBIDDEN for a guest, INVALID_MESSAGE for a blocked
                word, NOT_FOUND if there is no such room.
            Unavailable: The database is unavailable, or too many messages wait.
        """
        try:
            text = self._words.check(request.live_id, request.message)
        except GatewayError:  # the word may have been listed after the first attempt
            earlier = await self.repeated(principal, request)
            if earlier is None:
                raise
            return earlier
        draft = self._messages.draft(principal, request, text)
        return _sent(request, await self._batches.call(draft, hash(draft.live_id)))

    async def repeated(self, principal: Principal, request: SendMessage) -> Sent | None:
        """Return the first answer to a repeated message, None if it was not sent before. Raises Conflict."""
        if request.client_message_id is None:
            return None
        async with self._database.guard("chat.repeated"):
            earlier = await self._messages.sent(request.live_id, principal.user_id, request.client_message_id)
        return None if earlier is None else _sent(request, earlier)

    async def _store(self, drafts: list[Message]) -> Sequence[Placed | GatewayError]:
        """Store a batch, then publish the messages that are not repetitions."""
        async with self._database.guard("chat.send"):
            placed = await self._messages.insert(drafts)
        due: dict[str, int] = {}
        try:
            for draft, place in zip(drafts, placed, strict=True):  # the fan-out joins them into one round trip
                if isinstance(place, Placed) and place.stamp is not None and place.payload is not None:
                    if place.seq % room_log.TRIM == 0:
                        due[draft.live_id] = place.seq
                    room = chat_room(draft.live_id)
                    await self._fanout.publish_encoded(room, events.CHAT_MESSAGE, place.payload, place.stamp)
        except Exception:
            log.exception("stored messages were not published")  # nodes read them from the room log
        await self._trim(due)
        return placed

    async def _trim(self, due: dict[str, int]) -> None:
        if due:
            with suppress(Unavailable):  # a later message will trim it
                async with self._database.guard("chat.trim"):
                    for live_id, seq in due.items():
                        await self._log.trim(chat_room(live_id), seq)

    # --- history ------------------------------------------------------------------------------------------------------

    async def history(self, _principal: Principal, request: History) -> HistoryPage:
        """Return a page of older messages, oldest first. Raises NotFound if `before` is no message of this room."""
        async with self._database.guard("chat.history"):
            messages = await self._messages.page(request.live_id, request.before, request.limit + 1)
        page = messages[-request.limit :]
        return HistoryPage(messages=page, next_before=page[0].id if len(messages) > request.limit else None)


def _sent(request: SendMessage, placed: Placed) -> Sent:
    if placed.text is not None and not said(placed.text, request.message):
        raise Conflict("This clientMessageId was used for another message")
    return Sent(
        id=placed.id,
        seq=placed.seq,
        message=request.message if placed.text is None else placed.text,  # None: deleted and no longer retained
        client_message_id=request.client_message_id,
        timestamp=placed.timestamp,
        duplicate=not placed.fresh,
    )
