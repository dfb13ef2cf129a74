"""The one pub/sub connection of a node: kept alive, noticed when deaf, hearing what is wanted. Used by fanout_redis."""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as LostError

from gateway.concurrency.tasks import cancel
from gateway.redis.client import AWAY, PubSubServer
from gateway.redis.replies import ReplyReader

log = structlog.get_logger()

DEAF_AFTER = 3.0  # s without any message; the node's own canary makes one a second, so nobody else has to speak
BACKOFF = (0.1, 1.0)  # s before the second try to connect, and the most before any: who waits for us is a whole room
CHUNK = 1000  # channels in one SUBSCRIBE


class Subscriber:
    """Hears the channels that are wanted, on whatever connection there is.

    `heard(channel, data)` is called for each message and `lost()` whenever the connection is lost; both at once, from
    the reading task. `always` are heard as long as the node lives. The wish is in `_wanted`; the connection is brought
    in line with it, at the start and after every loss.
    """

    def __init__(
        self, server: PubSubServer, always: Iterable[str], heard: Callable[[str, bytes], None], lost: Callable[[], None]
    ) -> None:
        self.connected = False  # and every channel that was wanted when it connected is confirmed
        self._server = server
        self._heard = heard
        self._lost = lost
        self._wanted = {channel: asyncio.Event() for channel in always}  # set: Redis has confirmed it
        self._asked: set[str] = set()  # on the present connection
        self._missing: set[str] = set()  # wanted when it connected, and not confirmed yet
        self._tries = 0  # to connect, since it last worked
        self._changed = asyncio.Event()
        self._renewing = False
        self._reachable = asyncio.Event()
        self._reachable.set()  # nothing speaks against it yet
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; returns when all is heard, or after Redis' time-out."""
        self._task = asyncio.create_task(self._run(), name="fanout-subscriber")
        await self._confirmed(list(self._wanted.values()))

    async def close(self) -> None:
        """Hear nothing any more."""
        await cancel(self._task)

    async def subscribe(self, channel: str) -> None:
        """Hear a channel; returns when Redis has confirmed it, or when that takes too long: it goes on trying."""
        confirmed = self._wanted.get(channel)
        if confirmed is None:
            confirmed = self._wanted[channel] = asyncio.Event()
            self._asked.discard(channel)  # it may have been let go a moment ago, and Redis has not been told yet
        self._changed.set()
        await self._confirmed([confirmed])

    def unsubscribe(self, channel: str) -> None:
        """Hear a channel no more."""
        self._wanted.pop(channel, None)
        self._missing.discard(channel)
        self._changed.set()

    def renew(self) -> None:
        """Hear on a new connection: the server may not be the one any more."""
        self._renewing = True
        self._changed.set()

    async def _confirmed(self, events: list[asyncio.Event]) -> None:
        if self._reachable.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._server.timeout):
                    for event in events:
                        await event.wait()

    async def _run(self) -> None:
        while True:
            connection = self._server.connection()
            try:
                async with asyncio.timeout(self._server.timeout):
                    await connection.connect()  # type: ignore[no-untyped-call]
                await self._hear(connection)
            except* AWAY as group:
                if self._tries:
                    self._reachable.clear()  # not only a hiccup: nobody shall wait for it
                log.debug("the subscription was lost", reason=repr(group.exceptions[0]))
            except* Exception:
                log.exception("the subscription failed")
            finally:
                self._forget()
                await connection.disconnect(nowait=True)
            least, most = BACKOFF
            delay = min(most, least * 2**self._tries)
            self._tries = min(self._tries + 1, 10)
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311  not all nodes at one moment

    def _forget(self) -> None:
        self._asked.clear()
        for confirmed in self._wanted.values():
            confirmed.clear()
        if self.connected:
            self.connected = False
            self._lost()

    async def _hear(self, connection: AbstractConnection) -> None:
        self._missing = set(self._wanted)
        self._renewing = False
        self._changed.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._ask(connection), name="fanout-subscriber-writer")
            replies = ReplyReader(connection)
            while True:
                async with asyncio.timeout(DEAF_AFTER):  # or nothing comes, not even the canary
                    messages = await replies.some()
                for message in messages:
                    self._take(message)

    async def _ask(self, connection: AbstractConnection) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._renewing:
                raise LostError("to be made anew")
            surplus, missing = self._asked - self._wanted.keys(), self._wanted.keys() - self._asked
            self._asked = set(self._wanted)
            shard, size = ("S", 1) if self._server.sharded else ("", CHUNK)  # a command is for one slot of a cluster
            for command, channels in (("UNSUBSCRIBE", sorted(surplus)), ("SUBSCRIBE", sorted(missing))):
                for start in range(0, len(channels), size):
                    await connection.send_command(f"{shard}{command}", *channels[start : start + size])

    def _take(self, message: list[bytes]) -> None:
        match message:
            case [b"message" | b"smessage", name, data]:
                self._heard(name.decode(errors="replace"), data)
            case [b"subscribe" | b"ssubscribe", name, _]:
                channel = name.decode()
                if channel in self._wanted and channel in self._asked:
                    self._wanted[channel].set()
                self._missing.discard(channel)
                if not self._missing and not self.connected:
                    self.connected = True
                    self._tries = 0
                    self._reachable.set()
            case [b"unsubscribe" | b"sunsubscribe", name, _]:
                # Unasked for, or crossed by a newer wish: asking again is harmless, being deaf is not.
                channel = name.decode()
                if channel in self._wanted:
                    self._asked.discard(channel)
                    self._wanted[channel].clear()
                    self._changed.set()
