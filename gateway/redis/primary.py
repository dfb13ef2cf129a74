"""Connections that are closed when their server is no longer the master, or refuses writes.

After a failover the former master may keep its connections open and refuse every write on them: as a replica
(READONLY), or because its replicas follow another server (NOREPLICAS).
"""

from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.exceptions import ResponseError

from gateway.server_problems import error_code

NOT_PRIMARY: Final = frozenset({"READONLY", "NOREPLICAS", "MASTERDOWN", "UNBLOCKED"})
FULL: Final = frozenset({"OOM", "MISCONF"})  # the server serves reads and refuses writes
# Error codes of a server that answers but is out of service: an outage, not a mistake of ours.
REFUSALS: Final = NOT_PRIMARY | FULL | {"CLUSTERDOWN"}


class NotPrimaryError(ResponseError):
    """The server did nothing: it is no longer the master, or accepts no writes now. A repetition is safe."""


class Primary(AbstractConnection):
    """A mixin for redis-py's connections: after a code of NOT_PRIMARY the connection is not used again."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        """Read a reply. Raises NotPrimaryError; in a pipeline, where errors are replies, the others are still read."""
        try:
            return await super().read_response(*args, **options)
        except ResponseError as error:
            code = error_code(error)
            if code not in NOT_PRIMARY:
                raise
            self.mark_for_reconnect()  # type: ignore[no-untyped-call]
            raise NotPrimaryError(f"{code} the server did nothing", status_code=code) from None


class PrimaryConnection(Primary, Connection):
    """Over TCP."""


class PrimaryTlsConnection(Primary, SSLConnection):
    """Over TLS."""


PRIMARY: Final[dict[type[AbstractConnection], type[AbstractConnection]]] = {
    Connection: PrimaryConnection,
    SSLConnection: PrimaryTlsConnection,
}
