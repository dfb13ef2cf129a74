"""Payloads of `/cluster`: nodes and connections."""

from typing import Literal

from pydantic import Field

from gateway.protocol.payloads.health import ComponentStatus, ReadyStatus
from gateway.protocol.wire import Payload, Timestamp


class ConnectionView(Payload):
    """One connection of a person. `rooms` are those whose events it gets; `id` is not the secret session id."""

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


class NodeDetails(Payload):
    """The figures that a node stores every second; a node of an older version has none."""

    memory: int | None = None  # bytes
    components: dict[str, ComponentStatus] = Field(default_factory=dict)
    events_per_second: float | None = None  # from clients
    deliveries_per_second: float | None = None  # of broadcasts, to clients


class NodeView(NodeDetails):
    """One node. `gone`: no sign of life for 10 s."""

    id: str
    name: str
    version: str
    started_at: Timestamp
    seen_at: Timestamp
    status: ReadyStatus | Literal["gone"]
    connections: int


class NodePage(Payload):
    """`GET /cluster/nodes`, by name."""

    items: list[NodeView]


class ConnectionList(Payload):
    """`GET /cluster/connections`. `silent` are the nodes that did not answer, whose connections are missing."""

    items: list[ConnectionView]
    silent: list[str]
