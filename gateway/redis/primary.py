"""Connections that are given up when their server became a replica: the next goes to its successor. Used by redis.py.

After a failover behind one address (a managed Redis, a virtual IP) the server that was may keep its connections open,
and refuse every write on them for as long as they last.
"""

from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.exceptions import ConnectionError, ReadOnlyError  # noqa: A004


class Primary(AbstractConnection):
    """Mixed into redis-py's connections."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """An answer; a master that became a replica meanwhile is a lost connection."""
        try:
            return await super().read_response(*args, **options)
        except ReadOnlyError:
            await self.disconnect(nowait=True)
            raise ConnectionError("the server is not the master any more") from None


class PrimaryConnection(Primary, Connection):
    """Over TCP."""


class PrimaryTlsConnection(Primary, SSLConnection):
    """Over TLS."""


PRIMARY: Final[dict[type[AbstractConnection], type[AbstractConnection]]] = {
    Connection: PrimaryConnection,
    SSLConnection: PrimaryTlsConnection,
}
