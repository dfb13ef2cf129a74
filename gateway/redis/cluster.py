"""The servers of a Redis Cluster: which of them serves which slots, and bounded calls to each. Used by client.py.

redis-py's own cluster client raises when a server's connections are all in use. It closes those in use when it
refreshes the slot map, does not refresh it when a server hangs, and repeats commands that may have been executed. Here
each server has the same pool as a single server, and a call is bounded, and repeated only if the server did nothing.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import Any, NamedTuple

import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.crc import REDIS_CLUSTER_HASH_SLOTS as SLOTS
from redis.crc import key_slot
from redis.exceptions import ClusterDownError, ConnectionError  # noqa: A004

from gateway.concurrency.timeouts import FairTimeout
from gateway.instruments import PoolUse
from gateway.redis.pool import AWAY, BoundedPool
from gateway.redis.scripts import ScriptClient
from gateway.redis.url import Address
from gateway.server_problems import most_telling

PAUSE = 0.5  # s in which calls to a server that did not answer fail at once
SHARE = 0.9  # of the time-out of a call, for one server: the slow server is known before the call times out
TRIES = 500_000  # hash tags to try; even a server of a single slot of 16,384 serves one of them
QUIET = 0.05  # s after a refresh of the slot map in which errors cause no further one


def slot(name: str | bytes) -> int:
    """Return the slot of a key or of a sharded channel."""
    return key_slot(name if isinstance(name, bytes) else name.encode())


Use = Callable[[redis.asyncio.Redis], Awaitable[Any]]


class SlotRange(NamedTuple):
    """A range of slots and its servers."""

    first: int
    last: int
    owner: Address


class SlotMap(NamedTuple):
    """The slot map of one server: the ranges in order, and all servers including replicas."""

    ranges: tuple[SlotRange, ...]
    members: frozenset[Address]


def _slot_map(answer: list[Any], server: Address) -> SlotMap:
    ranges, members = [], set()
    for first, last, *serving in answer:
        # A server that does not know its own address omits it.
        addresses = [Address(str(host or server.host), int(port)) for host, port, *_ in serving]
        ranges.append(SlotRange(int(first), int(last), addresses[0]))
        members.update(addresses)
    return SlotMap(tuple(sorted(ranges)), frozenset(members))


class ClusterServer:
    """One server of a cluster, with connections of its own."""

    def __init__(self, options: dict[str, Any], address: Address) -> None:
        self.address = address
        self.pool = BoundedPool(**options, host=address.host, port=address.port)
        self.client = ScriptClient(connection_pool=self.pool, retry_for=0.0)
        self.silent_until = 0.0

    async def close(self) -> None:
        """Drop its connections."""
        with suppress(*AWAY):
            await self.pool.aclose()


class ClusterPubSubServer(NamedTuple):
    """See PubSubServer, in client.py: the sharded channels of one server."""

    server: ClusterServer
    timeout: float
    sharded: bool = True

    def connection(self) -> AbstractConnection:
        """Return a new connection outside of the pool, not connected yet."""
        connection: AbstractConnection = self.server.pool.make_connection()  # type: ignore[no-untyped-call]
        return connection

    def on_new_master(self, callback: Callable[[], None]) -> None:
        """See PubSubServer: another server has another ClusterPubSubServer."""


class Cluster:
    """The servers of a cluster, and the newest known owner of each slot."""

    def __init__(self, seeds: Iterable[Address], timeout: float, options: dict[str, Any]) -> None:
        self.timeout = timeout
        self._options = options
        self._server_timeout = timeout * SHARE
        self._seeds = frozenset(seeds)
        self._servers = {address: ClusterServer(options, address) for address in self._seeds}
        self._ranges: list[SlotRange] = []  # by slot
        self._moved: dict[int, Address] = {}  # redirections since the last refresh
        self.version = 0  # of the known slot map
        self._tags: tuple[int, list[str]] | None = None  # a version, and the result of `tags`
        self._learned = 0
        self._learning = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self.pool = next(iter(self._servers.values())).pool  # any: for the encoding of values, the same for all

    async def close(self) -> None:
        """Drop all connections."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(server.close() for server in self._servers.values()))

    # --- the slot map -------------------------------------------------------------------------------------------------

    async def owner(self, slot: int) -> Address:
        """Return the server of a slot. Raises redis-py's ConnectionError if it is not known."""
        if not self._ranges:
            await self.learn()
        owner = self.known_owner(slot)
        if owner is None:
            self.learn_soon()
            raise ConnectionError("no server serves this slot")
        return owner

    def known_owner(self, slot: int) -> Address | None:
        """Return the server of a slot, if it is known."""
        if slot in self._moved:
            return self._moved[slot]
        index = bisect_right(self._ranges, slot, key=lambda part: part.first) - 1
        return self._ranges[index].owner if index >= 0 and slot <= self._ranges[index].last else None

    def known_owners(self) -> set[Address]:
        """Return all known servers with slots."""
        return {part.owner for part in self._ranges} | set(self._moved.values())

    def moved(self, slot: int, address: Address) -> None:
        """Record a redirection of this slot to another server, and refresh the slot map."""
        self._moved[slot] = address
        self.version += 1
        self.learn_soon()

    async def learn(self) -> None:
        """Query the servers for the slot map. Raises redis-py's ConnectionError when none answers.

        The map of most servers that answer is used, if it covers all slots: a server that was cut off, or that the
        others have forgotten, knows only a part. Otherwise the former map stays.
        """
        learned = self._learned
        async with self._learning:
            if self._learned != learned:
                return  # another call has just done it
            known = list(self._servers.values())
            problems: list[BaseException] = []
            asked = [asyncio.create_task(self._ask(server, problems), name="redis-cluster") for server in known]
            votes: dict[SlotMap, int] = {}
            try:
                for answer in asyncio.as_completed(asked):
                    if (reported := await answer) is not None:
                        votes[reported] = votes.get(reported, 0) + 1
                        if 2 * votes[reported] > len(known):
                            break
            finally:
                for task in asked:
                    task.cancel()
                await asyncio.gather(*asked, return_exceptions=True)
            if not votes:
                raise ConnectionError("no server of the cluster says who serves what") from most_telling(problems)
            best = max(votes, key=lambda reported: votes[reported])
            whole = sum(part.last - part.first + 1 for part in best.ranges) == SLOTS
            if not self._ranges or (whole and 2 * votes[best] > sum(votes.values())):
                self._adopt(best)

    async def _ask(self, server: ClusterServer, problems: list[BaseException]) -> SlotMap | None:
        try:
            async with asyncio.timeout(self._server_timeout / 2):
                answer = await server.client.execute_command("CLUSTER", "SLOTS")
        except AWAY as error:
            problems.append(error.with_traceback(None))  # a traceback holds this frame
            return None
        return _slot_map(answer, server.address) if answer else None

    def learn_soon(self) -> None:
        """Start `learn` in the background, unless it is running."""
        if not self._tasks:
            self._spawn(self._learn_quietly())

    async def _learn_quietly(self) -> None:
        with suppress(*AWAY):
            await self.learn()
        await asyncio.sleep(QUIET)

    def _adopt(self, reported: SlotMap) -> None:
        ranges, members = list(reported.ranges), self._seeds | reported.members
        self._learned += 1
        if self._moved or ranges != self._ranges:
            self._ranges = ranges
            self._moved.clear()
            self.version += 1
        for address in self._servers.keys() - members:
            self._spawn(self._servers.pop(address).close())
        for address in members - self._servers.keys():
            self._servers[address] = ClusterServer(self._options, address)

    def _spawn(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.create_task(work, name="redis-cluster")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def use(self) -> PoolUse:
        """Return the use of all servers' pools together."""
        uses = [server.pool.use() for server in self._servers.values()]
        return PoolUse(*(sum(values) for values in zip(*uses, strict=True)))

    # --- servers ------------------------------------------------------------------------------------------------------

    def channels(self, address: Address) -> "ClusterPubSubServer":
        """Return the channels of one server."""
        return ClusterPubSubServer(self._server(address), self.timeout)

    async def call(self, address: Address, use: Use) -> Any:
        """Use one server's client, bounded. Raises redis-py's ConnectionError when it does not answer in time."""
        server, now = self._server(address), asyncio.get_running_loop().time
        if now() < server.silent_until:
            raise ConnectionError("the server did not answer a moment ago")
        try:
            async with FairTimeout(self._server_timeout):
                return await use(server.client)
        except (TimeoutError, redis.exceptions.TimeoutError):
            server.silent_until = now() + PAUSE
            self.learn_soon()
            raise ConnectionError("the server does not answer") from None
        except (ConnectionError, ClusterDownError, OSError) as error:
            self.learn_soon()
            raise ConnectionError("the server does not serve") from error

    async def tags(self) -> list[str]:
        """Return a hash tag for each server that has slots, and one for the slots without a server, if any."""
        if not self._ranges:
            await self.learn()
        if self._tags is None or self._tags[0] != self.version:
            whole = sum(part.last - part.first + 1 for part in self._ranges) == SLOTS
            missing: set[Address | None] = {*self.known_owners(), *(() if whole else (None,))}
            tags = []
            for tag in map(str, range(TRIES)):
                owner = self.known_owner(slot(tag))
                if owner in missing:
                    missing.remove(owner)
                    tags.append(tag)
                    if not missing:
                        break
            self._tags = self.version, tags
        return self._tags[1]

    async def ping(self) -> bool:
        """Return True if all servers with slots answer. Raises redis-py's ConnectionError."""
        if not self._ranges:
            await self.learn()
        await self.each(lambda client: client.ping())
        return True

    async def each(self, use: Use) -> list[Any]:
        """Use the clients of all servers with slots. Raises redis-py's ConnectionError if one is unavailable."""
        if not self._ranges:
            await self.learn()
        return list(await asyncio.gather(*(self.call(address, use) for address in self.known_owners())))

    def _server(self, address: Address) -> ClusterServer:
        if address not in self._servers:  # known from a redirection
            self._servers[address] = ClusterServer(self._options, address)
        return self._servers[address]
