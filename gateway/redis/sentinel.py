"""Connections to the master that sentinels name, also during a planned failover. Used by the Redis client.

redis-py's own pool for Sentinel raises when it is full instead of waiting, one sentinel that hangs uses up the whole
time-out, and the sentinels are queried only at a connect: after a planned failover calls still go to the former master
for ten seconds, and their writes are lost. Here the events of each sentinel are read. When one of them announces that
it promotes a replica, no call begins until the new master is known.
"""

import asyncio
import random
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError  # noqa: A004

from gateway.redis.pool import AWAY
from gateway.redis.primary import PrimaryConnection
from gateway.redis.url import Address, ServerList
from gateway.server_problems import Misconfigured, most_telling

log = structlog.get_logger()

POLL = 1.0  # s between two queries for the master, in case events were missed
HOLD = 3.0  # s without calls at most during a failover: its end may never be announced
HOLD_POLL = 0.1  # s between two queries during the hold
SWITCHED = "+switch-master"
PROMOTING = "+failover-state-send-slaveof-noone"  # published some 100 ms before the replica is promoted
ABORTED = "-failover-abort-"  # begins the events of an aborted failover


class Sentinels:
    """Finds the master through its sentinels, and subscribes to them from the first query until `close`."""

    def __init__(self, servers: ServerList, timeout: float) -> None:
        self.master: Address | None = None  # as it was reported last
        self._service = servers.service
        self._access: dict[str, Any] = {"username": servers.username, "password": servers.password}
        self._order = deque(servers.addresses)
        self._timeout = timeout / (len(servers.addresses) + 1)  # s for each, and as long for the master itself
        self._callbacks: list[Callable[[], None]] = []
        self._settled = asyncio.Event()  # not set while a replica is about to be promoted
        self._settled.set()
        self._tasks: list[asyncio.Task[None]] = []
        self._holding: asyncio.Task[None] | None = None

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever another server has become the master."""
        self._callbacks.append(callback)

    async def close(self) -> None:
        """Stop listening."""
        tasks = [*self._tasks, *([self._holding] if self._holding else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settled(self) -> None:
        """Wait while a replica is about to be promoted."""
        await self._settled.wait()

    async def find(self) -> Address:
        """Query the sentinels in order, first the one that was right last. Raises redis-py's ConnectionError."""
        if not self._tasks:
            self._tasks = [
                asyncio.create_task(self._listen(address), name=f"sentinel {address.host}:{address.port}")
                for address in self._order
            ]
        problems: list[BaseException] = []
        for address in tuple(self._order):
            try:
                async with asyncio.timeout(self._timeout):
                    found = await self._query(address)
            except AuthenticationError:
                problems.append(Misconfigured("refuses the user name or the password at its sentinels"))
            except AWAY as error:
                problems.append(error.with_traceback(None))  # a traceback holds this frame
            else:
                if found is not None:
                    self._set_master(found)
                    return found
                problems.append(Misconfigured("has no master of this name at its sentinels"))
            self.put_last(address)
        raise ConnectionError("no sentinel knows the master") from most_telling(problems)

    def put_last(self, address: Address | None = None) -> None:
        """Query this sentinel, by default the one that answered last, as the last one from now on."""
        if address is None or self._order[0] == address:
            self._order.rotate(-1)

    def _set_master(self, master: Address) -> None:
        before, self.master = self.master, master
        if before not in (None, master):
            log.warning("redis master changed", host=master.host, port=master.port)
            self._settled.set()
            for callback in self._callbacks:
                callback()

    # --- events -------------------------------------------------------------------------------------------------------

    async def _listen(self, address: Address) -> None:
        while True:
            try:
                await self._read_events(address)
            except AWAY as error:
                log.debug("sentinel subscription lost", host=address.host, port=address.port, reason=repr(error))
            await asyncio.sleep(POLL * random.uniform(0.5, 1))  # noqa: S311  not all nodes at one moment

    async def _read_events(self, address: Address) -> None:
        async with asyncio.timeout(self._timeout):
            connection = await self._connected(address)
        try:
            await connection.send_command("PSUBSCRIBE", SWITCHED, PROMOTING, f"{ABORTED}*")
            while True:
                try:
                    async with asyncio.timeout(POLL):
                        answer = await connection.read_response(disconnect_on_error=False)
                except TimeoutError:
                    if address == self._order[0]:
                        await self.find()
                    async with asyncio.timeout(self._timeout):  # whether it still answers
                        await connection.send_command("PING")
                        answer = await connection.read_response()
                if answer[0] == "pmessage":
                    self._handle(str(answer[2]), str(answer[3]).split())
        finally:
            await connection.disconnect(nowait=True)

    def _handle(self, event: str, words: list[str]) -> None:
        if event == SWITCHED:
            if words[0] == self._service:
                self._set_master(Address(words[3], int(words[4])))
        elif "@" in words and words[words.index("@") + 1] == self._service:
            if event == PROMOTING:
                self._hold()
            else:
                self._settled.set()
        elif words[1:2] == [self._service]:  # `master <name> …`: the failover was aborted
            self._settled.set()

    def _hold(self) -> None:
        if self._holding is None or self._holding.done():
            self._settled.clear()
            self._holding = asyncio.create_task(self._hold_until_settled(), name="failover")

    async def _hold_until_settled(self) -> None:
        """End the hold when the new master is known, the failover was aborted, or HOLD has passed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(HOLD):
                while not self._settled.is_set():
                    with suppress(*AWAY):
                        await self.find()
                    with suppress(TimeoutError):
                        async with asyncio.timeout(HOLD_POLL):
                            await self._settled.wait()
        self._settled.set()

    # --- queries ------------------------------------------------------------------------------------------------------

    async def _query(self, address: Address) -> Address | None:
        connection = await self._connected(address)
        try:
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
            answer = await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)
        return Address(str(answer[0]), int(answer[1])) if answer else None

    async def _connected(self, address: Address) -> Connection:
        try:
            return await self._connect(address)
        except AuthenticationError:  # sentinels have no password, or the password of their servers
            return await self._connect(address, **self._access)

    async def _connect(self, address: Address, **access: Any) -> Connection:
        connection = Connection(
            host=address.host,
            port=address.port,
            socket_timeout=None,
            decode_responses=True,
            protocol=2,
            retry=Retry(NoBackoff(), 0),
            driver_info=None,
            **access,
        )
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("PING")
            await connection.read_response()
        except BaseException:
            await connection.disconnect(nowait=True)
            raise
        return connection


class MasterConnection(PrimaryConnection):
    """A connection to the server that is the master when it connects.

    Once another master is known, the pool's connections to the former one reconnect at their next use: if it hangs,
    each of them would cost a time-out.
    """

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)
        self._sentinels = sentinels

    async def connect(self) -> None:
        """Connect, unless it is connected to the master already."""
        await self._sentinels.settled()
        if self.is_connected:
            if (self.host, self.port) == self._sentinels.master:
                return
            await self.disconnect(nowait=True)
        self.host, self.port = await self._sentinels.find()
        try:
            await super().connect()  # type: ignore[no-untyped-call]
            role = await self._role()
        except BaseException:
            self._sentinels.put_last()
            await self.disconnect(nowait=True)
            raise
        if role != "master":
            self._sentinels.put_last()
            await self.disconnect(nowait=True)
            raise ConnectionError("the server is not a master now")

    async def _role(self) -> str:
        await self.send_command("ROLE")
        try:
            return str((await self.read_response())[0])
        except NoPermissionError:  # the Redis user may not run ROLE: trust the sentinels
            return "master"


def options(sentinels: Sentinels, servers: ServerList) -> dict[str, Any]:
    """Return the arguments of a pool of connections to the master."""
    return {
        "connection_class": MasterConnection,
        "sentinels": sentinels,
        "username": servers.username,
        "password": servers.password,
    }
