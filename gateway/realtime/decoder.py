"""Reads one Socket.IO v5 packet from its text. Called by the Socket.IO server for everything a client sends."""

import json
from enum import IntEnum
from typing import Any, NamedTuple

import msgspec

_decode = msgspec.json.Decoder().decode
MAX_NAMESPACE = 64  # characters; ours are shorter
MAX_ACK_ID = 2**53 - 1  # the largest whole number that a JavaScript client can count to


class PacketType(IntEnum):
    """The packet types of Socket.IO v5."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


class Packet(NamedTuple):
    """One packet. `data`: for CONNECT an object or None, for EVENT (never empty) and ACK a list, else None."""

    type: PacketType
    namespace: str
    ack_id: int | None
    data: Any


class ProtocolError(Exception):
    """What arrived is not a Socket.IO packet that a client may send; the connection is to be closed."""


def decode(text: str) -> Packet:
    """The packet in `text`. Raises ProtocolError.

    Binary packets are refused: no event takes one, and counting attachments is how a client makes a server hold memory.
    """
    try:
        kind = PacketType(ord(text[0]) - 48)
    except (IndexError, ValueError):
        raise ProtocolError("unknown packet type") from None
    if kind in (PacketType.BINARY_EVENT, PacketType.BINARY_ACK, PacketType.CONNECT_ERROR):
        raise ProtocolError(f"a client may not send {kind.name}")

    at = 1
    namespace = "/"
    if text.startswith("/", 1):
        comma = text.find(",", 1, MAX_NAMESPACE + 2)
        # Only CONNECT and DISCONNECT may end with their namespace.
        end = comma if comma >= 0 else len(text)
        if end - 1 > MAX_NAMESPACE:
            raise ProtocolError("the namespace is too long")
        namespace = text[1:end].partition("?")[0]
        at = end + 1

    start = at
    while at < len(text) and "0" <= text[at] <= "9":
        at += 1
    ack_id = int(text[start:at]) if at > start and at - start <= 16 else None
    if at > start and (ack_id is None or ack_id > MAX_ACK_ID):
        raise ProtocolError("the ack id is too large")

    return Packet(kind, namespace, ack_id, _data(kind, text[at:]))


def _data(kind: PacketType, body: str) -> Any:
    try:
        data = _loads(body) if body else None
    except (ValueError, RecursionError):
        raise ProtocolError("the payload is not JSON") from None
    match kind:
        case PacketType.CONNECT:
            valid = data is None or isinstance(data, dict)
        case PacketType.DISCONNECT:
            valid = data is None
        case PacketType.EVENT:
            valid = isinstance(data, list) and bool(data)
        case _:
            valid = isinstance(data, list)
    if not valid:
        raise ProtocolError(f"the payload does not fit {kind.name}")
    return data


def _loads(body: str) -> Any:
    try:
        return _decode(body)
    except msgspec.DecodeError:
        if "\\ud" not in body.lower():
            raise
        # A text cut in the middle of an emoji: JavaScript holds half a character, UTF-8 cannot. It becomes U+FFFD, as
        # in everything else that a browser sends. msgspec refuses it, so the text takes a round through json.
        whole = json.dumps(json.loads(body), ensure_ascii=False)
        return _decode(whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
