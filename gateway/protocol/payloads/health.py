"""Payloads of the health routes."""

from typing import Literal

from pydantic import Field

from gateway.clocks import now
from gateway.protocol.wire import Payload, Timestamp


class Live(Payload):
    """`GET /health/live`: the process answers."""

    status: Literal["ok"] = "ok"
    timestamp: Timestamp = Field(default_factory=now)


ComponentStatus = Literal["up", "full", "partial", "down"]

ReadyStatus = Literal["ok", "degraded", "error", "draining"]


class Component(Payload):
    """The state of one thing that the node needs.

    `full`: it answers, and has no memory or disk for writes. `partial`: some servers of a cluster are down.
    """

    status: ComponentStatus


class Ready(Payload):
    """`GET /health/ready`. `info` has all components, `error` those that are not up.

    `degraded` is ready: Redis is away or full for all nodes, and requests that do without it are served.
    """

    status: ReadyStatus
    info: dict[str, Component]
    error: dict[str, Component]
    timestamp: Timestamp = Field(default_factory=now)
