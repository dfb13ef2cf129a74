"""Payloads of the health routes."""

from typing import Literal

from pydantic import Field

from gateway.protocol.wire import Payload, Timestamp, now


class Live(Payload):
    """`GET /health/live`: the process answers."""

    status: Literal["ok"] = "ok"
    timestamp: Timestamp = Field(default_factory=now)


class Component(Payload):
    """The state of one server that the node needs."""

    status: Literal["up", "down"]


class Ready(Payload):
    """`GET /health/ready`. `info` has all components, `error` those that are down."""

    status: Literal["ok", "error", "draining"]
    info: dict[str, Component]
    error: dict[str, Component]
    timestamp: Timestamp = Field(default_factory=now)
