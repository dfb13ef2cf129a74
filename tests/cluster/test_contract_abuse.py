"""What a hostile or broken client may try: each ends in an error or a clean close, and nobody else notices."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.client.client import Transport
from tests.client.raw import RawSocket, raw_polling, raw_websocket
from tests.client.socket import ClientSocket
from tests.cluster.shop import Shop

LARGEST = 65_536  # bytes of a packet

# Socket.IO packets (after the Engine.IO "4") that no client may send.
BROKEN_PACKETS = [
    "",
    "9",
    "x",
    "2",
    "2/chat",
    "2/chat,",
    "2/chat,7",
    "2/chat,{}",
    '2/chat,"x"',
    "2/chat,[]",
    "2/chat,[",
    '2/chat,["x"',
    '2/chat,["x",NaN]',
    '2/chat,["x",Infinity]',
    '2/chat,["x"]]',
    '2/chat,99999999999999999999["x",{}]',
    '2/chat,["x",' + "[" * 30_000,
    "2/elsewhere,[" + '"x"]',
    '2["x",{}]',
    "3/chat,1",
    "3/chat,1{}",
    '4/chat,{"message":"x"}',
    '51-/chat,["x",{"_placeholder":true,"num":0}]',
    '52-/chat,["x",{"_placeholder":true,"num":7}]',
    '59999999999-/chat,["x"]',
    '5/chat,["x"]',
    "61-/chat,1[]",
    '0/chat,"x"',
    "0/chat,[]",
    "0/" + "n" * 5000,
]

# Whole Engine.IO frames that no client may send over a websocket.
BROKEN_FRAMES: list[str | bytes] = ["", "x", "7", "0", '0{"sid":"x"}', "é", b"", b"\x00\x01", b"4" + b"x" * 100]

RESERVED = ["connect", "disconnect", "connect_error", "disconnecting", "newListener", "removeListener"]


class Room:
    """A chat room with a witness on each node; at the end everything must be as before."""

    def __init__(self, key: str, witnesses: list[ClientSocket]) -> None:
        self.key = key
        self.witnesses = witnesses

    async def unharmed(self) -> None:
        """Check that both witnesses can still send, and that both nodes deliver it."""
        for witness in self.witnesses:
            sent = await witness.call("chat:send-message", {"liveId": self.key, "message": "unharmed"})
            for hearer in self.witnesses:
                await hearer.expect("chat:message", id=sent["id"])


@asynccontextmanager
async def witnessed(shop: Shop) -> AsyncIterator[Room]:
    """Open a room with a witness on each node, who must see only that the abuser's member leaves."""
    key = await shop.stream()
    room = Room(key, [await shop.chatter(key, node=node) for node in (0, 1)])
    yield room
    await room.unharmed()


async def intruder(shop: Shop, room: Room, raw: RawSocket) -> str:
    """Let a raw client into the room, seen by the witnesses, and give its user id."""
    ann = await shop.person()
    await raw.join("/chat", ann.token)
    answer = await raw.answer(f'/chat,["chat:join-room",{json.dumps({"liveId": room.key})}]')
    assert answer["data"]["members"] == 3
    for witness in room.witnesses:
        await witness.expect("chat:user-joined", userId=ann.id)
    return ann.id


@pytest.mark.parametrize("packet", BROKEN_PACKETS, ids=lambda packet: packet[:24])
async def test_a_broken_packet_closes_its_connection_and_leaves_nothing(shop: Shop, packet: str) -> None:
    async with witnessed(shop) as room, raw_websocket(shop.urls[0]) as raw:
        who = await intruder(shop, room, raw)
        await raw.send(f"4{packet}")
        await raw.closed()
        await asyncio.gather(*(witness.expect("chat:user-left", within=2, userId=who) for witness in room.witnesses))


@pytest.mark.parametrize("frame", BROKEN_FRAMES, ids=repr)
async def test_a_broken_frame_closes_its_connection_and_leaves_nothing(shop: Shop, frame: str | bytes) -> None:
    async with witnessed(shop) as room, raw_websocket(shop.urls[0]) as raw:
        who = await intruder(shop, room, raw)
        await raw.send(frame)
        await raw.closed()
        await asyncio.gather(*(witness.expect("chat:user-left", within=2, userId=who) for witness in room.witnesses))


@pytest.mark.parametrize("body", ["x", "", "4\x1e", "4x", "40/chat,[]", "451-[]", "é" * 10], ids=repr)
async def test_a_broken_poll_is_refused_and_its_session_closed(shop: Shop, body: str) -> None:
    async with raw_polling(shop.urls[0]) as raw:
        status, _ = await raw.post(body)
        assert status in {200, 400}
        await raw.gone()


@pytest.mark.parametrize("event", RESERVED)
@pytest.mark.parametrize("namespace", ["/", "/chat", "/streaming"])
async def test_a_forged_event_is_an_unknown_event(shop: Shop, namespace: str, event: str) -> None:
    ann = await shop.person()
    prefix = "" if namespace == "/" else f"{namespace},"
    async with raw_websocket(shop.urls[0]) as raw:
        await raw.join(namespace, ann.token)
        for arguments in ("", ',"transport close"', ',{"REMOTE_ADDR":"127.0.0.1"},{"token":"x"}', ",{}"):
            answer = await raw.answer(f'{prefix}["{event}"{arguments}]')
            assert answer["error"]["code"] == "UNKNOWN_EVENT"
        await raw.send(f'42{prefix}["{event}",{{}}]')
        assert '"UNKNOWN_EVENT"' in await raw.until(f'42{prefix}["error"')


async def test_a_forged_disconnect_removes_nobody_from_the_room(shop: Shop) -> None:
    key = await shop.stream()
    ann = await shop.person()
    viewer = json.dumps({"streamKey": key})
    async with raw_websocket(shop.urls[0]) as raw:
        await raw.join("/streaming", ann.token)
        assert (await raw.answer(f'/streaming,["stream:viewer:join",{viewer}]'))["data"]["viewerCount"] == 1
        for _ in range(3):
            await raw.answer('/streaming,["disconnect","x"]')
        other = await shop.connect(await shop.person(), "/streaming", node=1)
        assert (await other.call("stream:viewer:join", {"streamKey": key}))["viewerCount"] == 2


@pytest.mark.parametrize("name", ["5", "null", "true", "{}", "[]", '["chat:join-room"]'])
async def test_an_event_name_that_is_not_a_string_is_unknown(shop: Shop, name: str) -> None:
    async with raw_websocket(shop.urls[0]) as raw:
        await raw.join("/chat", (await shop.person()).token)
        assert (await raw.answer(f"/chat,[{name},{{}}]"))["error"]["code"] == "UNKNOWN_EVENT"


async def test_unexpected_acks_are_ignored(shop: Shop) -> None:
    key = await shop.stream()
    async with raw_websocket(shop.urls[0]) as raw:
        await raw.join("/chat", (await shop.person()).token)
        await raw.send("43/chat,0[]", "43/chat,1[{}]", "43/chat,9007199254740991[]")
        answer = await raw.answer(f'/chat,["chat:join-room",{json.dumps({"liveId": key})}]')
        assert answer["ok"] is True


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_binary_events_are_refused(shop: Shop, transport: Transport) -> None:
    async with witnessed(shop) as room:
        ann = await shop.person()
        socket = await shop.chatter(room.key, as_=ann, transport=transport)
        socket.emit_bytes("chat:send-message", 100)
        assert await socket.ended() in {"transport close", "transport error"}
        await asyncio.gather(*(witness.expect("chat:user-left", within=2, userId=ann.id) for witness in room.witnesses))


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_an_oversized_packet_closes_only_its_connection(shop: Shop, transport: Transport) -> None:
    async with witnessed(shop) as room:
        ann = await shop.person()
        socket = await shop.chatter(room.key, as_=ann, transport=transport)
        socket.emit("chat:send-message", {"liveId": room.key, "message": "x" * LARGEST})
        assert await socket.ended() in {"transport close", "transport error"}
        await asyncio.gather(*(witness.expect("chat:user-left", within=2, userId=ann.id) for witness in room.witnesses))


@pytest.mark.parametrize("transport", ["websocket", "polling"])
async def test_a_packet_of_nearly_the_largest_size_is_answered(shop: Shop, transport: Transport) -> None:
    key = await shop.stream()
    socket = await shop.chatter(key, transport=transport)
    error = await socket.fail("chat:send-message", {"liveId": key, "message": "x" * (LARGEST - 200)})
    assert error["code"] == "MESSAGE_TOO_LONG"


async def test_more_packets_in_a_poll_than_allowed_are_refused_at_once(shop: Shop) -> None:
    ann = await shop.person()
    async with raw_polling(shop.urls[0]) as raw:
        await raw.post(f"40/chat,{json.dumps({'token': ann.token})}")
        await raw.until("40/chat,")
        packets = ['42/chat,["x",{}]'] * 257
        assert (await raw.post("\x1e".join(packets)))[0] in {400, 413}
        await raw.gone()


async def test_a_body_that_arrives_in_pieces_is_read_completely(shop: Shop) -> None:
    ann = await shop.person()
    async with raw_polling(shop.urls[0]) as raw:
        await raw.post(f"40/chat,{json.dumps({'token': ann.token})}")
        await raw.until("40/chat,")
        assert " 200 " in await raw.post_in_pieces('42/chat,1["x",{"text":"' + "y" * 40_000 + '"}]', first=100)
        await raw.until("43/chat,1[")


async def test_an_event_to_a_namespace_not_joined_closes_the_connection(shop: Shop) -> None:
    async with raw_websocket(shop.urls[0]) as raw:
        await raw.send('42/chat,1["chat:join-room",{"liveId":"demo"}]')
        await raw.closed()
        assert not [packet for packet in raw.received if packet.startswith("43")]


async def test_a_second_connect_to_the_same_namespace_changes_nothing(shop: Shop) -> None:
    ann, bob = await shop.person(), await shop.person()
    key = await shop.stream()
    async with raw_websocket(shop.urls[0]) as raw:
        await raw.join("/chat", ann.token)
        await raw.send(f"40/chat,{json.dumps({'token': bob.token})}")
        answer = await raw.answer(f'/chat,["chat:join-room",{json.dumps({"liveId": key})}]')
        assert answer["data"]["you"]["userId"] == ann.id


async def test_nobody_receives_events_of_a_room_before_joining(shop: Shop) -> None:
    """The broadcast of another client arrives while this one waits for its refusal: it must not get it."""
    key = await shop.stream()
    talker = await shop.chatter(key)
    async with raw_websocket(shop.urls[0]) as raw:
        await raw.send('40/chat,{"token":"rubbish"}')
        sent = await talker.call("chat:send-message", {"liveId": key, "message": "members only"})
        await talker.expect("chat:message", id=sent["id"])
        await raw.closed()
        assert [packet[:3] for packet in raw.received if packet.startswith("4")] == ["44/"]


async def test_a_disconnect_at_any_moment_of_connecting_leaves_no_member(shop: Shop) -> None:
    """Close right behind the connect, the join and both, sixty times; the room must count to what it was."""
    async with witnessed(shop) as room:
        join = json.dumps(["chat:join-room", {"liveId": room.key}])
        people = [await shop.person() for _ in range(10)]

        async def come_and_go(number: int) -> None:
            async with raw_websocket(shop.urls[number % 2]) as raw:
                auth = json.dumps({"token": people[number % 10].token})
                await raw.send(f"40/chat,{auth}", f"40{auth}")
                if number % 3:
                    await raw.send(f"42/chat,1{join}")
                if number % 3 == 1:
                    await raw.send("1")

        for batch in range(6):
            await asyncio.gather(*(come_and_go(batch * 10 + number) for number in range(10)))
        await shop.settles(room.key, members=2)
