"""Payloads of the health routes, for orchestrators and load balancers."""

from typing import Literal

from pydantic import Field

from gateway.protocol.wire import Payload, Timestamp, now


class Live(Payload):
    """`GET /health/live`: the process answers."""

    status: Literal["ok"] = "ok"
    timestamp: Timestamp = Field(default_factory=now)


class Component(Payload):
    """One thing the node needs."""

    status: Literal["up", "down"]


class Ready(Payload):
    """`GET /health/ready`: whether to send traffic here. `info` has every component, `error` those that are down."""

    status: Literal["ok", "error", "draining"]
    info: dict[str, Component]
    error: dict[str, Component]
    timestamp: Timestamp = Field(default_factory=now)
