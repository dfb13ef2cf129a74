"""`/cluster`: nodes, and the connections of people on all of them. For administrators."""

from functools import partial

from gateway.http.routes import CONFLICT, ID, READS, WRITES, Call, Route
from gateway.protocol.payloads.cluster import ConnectionList, NodePage, NodeView
from gateway.protocol.queries import ConnectionQuery
from gateway.security.principal import ADMINS
from gateway.services.nodes.node_list import Nodes
from gateway.services.nodes.person_connections import PersonConnections


class Cluster:
    """The routes of the cluster."""

    def __init__(self, nodes: Nodes, connections: PersonConnections) -> None:
        self._nodes = nodes
        self._connections = connections

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        admin = partial(Route, who=ADMINS)
        drain = f"/cluster/nodes/{ID}/drain"
        return [
            admin("GET", "/cluster", self.cluster, answer=NodePage, limit=READS),
            admin("GET", "/cluster/nodes", self.nodes, answer=NodePage, limit=READS),
            admin("POST", drain, self.drain, answer=NodeView, limit=WRITES, status=202, raises=CONFLICT),
            admin("DELETE", drain, self.resume, answer=NodeView, limit=WRITES, status=202),
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

    async def cluster(self, call: Call[None, None]) -> NodePage:
        """List the nodes with their load and state, as `/cluster/nodes` does."""
        return await self.nodes(call)

    async def nodes(self, _call: Call[None, None]) -> NodePage:
        """List the nodes with their load and state."""
        return await self._nodes.page()

    async def drain(self, call: Call[None, None]) -> NodeView:
        """Take a node out of service; its clients move to other nodes, and its process keeps running."""
        return await self._nodes.drain(call.principal, call.path("id"))

    async def resume(self, call: Call[None, None]) -> NodeView:
        """Put a drained node back into service."""
        return await self._nodes.resume(call.principal, call.path("id"))

    async def connections(self, call: Call[None, ConnectionQuery]) -> ConnectionList:
        """List the connections of a user or guest on all nodes, newest first."""
        return await self._connections.of(call.query.user_id)

    async def end_connection(self, call: Call[None, None]) -> None:
        """End a connection; its client does not reconnect by itself."""
        await self._connections.end(call.principal, call.path("id"))
