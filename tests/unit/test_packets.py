"""Socket.IO packets as the protocol writes them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.clocks import epoch_ms, now
from gateway.keys import (
    CHAT,
    ROOT,
    Room,
    admins_room,
    chat_room,
    products_room,
    viewers_room,
)
from gateway.protocol.broadcasts import BROADCASTS
from gateway.protocol.payloads.streaming import StreamEnded
from gateway.protocol.wire import Cursor, Payload, Typed
from gateway.realtime.logged import LogStamp, stamped, timed
from gateway.realtime.packets import ack_packet, event_packet, logged_packet, stamped_packet, success_packet

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


def test_a_success_ack_has_data_and_time() -> None:
    packet = success_packet(CHAT, 12, CURSOR)
    answer = json.loads(packet.removeprefix(b"3/chat,12"))[0]
    assert abs(answer.pop("ts") - epoch_ms()) < 10_000
    assert answer == {"ok": True, "data": {"epoch": "채팅", "seq": 7}}


def test_values_outside_json_become_null() -> None:
    assert event_packet(ROOT, "e", Typed(type="e", data=[float("inf")])) == b'2["e",{"type":"e","data":[null]}]'
    assert event_packet(ROOT, "e", {"x": float("nan")}) == b'2["e",{"x":null}]'


# --- logged events ----------------------------------------------------------------------------------------------------

STAMP = LogStamp("6f1c2a3b-0000-4000-8000-000000000000", 42, datetime(2026, 11, 30, 8, 0, 0, 123999, tzinfo=UTC))
FIELDS = {"room": "live:demo", "seq": 42, "epoch": STAMP.epoch, "at": "2026-11-30T08:00:00.123Z"}


@pytest.mark.parametrize(
    "payload",
    [
        Typed(type="e", data={"seq": 42, "message": '채팅 "data":{"seq":0 }', "until": None}),
        Typed(type="e", data={}),
        Typed(type="e", data=[float("inf")]),
        StreamEnded(stream_key="demo"),
    ],
)
@pytest.mark.parametrize("room", [chat_room("demo"), admins_room()])
@pytest.mark.parametrize(
    ("began", "passed"),
    [
        (None, None),
        (timedelta(0), 0),
        (timedelta(days=2, microseconds=1999), 172_800_001),
        (-timedelta(seconds=1), None),
    ],
)
def test_published_and_read_events_have_the_same_stamp(
    payload: Payload, room: Room, began: timedelta | None, passed: int | None
) -> None:
    stamp = STAMP._replace(began=None if began is None else STAMP.at - began)
    wanted = payload.model_dump(mode="json") | FIELDS | {"room": room.name}
    if passed is not None:
        bare = not isinstance(payload, Typed) or not payload.data or isinstance(payload.data, list)
        (wanted if bare else wanted["data"])["streamTime"] = passed
    published = stamped_packet(room, "e", payload.model_dump_json(), stamp)
    # As `jsonb` is written: shorter keys first, a blank behind each comma and colon.
    stored = json.dumps(dict(sorted(payload.model_dump(mode="json").items())), ensure_ascii=False)
    for packet in (published, logged_packet(room.namespace, "e", stamped(stored, room, stamp))):
        assert json.loads(packet[packet.index(b"[") :])[1] == wanted


def test_stamps_hide_no_field_of_a_payload() -> None:
    for broadcasts in BROADCASTS.values():
        for event, broadcast in broadcasts.items():
            if broadcast.logged and not broadcast.typed:
                assert not {"room", "seq", "epoch", "at"} & set(broadcast.data.model_fields), event
            assert "stream_time" not in broadcast.data.model_fields, event


@pytest.mark.parametrize("payload", [Typed(type="e", data={"userId": "a", "data": {}}), StreamEnded(stream_key="demo")])
@pytest.mark.parametrize("room", [chat_room("demo"), products_room("demo"), viewers_room("demo")])
def test_other_events_of_a_stream_get_its_time(payload: Payload, room: Room) -> None:
    packet = event_packet(room.namespace, "e", payload)
    wanted = payload.model_dump(mode="json")
    assert timed(packet, None) is packet
    for began, least in ((now() - timedelta(seconds=5), 5000), (now() + timedelta(days=1), 0)):
        changed = timed(packet, began)
        event = json.loads(changed[changed.index(b"[") :])[1]
        assert least <= event.get("data", event).pop("streamTime") < least + 60_000
        assert event == wanted
