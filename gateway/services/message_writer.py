"""Group commit: messages that come while others are being stored are stored together. Used by the chat service."""

import asyncio
from collections import Counter, deque
from contextlib import suppress
from typing import NamedTuple, Protocol

import structlog

from gateway.connections.database import Database
from gateway.errors import NotFound, Unavailable
from gateway.keys import Room, chat_room
from gateway.protocol import events
from gateway.protocol.chat import Message
from gateway.protocol.wire import Payload
from gateway.services.messages import Messages, Placed, event
from gateway.services.room_log import RoomLog

log = structlog.get_logger()

LANES = 2  # batches in flight at the same time, each of other rooms; one is stored while another is told
BATCH = 200  # messages in one statement
WAITING = 2000  # messages that are not answered yet; more would wait too long for it to be worth while


class Fanout(Protocol):
    """Broadcasts in the order of places. Never raises."""

    async def publish(self, room: Room, event: str, payload: Payload, seq: int | None = None) -> None: ...


class Waiting(NamedTuple):
    """A message that is to be stored, and who waits for that."""

    draft: Message
    answer: asyncio.Future[Placed]


class MessageWriter:
    """Stores messages and tells their rooms.

    Whatever waits is one batch, one statement, one transaction; while it is in flight the next one gathers. So a
    message that comes alone is stored at once, and the busier the node, the less each message costs.
    """

    def __init__(self, database: Database, log: RoomLog, messages: Messages, fanout: Fanout) -> None:
        self._database = database
        self._log = log
        self._messages = messages
        self._fanout = fanout
        self._queues: list[deque[Waiting]] = [deque() for _ in range(LANES)]
        self._tasks: dict[int, asyncio.Task[None]] = {}  # by lane, while there is something to do
        self._waiting = 0
        self._closed = False

    async def write(self, draft: Message) -> Placed:
        """Store a message in the next place of its room, unless its sender has sent it before, and tell the room.

        Returns after the commit, when the nodes that can be reached have it coming. Raises NotFound if there is no such
        room, and Unavailable if the database is away or too many messages wait. Who is cancelled while waiting does not
        know whether it was stored; if it was, the room is told like of any other.
        """
        if self._closed or self._waiting >= WAITING:
            raise Unavailable("message writer")
        waiting = Waiting(draft, asyncio.get_running_loop().create_future())
        lane = hash(draft.live_id) % LANES
        self._queues[lane].append(waiting)
        if lane not in self._tasks:
            self._tasks[lane] = asyncio.create_task(self._run(lane), name=f"message-writer-{lane}")
        self._waiting += 1
        try:
            return await waiting.answer
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        """Take no more messages; returns when those that wait are stored and told."""
        self._closed = True
        if self._tasks:
            await asyncio.wait(self._tasks.values())

    # --- one lane -----------------------------------------------------------------------------------------------------

    async def _run(self, lane: int) -> None:
        queue = self._queues[lane]
        try:
            while queue:
                taken = [queue.popleft() for _ in range(min(BATCH, len(queue)))]
                batch = [waiting for waiting in taken if not waiting.answer.done()]  # the others were cancelled
                try:
                    await self._write(batch)
                except Unavailable:
                    # Who waits behind has waited long enough to be told now, too.
                    for waiting in [*batch, *queue]:
                        _answer(waiting, Unavailable("database"))
                    queue.clear()
        finally:
            del self._tasks[lane]

    async def _write(self, batch: list[Waiting]) -> None:
        """Store a batch, or else each message by itself: one that is refused is no reason to refuse its neighbours."""
        try:
            async with self._database.guard("chat.send"):
                placed = await self._messages.insert([waiting.draft for waiting in batch])
        except Unavailable:
            raise
        except Exception as error:
            if len(batch) == 1:
                _answer(batch[0], error)
                return
            log.warning("a batch of messages was refused", messages=len(batch), reason=type(error).__name__)
            for waiting in batch:
                await self._write([waiting])
            return
        fresh = [
            waiting.draft.model_copy(update={"seq": place.seq})
            for waiting, place in zip(batch, placed, strict=True)
            if place is not None and place.fresh
        ]
        await self._tell(fresh)
        for waiting, place in zip(batch, placed, strict=True):
            _answer(waiting, place or NotFound("There is no such stream"))
        await self._trim(fresh)

    async def _tell(self, messages: list[Message]) -> None:
        """Publish all at once, of which the fan-out makes one round trip."""
        try:
            await asyncio.gather(
                *(
                    self._fanout.publish(chat_room(message.live_id), events.CHAT_MESSAGE, event(message), message.seq)
                    for message in messages
                )
            )
        except Exception:
            log.exception("stored messages were not told")  # the rooms get them from their logs

    async def _trim(self, messages: list[Message]) -> None:
        newest = {message.live_id: message.seq for message in messages}
        taken = Counter(message.live_id for message in messages)
        with suppress(Unavailable):  # the next time will do
            async with self._database.guard("chat.trim"):
                for live_id, seq in newest.items():
                    await self._log.trim(chat_room(live_id), seq, taken[live_id])


def _answer(waiting: Waiting, answer: Placed | Exception) -> None:
    if waiting.answer.done():
        return  # who waited was cancelled
    if isinstance(answer, Exception):
        waiting.answer.set_exception(answer)
    else:
        waiting.answer.set_result(answer)
