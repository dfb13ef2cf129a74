"""The pub/sub connection to one Redis server: reconnects and restores its subscriptions. Used by RedisChannels."""

import asyncio
import random
from collections.abc import Callable, Iterable
from contextlib import suppress

import structlog
from redis.asyncio.connection import AbstractConnection
from redis.exceptions import ConnectionError as LostError

from gateway.concurrency.tasks import cancel
from gateway.redis.client import PubSubServer
from gateway.redis.pool import AWAY
from gateway.redis.replies import ReplyReader

log = structlog.get_logger()

DEAF_AFTER = 3.0  # s without a message before reconnecting; the node's own canary arrives once a second
BACKOFF = (0.1, 1.0)  # the shortest and the longest pause before a new attempt in s: whole rooms wait for it
CHUNK = 1000  # channels in one SUBSCRIBE


class Subscriber:
    """Keeps the subscriptions in `_wanted` over reconnects.

    Calls `on_message(channel, data)` for each message and `on_lost()` when the connection is lost, both from the
    reading task. The channels of `always` stay subscribed until `close`. After each connect, and whenever
    `_wanted` changes, the connection's subscriptions are updated to match it.
    """

    def __init__(
        self,
        server: PubSubServer,
        always: Iterable[str],
        on_message: Callable[[str, bytes], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.connected = False  # True when every channel that was wanted at the connect is confirmed
        self._server = server
        self._on_message = on_message
        self._on_lost = on_lost
        self._wanted = {channel: asyncio.Event() for channel in always}  # the event is set when Redis has confirmed
        self._requested: set[str] = set()  # on the current connection
        self._missing: set[str] = set()  # wanted at the connect and not confirmed yet
        self._tries = 0  # attempts to connect since the last success
        self._changed = asyncio.Event()
        self._renewing = False
        self._reachable = asyncio.Event()
        self._reachable.set()  # assumed until an attempt has failed
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect; return when all subscriptions are confirmed, or after Redis' time-out."""
        self._task = asyncio.create_task(self._run(), name="fanout-subscriber")
        await self._confirmed(list(self._wanted.values()))

    async def close(self) -> None:
        """Disconnect and stop."""
        await cancel(self._task)

    async def subscribe(self, channel: str) -> None:
        """Subscribe to a channel; return when that is confirmed or timed out. After a time-out it is retried."""
        confirmed = self._wanted.get(channel)
        if confirmed is None:
            confirmed = self._wanted[channel] = asyncio.Event()
            self._requested.discard(channel)  # its UNSUBSCRIBE may not have been sent yet
        self._changed.set()
        await self._confirmed([confirmed])

    def unsubscribe(self, channel: str) -> None:
        """Unsubscribe from a channel."""
        self._wanted.pop(channel, None)
        self._missing.discard(channel)
        self._changed.set()

    def renew(self) -> None:
        """Reconnect: the address may lead to another server now."""
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
                await self._receive(connection)
            except* AWAY as group:
                if self._tries:
                    self._reachable.clear()  # the second failure in a row: callers of subscribe must not wait
                log.debug("subscription lost", reason=repr(group.exceptions[0]))
            except* Exception:
                log.exception("subscription failed")
            finally:
                self._forget()
                await connection.disconnect(nowait=True)
            least, most = BACKOFF
            delay = min(most, least * 2**self._tries)
            self._tries = min(self._tries + 1, 10)
            await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311  not all nodes at once

    def _forget(self) -> None:
        self._requested.clear()
        for confirmed in self._wanted.values():
            confirmed.clear()
        if self.connected:
            self.connected = False
            self._on_lost()

    async def _receive(self, connection: AbstractConnection) -> None:
        self._missing = set(self._wanted)
        self._renewing = False
        self._changed.set()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._send_commands(connection), name="fanout-subscriber-writer")
            replies = ReplyReader(connection)
            while True:
                async with asyncio.timeout(DEAF_AFTER):  # not even the canary arrives
                    messages = await replies.some()
                for message in messages:
                    self._take(message)

    async def _send_commands(self, connection: AbstractConnection) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            if self._renewing:
                raise LostError("reconnect requested")
            surplus, missing = self._requested - self._wanted.keys(), self._wanted.keys() - self._requested
            self._requested = set(self._wanted)
            shard, size = ("S", 1) if self._server.sharded else ("", CHUNK)  # a command is for one slot of a cluster
            for command, channels in (("UNSUBSCRIBE", sorted(surplus)), ("SUBSCRIBE", sorted(missing))):
                for start in range(0, len(channels), size):
                    await connection.send_command(f"{shard}{command}", *channels[start : start + size])

    def _take(self, message: list[bytes]) -> None:
        match message:
            case [b"message" | b"smessage", name, data]:
                self._on_message(name.decode(errors="replace"), data)
            case [b"subscribe" | b"ssubscribe", name, _]:
                channel = name.decode()
                if channel in self._wanted and channel in self._requested:
                    self._wanted[channel].set()
                self._missing.discard(channel)
                if not self._missing and not self.connected:
                    self.connected = True
                    self._tries = 0
                    self._reachable.set()
            case [b"unsubscribe" | b"sunsubscribe", name, _]:
                # Unrequested, or overtaken by a newer subscribe: subscribing again is harmless.
                channel = name.decode()
                if channel in self._wanted:
                    self._requested.discard(channel)
                    self._wanted[channel].clear()
                    self._changed.set()
