"""Decodes Socket.IO v5 packets. Called by the Socket.IO server for everything that a client sends."""

import json
import re
from enum import IntEnum
from typing import Any

import msgspec

_decode = msgspec.json.Decoder().decode
MAX_NAMESPACE = 64  # characters; ours are shorter
MAX_ACK_ID = 2**53 - 1  # the largest integer of a JavaScript client
MAX_REPAIRED = 16_384  # characters: twice the longest message, written as escapes. A full packet would take 5 ms
_ACK_DIGITS = 16  # of that number


class PacketType(IntEnum):
    """The packet types of Socket.IO v5."""

    CONNECT = 0
    DISCONNECT = 1
    EVENT = 2
    ACK = 3
    CONNECT_ERROR = 4
    BINARY_EVENT = 5
    BINARY_ACK = 6


_EVENT = PacketType.EVENT
# The types that a client may send.
_KINDS = {str(int(kind)): kind for kind in (PacketType.CONNECT, PacketType.DISCONNECT, _EVENT, PacketType.ACK)}
# Type, namespace up to its comma (or to the end: CONNECT and DISCONNECT may end with it), ack id. Looking at the
# characters in Python took 6 µs a packet instead of 2.
_HEAD = re.compile(r"([0-3])(?:(/[^,]*)(?:,|\Z))?([0-9]*)")


# Type, namespace, ack id, data: for CONNECT an object or None, for EVENT (never empty) and ACK a list, else None.
Packet = tuple[PacketType, str, int | None, Any]


class ProtocolError(Exception):
    """The text is not a Socket.IO packet that a client may send; the connection must be closed."""


def decode(text: str) -> Packet:
    """Return the packet in `text`. Raises ProtocolError.

    Binary packets are refused: no event takes them, and clients could use up memory with attachments that never come.
    """
    head = _HEAD.match(text)
    if head is None:
        raise ProtocolError("not a packet that a client may send")
    digit, address, number = head.groups()
    kind = _KINDS[digit]

    namespace = "/"
    if address is not None:
        if len(address) > MAX_NAMESPACE:
            raise ProtocolError("the namespace is too long")
        namespace = address.partition("?")[0] if "?" in address else address

    ack_id = None
    if number and (len(number) > _ACK_DIGITS or (ack_id := int(number)) > MAX_ACK_ID):
        raise ProtocolError("the ack id is too large")

    body = text[head.end() :]
    try:
        try:
            data = _decode(body) if body else None
        except msgspec.DecodeError:
            data = _repaired(body)
    except (ValueError, RecursionError):
        raise ProtocolError("the payload is not JSON") from None
    if not _fits(kind, data):
        raise ProtocolError(f"the payload does not fit {kind.name}")
    return kind, namespace, ack_id, data


def _fits(kind: PacketType, data: Any) -> bool:
    if kind is _EVENT:
        return isinstance(data, list) and bool(data)
    if kind is PacketType.CONNECT:
        return data is None or isinstance(data, dict)
    if kind is PacketType.DISCONNECT:
        return data is None
    return isinstance(data, list)


def _repaired(body: str) -> Any:
    """Decode JSON that contains lone surrogates, such as a text that was cut in the middle of an emoji.

    JavaScript strings may contain them, UTF-8 and msgspec do not. They become U+FFFD, as when browsers encode text.
    Raises ValueError.
    """
    if len(body) > MAX_REPAIRED or "\\ud" not in body.lower():
        raise ValueError("not JSON")
    whole = json.dumps(json.loads(body), ensure_ascii=False)
    return _decode(whole.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace"))
