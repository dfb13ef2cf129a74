"""Connections that are given up when their server is no longer the master, or cannot be written to.

After a failover the server that was the master may keep its connections open, and refuse every write on them for as
long as they last: as a replica (READONLY), or because its replicas went to another one (NOREPLICAS).
"""

from typing import Any, Final

from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection
from redis.exceptions import ResponseError

from gateway.problems import error_code

NOT_PRIMARY: Final = frozenset({"READONLY", "NOREPLICAS", "MASTERDOWN", "UNBLOCKED"})
FULL: Final = frozenset({"OOM", "MISCONF"})  # it reads, and writes nothing
# What a server says that is there and does not do what it is asked: an outage, not a mistake of ours.
REFUSALS: Final = NOT_PRIMARY | FULL | {"CLUSTERDOWN"}


class NotPrimaryError(ResponseError):
    """The server did nothing: it is no longer the master, or must not be written to now. Another try is safe."""


class Primary(AbstractConnection):
    """Mixed into redis-py's connections: one whose server refuses like this is not used again."""

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
