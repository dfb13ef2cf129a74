"""Sharded pub/sub over a Redis Cluster: each channel on the line of the server that serves it. Used by fanout_redis."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from itertools import count, islice

import structlog

from gateway.keys import node_channel
from gateway.realtime.fanout.channels import ChannelCallbacks, RedisChannels
from gateway.redis.client import AWAY
from gateway.redis.cluster import Cluster, slot
from gateway.redis.url import Address

log = structlog.get_logger()

LOOK = 1.0  # s between two looks at who serves what
HURRY = 0.2  # s while something is wrong
TRIES = 500_000  # names for a canary; who serves a single slot of 16,384 has one among these for sure


class ClusterChannels:
    """See Lines. A server that is away degrades the rooms of its slots, and only those.

    Each line is as a single server's: its own numbers, its own canary on a channel of the server's slots. When slots
    move, or a replica is promoted, their channels are heard on the new line before anything is published on it.
    """

    def __init__(self, cluster: Cluster, node_id: str, ears: ChannelCallbacks, always: Iterable[str] = ()) -> None:
        self._cluster = cluster
        self._node_id = node_id
        self._ears = ears
        self._lines: dict[Address, RedisChannels] = {}
        self._homes: dict[str, RedisChannels | None] = dict.fromkeys(always)  # by channel that is to be heard
        self._canaries = count(1)
        self._version = 0  # of what the cluster was known to be when this was arranged
        self._settled = False  # all channels are where they belong, as far as is known
        self._task: asyncio.Task[None] | None = None

    @property
    def healthy(self) -> bool:
        """See Lines."""
        return bool(self._lines) and all(line.healthy for line in self._lines.values()) and self._settled

    @property
    def degraded(self) -> bool:
        """See Lines."""
        return not self._settled or any(line.degraded for line in self._lines.values())

    async def start(self) -> None:
        """See Lines."""
        await self._look()
        self._task = asyncio.create_task(self._run(), name="cluster-lines")

    async def close(self) -> None:
        """See Lines."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await asyncio.gather(*(line.close() for line in self._lines.values()))

    async def subscribe(self, channel: str) -> None:
        """See Lines."""
        line = self._homes[channel] = self._homes.get(channel) or self._line(channel)
        if line is None:
            self._settled = False
        else:
            await line.subscribe(channel)

    def unsubscribe(self, channel: str) -> None:
        """See Lines."""
        line = self._homes.pop(channel, None)
        if line is not None:
            line.unsubscribe(channel)

    async def publish(self, channel: str, packet: bytes, seq: int | None, *, confirmed: bool = False) -> None:
        """See Lines."""
        line = self._homes.get(channel) or self._line(channel)
        if line is None:
            self._ears.deliver(channel, packet, seq)
        else:
            await line.publish(channel, packet, seq, confirmed=confirmed)

    def _line(self, channel: str) -> RedisChannels | None:
        owner = self._cluster.known_owner(slot(channel))
        return None if owner is None else self._lines.get(owner)

    # --- following the cluster ----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK if self.healthy else HURRY)
            try:
                await self._look()
            except Exception:
                log.exception("the cluster could not be followed")

    async def _look(self) -> None:
        with suppress(*AWAY):
            async with asyncio.timeout(self._cluster.timeout):
                await self._cluster.learn()
        if self._settled and self._version == self._cluster.version:
            return
        self._version = self._cluster.version
        over = await self._renew_lines()
        moved = [channel for channel, home in self._homes.items() if home is None or home is not self._line(channel)]
        await asyncio.gather(*(self._move(channel) for channel in moved))
        await asyncio.gather(*(line.close() for line in over))
        self._settled = None not in self._homes.values()
        if self._task is not None:
            self._ears.lost()  # what was published on the way from one line to the other
            if not self.degraded:
                self._ears.well()

    async def _renew_lines(self) -> list[RedisChannels]:
        """Have a line to each server whose canary it serves; those that are not needed any more."""
        owners, over, fresh = self._cluster.known_owners(), [], []
        for address, line in list(self._lines.items()):
            if self._cluster.known_owner(slot(line.canary)) != address:
                over.append(self._lines.pop(address))
        for address in owners - self._lines.keys():
            if (canary := self._canary(address)) is not None:
                fresh.append(RedisChannels(self._cluster.channels(address), self._node_id, self._ears, canary=canary))
                self._lines[address] = fresh[-1]
        await asyncio.gather(*(line.start() for line in fresh))
        return over

    def _canary(self, address: Address) -> str | None:
        names = (node_channel(f"{self._node_id}.{number}") for number in islice(self._canaries, TRIES))
        return next((name for name in names if self._cluster.known_owner(slot(name)) == address), None)

    async def _move(self, channel: str) -> None:
        old, new = self._homes.get(channel), self._line(channel)
        if new is None:
            return  # nobody serves it for now
        await new.subscribe(channel)
        if channel not in self._homes:  # nobody wants it any more
            new.unsubscribe(channel)
            return
        self._homes[channel] = new
        if old is not None:
            old.unsubscribe(channel)
