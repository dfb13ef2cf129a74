"""Sharded pub/sub over a Redis Cluster: each channel on the server of its slot. Used by RedisFanout."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import reduce
from itertools import count, islice

import structlog

from gateway.concurrency.availability import Hearing, ServerStatus
from gateway.concurrency.tasks import cancel
from gateway.keys import node_channel
from gateway.realtime.fanout.channels import ChannelCallbacks, RedisChannels
from gateway.redis.cluster import Cluster, slot
from gateway.redis.pool import AWAY
from gateway.redis.url import Address

log = structlog.get_logger()

CHECK_INTERVAL = 1.0  # s between two checks of the slot map
FAST_INTERVAL = 0.2  # s between them while unhealthy
TRIES = 500_000  # canary names to try; even a server of a single slot of 16,384 serves one of them


class ClusterChannels:
    """The channels of a cluster. See Channels. A server that is unavailable degrades only the rooms of its slots.

    Each server has RedisChannels of its own, with a canary in one of its slots. When slots move, or a replica is
    promoted, this node subscribes on the new server before it publishes there.
    """

    def __init__(self, cluster: Cluster, node_id: str, callbacks: ChannelCallbacks, always: Iterable[str] = ()) -> None:
        self._cluster = cluster
        self._node_id = node_id
        self._callbacks = callbacks
        self._servers: dict[Address, RedisChannels] = {}
        self._homes: dict[str, RedisChannels | None] = dict.fromkeys(always)  # by subscribed channel
        self._canaries = count(1)
        self._version = 0  # of the slot map that is applied
        self._settled = False  # all channels are subscribed on the servers of their slots
        self._task: asyncio.Task[None] | None = None

    @property
    def status(self) -> ServerStatus:
        """See Channels."""
        statuses = {server.status for server in self._servers.values()}
        if "up" not in statuses:
            return "down"
        return "up" if len(statuses) == 1 and self._settled else "partial"

    @property
    def degraded(self) -> bool:
        """See Channels."""
        return not self._settled or any(server.degraded for server in self._servers.values())

    @property
    def hearing(self) -> Hearing:
        """See Channels. Combines all servers: one that no node receives from is an outage, see Deafness."""
        hearings = [server.hearing for server in self._servers.values()]
        return reduce(Hearing.both, hearings) if hearings else Hearing()

    async def start(self) -> None:
        """See Channels."""
        await self._follow()
        self._task = asyncio.create_task(self._run(), name="cluster-channels")

    async def close(self) -> None:
        """See Channels."""
        await cancel(self._task)
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    async def subscribe(self, channel: str) -> None:
        """See Channels."""
        server = self._homes[channel] = self._homes.get(channel) or self._server_of(channel)
        if server is None:
            self._settled = False
        else:
            await server.subscribe(channel)

    def unsubscribe(self, channel: str) -> None:
        """See Channels."""
        server = self._homes.pop(channel, None)
        if server is not None:
            server.unsubscribe(channel)

    async def publish(self, channel: str, packet: bytes, seq: int | None, *, confirmed: bool = False) -> None:
        """See Channels."""
        server = self._homes.get(channel) or self._server_of(channel)
        if server is None:
            self._callbacks.deliver(channel, packet, seq)
        else:
            await server.publish(channel, packet, seq, confirmed=confirmed)

    def _server_of(self, channel: str) -> RedisChannels | None:
        owner = self._cluster.known_owner(slot(channel))
        return None if owner is None else self._servers.get(owner)

    # --- following the cluster ----------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(CHECK_INTERVAL if self.status == "up" else FAST_INTERVAL)
            try:
                await self._follow()
            except Exception:
                log.exception("cluster check failed")

    async def _follow(self) -> None:
        with suppress(*AWAY):
            async with asyncio.timeout(self._cluster.timeout):
                await self._cluster.learn()
        if self._settled and self._version == self._cluster.version:
            return
        self._version = self._cluster.version
        retired = await self._renew_servers()
        moved = [
            channel for channel, home in self._homes.items() if home is None or home is not self._server_of(channel)
        ]
        await asyncio.gather(*(self._move(channel) for channel in moved))
        await asyncio.gather(*(server.close() for server in retired))
        self._settled = None not in self._homes.values()
        if self._task is not None:
            self._callbacks.lost()  # publications may have been lost between the two servers
            if not self.degraded:
                self._callbacks.restored()

    async def _renew_servers(self) -> list[RedisChannels]:
        """Open channels on new servers; return those whose server no longer serves their canary."""
        owners, retired, added = self._cluster.known_owners(), [], []
        for address, server in list(self._servers.items()):
            if self._cluster.known_owner(slot(server.canary)) != address:
                retired.append(self._servers.pop(address))
        for address in owners - self._servers.keys():
            if (canary := self._canary(address)) is not None:
                added.append(
                    RedisChannels(self._cluster.channels(address), self._node_id, self._callbacks, canary=canary)
                )
                self._servers[address] = added[-1]
        await asyncio.gather(*(server.start() for server in added))
        return retired

    def _canary(self, address: Address) -> str | None:
        names = (node_channel(f"{self._node_id}.{number}") for number in islice(self._canaries, TRIES))
        return next((name for name in names if self._cluster.known_owner(slot(name)) == address), None)

    async def _move(self, channel: str) -> None:
        old, new = self._homes.get(channel), self._server_of(channel)
        if new is None:
            return  # no server serves its slot for now
        await new.subscribe(channel)
        if channel not in self._homes:  # unsubscribed in between
            new.unsubscribe(channel)
            return
        self._homes[channel] = new
        if old is not None:
            old.unsubscribe(channel)
