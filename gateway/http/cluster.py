"""`/cluster`: the connections of people on all nodes. For administrators."""

from functools import partial

from gateway.http.routes import ID, READS, WRITES, Call, Route
from gateway.protocol.cluster import ConnectionList
from gateway.protocol.queries import ConnectionQuery
from gateway.security.principal import ADMINS
from gateway.services.nodes.connections import Connections


class Cluster:
    """The routes of the cluster."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        admin = partial(Route, who=ADMINS)
        return [
            admin(
                "GET",
                "/cluster/connections",
                self.connections,
                query=ConnectionQuery,
                answer=ConnectionList,
                limit=READS,
            ),
            admin("DELETE", f"/cluster/connections/{ID}", self.end_connection, limit=WRITES),
        ]

    async def connections(self, call: Call[None, ConnectionQuery]) -> ConnectionList:
        """List the connections of a user or guest on all nodes, newest first."""
        return await self._connections.of(call.query.user_id)

    async def end_connection(self, call: Call[None, None]) -> None:
        """End a connection; its client does not come back by itself."""
        await self._connections.end(call.principal, call.path("id"))
