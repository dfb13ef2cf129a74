"""Stores chat messages, those that come together together. Used by the chat service."""

from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from gateway.concurrency.group_commit import GroupCommit
from gateway.errors import Unavailable
from gateway.keys import Room, chat_room
from gateway.postgres.database import Database
from gateway.protocol import events
from gateway.protocol.chat import Message
from gateway.protocol.wire import Payload
from gateway.services.chat.messages import Messages, Placed, event
from gateway.services.rooms import log as room_log
from gateway.services.rooms.log import RoomLog

log = structlog.get_logger()

LANES = 2  # batches at the same time, each of other rooms: one is stored while the other is told
BATCH = 200  # messages in one statement
WAITING = 1000  # messages of a lane without an answer; more would wait for too long


class Fanout(Protocol):
    """Broadcasts in the order of places. Never raises."""

    async def publish(self, room: Room, event: str, payload: Payload, seq: int | None = None) -> None: ...


class MessageWriter:
    """Stores messages, then tells their rooms. A batch is one statement, one transaction and one publication."""

    def __init__(self, database: Database, log: RoomLog, messages: Messages, fanout: Fanout) -> None:
        self._database = database
        self._log = log
        self._messages = messages
        self._fanout = fanout
        self._commit: GroupCommit[Message, Placed] = GroupCommit(
            "messages", self._store, lanes=LANES, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def write(self, draft: Message) -> Placed:
        """Store a message in the next place of its room, unless its sender has sent it before, and tell the room.

        Returns after the commit, with the publication on its way. Raises NotFound if there is no such room, and
        Unavailable if the database is away or too many messages wait. Who is cancelled while waiting does not know
        whether it was stored; if it was, the room is told as of any other.
        """
        return await self._commit.write(draft, hash(draft.live_id))

    async def close(self) -> None:
        """Take no more messages; returns when those that were taken are stored and told."""
        await self._commit.close()

    async def _store(self, drafts: list[Message]) -> Sequence[Placed | Exception]:
        async with self._database.guard("chat.send"):
            placed = await self._messages.insert(drafts)
        fresh = [
            draft.model_copy(update={"seq": place.seq})
            for draft, place in zip(drafts, placed, strict=True)
            if isinstance(place, Placed) and place.fresh
        ]
        await self._tell(fresh)
        await self._trim(fresh)
        return placed

    async def _tell(self, messages: list[Message]) -> None:
        """Publish one after the other, of which the fan-out makes one round trip."""
        try:
            for message in messages:
                await self._fanout.publish(chat_room(message.live_id), events.CHAT_MESSAGE, event(message), message.seq)
        except Exception:
            log.exception("stored messages were not told")  # the rooms get them from their logs

    async def _trim(self, messages: list[Message]) -> None:
        due = {message.live_id: message.seq for message in messages if message.seq % room_log.TRIM == 0}
        if due:
            with suppress(Unavailable):  # the next time will do
                async with self._database.guard("chat.trim"):
                    for live_id, seq in due.items():
                        await self._log.trim(chat_room(live_id), seq)
