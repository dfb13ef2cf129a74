"""Connections that follow the master through a failover: its sentinels are asked at each connect. Used by redis.py.

redis-py's own pool for Sentinel raises when it is full instead of waiting, and one sentinel that hangs takes all the
time there is. So the pool is the one that a single server has, and only its connections know that there are sentinels.
"""

import asyncio
from collections import deque
from typing import Any

from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, ConnectionError, NoPermissionError, RedisError  # noqa: A004

from gateway.redis.primary import PrimaryConnection
from gateway.redis.url import Address, ServerList


class Sentinels:
    """Who the master is, as its sentinels say."""

    def __init__(self, said: ServerList, timeout: float) -> None:
        self.master: Address | None = None  # as was heard last
        self._service = said.service
        self._access: dict[str, Any] = {"username": said.username, "password": said.password}
        self._order = deque(said.addresses)
        self._patience = timeout / (len(said.addresses) + 1)  # s for each, and as long for the master itself

    async def find(self) -> Address:
        """Ask one after the other, first the one that was right last. Raises redis-py's ConnectionError."""
        for address in tuple(self._order):
            try:
                async with asyncio.timeout(self._patience):
                    found = await self._ask(address)
            except (RedisError, OSError, TimeoutError):
                found = None
            if found is not None:
                self.master = found
                return found
            self.doubt(address)
        raise ConnectionError("no sentinel knows the master")

    def doubt(self, address: Address | None = None) -> None:
        """This sentinel, or the one that spoke last, is asked last next time."""
        if address is None or self._order[0] == address:
            self._order.rotate(-1)

    async def _ask(self, address: Address) -> Address | None:
        try:
            answer = await self._call(address)
        except AuthenticationError:  # sentinels have no password, or that of their servers
            answer = await self._call(address, **self._access)
        return Address(str(answer[0]), int(answer[1])) if answer else None

    async def _call(self, address: Address, **access: Any) -> Any:
        retry = Retry(NoBackoff(), 0)
        connection = Connection(
            host=address.host,
            port=address.port,
            socket_timeout=None,
            decode_responses=True,
            protocol=2,
            retry=retry,
            driver_info=None,
            **access,
        )
        try:
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._service)
            return await connection.read_response()
        finally:
            await connection.disconnect(nowait=True)


class MasterConnection(PrimaryConnection):
    """A connection to whoever is the master when it connects.

    Once anybody has heard of another master, those in the pool that lead to the old one reconnect at their next use:
    one that hangs would else cost a time-out for each of them.
    """

    def __init__(self, *, sentinels: Sentinels, **options: Any) -> None:
        super().__init__(**options)
        self._sentinels = sentinels

    async def connect(self) -> None:
        """Connect, unless it is connected to the master already."""
        if self.is_connected:
            if (self.host, self.port) == self._sentinels.master:
                return
            await self.disconnect(nowait=True)
        self.host, self.port = await self._sentinels.find()
        try:
            await super().connect()  # type: ignore[no-untyped-call]
            role = await self._role()
        except BaseException:
            self._sentinels.doubt()
            await self.disconnect(nowait=True)
            raise
        if role != "master":
            self._sentinels.doubt()
            await self.disconnect(nowait=True)
            raise ConnectionError("the server is no master yet, or not any more")

    async def _role(self) -> str:
        await self.send_command("ROLE")
        try:
            return str((await self.read_response())[0])
        except NoPermissionError:  # a user of few rights: the sentinels' word must do
            return "master"


def options(said: ServerList, timeout: float) -> dict[str, Any]:
    """What a pool of connections to the master is made with."""
    return {
        "connection_class": MasterConnection,
        "sentinels": Sentinels(said, timeout),
        "username": said.username,
        "password": said.password,
    }
