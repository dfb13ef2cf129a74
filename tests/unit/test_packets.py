"""Socket.IO packets as the protocol writes them."""

import json
from typing import Any

import pytest

from gateway.keys import CHAT, ROOT
from gateway.protocol.wire import Cursor, Typed, epoch_ms
from gateway.realtime.packets import ack_packet, event_packet, success_packet

CURSOR = Cursor(epoch="채팅", seq=7)


@pytest.mark.parametrize(
    ("packet", "prefix", "content"),
    [
        (event_packet(ROOT, "connected", CURSOR), "2", ["connected", {"epoch": "채팅", "seq": 7}]),
        (event_packet(CHAT, "chat:message", CURSOR), "2/chat,", ["chat:message", {"epoch": "채팅", "seq": 7}]),
        (event_packet(CHAT, 'a"b', {"x": [1, None]}), "2/chat,", ['a"b', {"x": [1, None]}]),
        (ack_packet(ROOT, 0, CURSOR), "30", [{"epoch": "채팅", "seq": 7}]),
        (ack_packet(CHAT, 12, CURSOR), "3/chat,12", [{"epoch": "채팅", "seq": 7}]),
    ],
)
def test_a_packet_is_type_namespace_id_and_json(packet: bytes, prefix: str, content: list[Any]) -> None:
    text = packet.decode()
    assert text.startswith(prefix + "[")
    assert json.loads(text.removeprefix(prefix)) == content


def test_nested_payloads_keep_their_wire_names() -> None:
    class Inner(Cursor):
        page_size: int = 3

    packet = event_packet(ROOT, "e", Typed(type="e", data=Inner(epoch="x", seq=1)))
    assert json.loads(packet[1:])[1]["data"] == {"epoch": "x", "seq": 1, "pageSize": 3}


def test_the_ack_of_what_was_done_has_data_and_the_moment() -> None:
    packet = success_packet(CHAT, 12, CURSOR)
    answer = json.loads(packet.removeprefix(b"3/chat,12"))[0]
    assert abs(answer.pop("ts") - epoch_ms()) < 10_000
    assert answer == {"ok": True, "data": {"epoch": "채팅", "seq": 7}}


def test_values_outside_json_become_null() -> None:
    assert event_packet(ROOT, "e", Typed(type="e", data=[float("inf")])) == b'2["e",{"type":"e","data":[null]}]'
    assert event_packet(ROOT, "e", {"x": float("nan")}) == b'2["e",{"x":null}]'
