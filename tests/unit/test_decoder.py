"""What the Socket.IO decoder takes and refuses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.realtime.socketio.decoder import PacketType, ProtocolError, decode


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", (PacketType.CONNECT, "/", None, None)),
        ("0/chat,", (PacketType.CONNECT, "/chat", None, None)),
        ("0/chat", (PacketType.CONNECT, "/chat", None, None)),
        ('0/chat,{"token":"t"}', (PacketType.CONNECT, "/chat", None, {"token": "t"})),
        ("0/chat?a=b,", (PacketType.CONNECT, "/chat", None, None)),
        ("1", (PacketType.DISCONNECT, "/", None, None)),
        ("1/chat,", (PacketType.DISCONNECT, "/chat", None, None)),
        ('2["e"]', (PacketType.EVENT, "/", None, ["e"])),
        ('2["e",{"a":[1]}]', (PacketType.EVENT, "/", None, ["e", {"a": [1]}])),
        ('213["e",{}]', (PacketType.EVENT, "/", 13, ["e", {}])),
        ('2/chat,0["e",{}]', (PacketType.EVENT, "/chat", 0, ["e", {}])),
        (r'2["e","cut \ud83d",{"\udc00":1}]', (PacketType.EVENT, "/", None, ["e", "cut \ufffd", {"\ufffd": 1}])),
        (r'2["e","\ud83d\ude00 \ud83d"]', (PacketType.EVENT, "/", None, ["e", "😀 \ufffd"])),
        ("37[]", (PacketType.ACK, "/", 7, [])),
    ],
)
def test_a_packet_is_read(text: str, expected: tuple[object, ...]) -> None:
    assert decode(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "7",
        "9[]",
        "²[]",
        "2",
        "2[]",
        "2{}",
        '2"e"',
        '2["e"',
        '2["e",NaN]',
        '2["e",Infinity]',
        "2/chat",
        '2/chat["e"]',
        '21x["e"]',
        '2-1["e"]',
        '2٣["e"]',
        '299999999999999999999["e"]',
        "0[]",
        '0"token"',
        "1{}",
        "1[1]",
        "3{}",
        "3",
        '4{"message":"x"}',
        '51-["e",{"_placeholder":true,"num":0}]',
        '59999999999-["e",{"_placeholder":true,"num":0}]',
        '61-0[{"_placeholder":true,"num":0}]',
        "0/" + "a" * 65 + ",",
        "2" + "[" * 100_000,
        '2["\ud800"]',
        r'2["\ud800",NaN]',
        r'2["\ud800"',
    ],
)
def test_malformed_packets_are_refused(text: str) -> None:
    with pytest.raises(ProtocolError):
        decode(text)


@given(st.text(alphabet='0123456789[]{}",:/-nultrefas²٣\ud800 \\ud', max_size=40))
def test_random_input_raises_only_packet_errors(text: str) -> None:
    try:
        kind, _, _, data = decode(text)
    except ProtocolError:
        return
    assert kind in PacketType
    assert kind is not PacketType.EVENT or data


def test_lone_surrogates_are_replaced_up_to_a_bound() -> None:
    half = '2["chat:send-message",{"message":"' + "\\ud800" * 500 + '"}]'
    assert decode(half)[3][1]["message"] == "\ufffd" * 500
    with pytest.raises(ProtocolError):
        decode('2["e",{"a":"' + "\\ud800" * 10_000 + '"}]')
