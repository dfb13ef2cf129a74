"""Payloads of `/cluster`: nodes and connections."""

from gateway.protocol.wire import Payload, Timestamp


class ConnectionView(Payload):
    """One connection of a person. `rooms` are those whose events it gets; `id` is no secret of the connection."""

    id: str
    node: str
    user_id: str
    username: str
    role: str
    transport: str
    address: str
    connected_at: Timestamp
    namespaces: list[str]
    rooms: list[str]


class ConnectionList(Payload):
    """`GET /cluster/connections`. `silent` are the names of nodes that did not answer in time: it lacks theirs."""

    items: list[ConnectionView]
    silent: list[str]
