"""Stores sockets' recovery sessions in Redis, for the node to which their clients reconnect. Used by recovery."""

import asyncio
import json
from typing import NamedTuple

import structlog

from gateway.concurrency.batcher import Batcher
from gateway.concurrency.tasks import cancel
from gateway.errors import Unavailable
from gateway.keys import Room, socket_session
from gateway.realtime.logged import Place
from gateway.redis.client import RedisClient

log = structlog.get_logger()

BATCH = 200  # sessions in one round trip
WAITING = 100_000  # claims without an answer: more than a node has sockets

# An entry is "<generation> <JSON>": a node that has not detected yet that its client reconnected elsewhere must not
# overwrite the newer generation.


class RecoverySession(NamedTuple):
    """The state of a socket without its connection.

    `rooms` are those that it attends, with the place after which it may miss events. `generation` counts how often
    its client has recovered it.
    """

    sid: str
    namespace: str
    user_id: str
    rooms: dict[Room, Place | None]
    generation: int = 0


class _Entry(NamedTuple):
    """A pending write: of a session, or of None to delete it."""

    generation: int
    session: RecoverySession | None
    seconds: float


class RecoveryStore:
    """Sessions by their private id. Writes happen in the background and are dropped while Redis is unavailable."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._keep, self._drop = redis.script(__package__, "keep_session"), redis.script(__package__, "drop_session")
        self._pending: dict[str, _Entry] = {}
        self._waiting = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._claims: Batcher[str, RecoverySession | None] = Batcher(
            "redis", self._claim, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def start(self) -> None:
        """Start to write."""
        self._task = asyncio.create_task(self._run(), name="socket-sessions")

    async def close(self) -> None:
        """Write what is pending, and stop."""
        await self._claims.close()
        await cancel(self._task)
        await self._write()

    def keep(self, pid: str, session: RecoverySession, seconds: float) -> None:
        """Store a session for `seconds`, unless one of a later generation is stored."""
        self._put(pid, _Entry(session.generation, session, seconds))

    def drop(self, pid: str, generation: int) -> None:
        """Delete the session of this generation or an earlier one."""
        self._put(pid, _Entry(generation, None, 0.0))

    async def claim(self, pid: str) -> RecoverySession | None:
        """Remove and return a session; None if there is none. Only one caller gets it. Raises Unavailable.

        Concurrent claims share a round trip.
        """
        return await self._claims.call(pid)

    async def _claim(self, pids: list[str]) -> list[RecoverySession | Unavailable | None]:
        if not self._pending.keys().isdisjoint(pids):
            await self._write()
        async with self._redis.guard("session"):
            pipeline = self._redis.client.pipeline(transaction=False)
            for pid in pids:
                pipeline.getdel(socket_session(pid))
            # The sessions that some servers of a cluster have returned are deleted there, even if others fail.
            answers = await self._redis.answers(pipeline, "session")
        return [_session(answer) if isinstance(answer, str) else answer for answer in answers]

    def _put(self, pid: str, entry: _Entry) -> None:
        self._pending[pid] = entry
        self._waiting.set()

    async def _run(self) -> None:
        while True:
            await self._waiting.wait()
            self._waiting.clear()
            await self._write()

    async def _write(self) -> None:
        async with self._writing:
            while self._pending:
                batch = dict(list(self._pending.items())[:BATCH])
                try:
                    await self._send(batch)
                except Unavailable:
                    log.debug("sessions not stored: redis unavailable", count=len(batch))
                for pid, entry in batch.items():
                    if self._pending.get(pid) is entry:  # else it was replaced in between
                        del self._pending[pid]

    async def _send(self, batch: dict[str, _Entry]) -> None:
        async with self._redis.guard("sessions"):
            pipeline = self._redis.client.pipeline(transaction=False)
            for pid, (generation, session, seconds) in batch.items():
                names = [socket_session(pid)]
                if session is None:
                    await self._drop(keys=names, args=[generation], client=pipeline)
                else:
                    await self._keep(
                        keys=names, args=[generation, _text(session), round(seconds * 1000)], client=pipeline
                    )
            await pipeline.execute()


def _text(session: RecoverySession) -> str:
    rooms = {room.name: place for room, place in session.rooms.items()}
    return f"{session.generation} {json.dumps([session.sid, session.namespace, session.user_id, rooms])}"


def _session(text: str) -> RecoverySession:
    generation, _, content = text.partition(" ")
    sid, namespace, user_id, rooms = json.loads(content)
    places = {Room(namespace, name): None if place is None else Place(*place) for name, place in rooms.items()}
    return RecoverySession(sid, namespace, user_id, places, int(generation))
