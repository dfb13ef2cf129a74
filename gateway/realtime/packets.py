"""Socket.IO packets as bytes, encoded once for any number of sockets. Used by fan-out and by the Socket.IO layer."""

from functools import lru_cache
from typing import Any

from pydantic_core import to_json

from gateway.keys import ROOT
from gateway.protocol.wire import Payload, epoch_ms

_EVENT = b"2"


def event_packet(namespace: str, event: str, payload: Payload | dict[str, Any]) -> bytes:
    """`2["event",payload]` on `/`, `2/chat,["event",payload]` elsewhere."""
    if isinstance(payload, dict):
        return b"%b%b]" % (_event_head(namespace, event), _json(payload))
    # What to_json comes to by a way that is 0.5 µs longer.
    return b"%b%b]" % (_event_head(namespace, event), payload.__pydantic_serializer__.to_json(payload))


def logged_packet(namespace: str, event: str, payload: str) -> bytes:
    """The same with a payload that is JSON already."""
    return b"%b%b]" % (_event_head(namespace, event), payload.encode())


def with_offset(packet: bytes, offset: str) -> bytes:
    """An event with its offset as last argument: where the official clients look for it."""
    return b"%b,%b]" % (packet[:-1], _json(offset))


def ack_packet(namespace: str, ack_id: int, answer: Payload) -> bytes:
    """`3<id>[answer]` on `/`, `3/chat,<id>[answer]` elsewhere."""
    return b"3%b%d[%b]" % (_address(namespace), ack_id, _json(answer))


def success_packet(namespace: str, ack_id: int, data: Payload) -> bytes:
    """The ack of a request that was done, `ts` being the moment it is sent at.

    Written around its data: every message has one, and making and encoding a model around another one costs 4 µs.
    """
    encoded = data.__pydantic_serializer__.to_json(data)
    return b'3%b%d[{"ok":true,"data":%b,"ts":%d}]' % (_address(namespace), ack_id, encoded, epoch_ms())


def connect_packet(namespace: str, sid: str, pid: str | None = None) -> bytes:
    """`0{"sid":…,"pid":…}`: a client is in; with a `pid` it can come back as the same socket."""
    ids = {"sid": sid} if pid is None else {"sid": sid, "pid": pid}
    return b"0%b%b" % (_address(namespace), _json(ids))


def disconnect_packet(namespace: str) -> bytes:
    """`1`: a client is made to leave, and told not to come back by itself."""
    return b"1%b" % _address(namespace)


def refusal_packet(namespace: str, message: str, data: Payload) -> bytes:
    """`4{"message":…,"data":…}`: a client is not let in; its library raises `connect_error` with both."""
    return b"4%b%b" % (_address(namespace), _json({"message": message, "data": data}))


@lru_cache(maxsize=256)
def _event_head(namespace: str, event: str) -> bytes:
    return b"%b%b[%b," % (_EVENT, _address(namespace), _json(event))


@lru_cache(maxsize=64)
def _address(namespace: str) -> bytes:
    return b"" if namespace == ROOT else namespace.encode() + b","


def _json(value: Any) -> bytes:
    # NaN and Infinity are no JSON: browsers would refuse the whole packet.
    return to_json(value, by_alias=True, inf_nan_mode="null")
