"""What a room hears within a tick is one frame for each member; nobody can tell by the order or the content."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.protocol.wire import Payload
from gateway.realtime.engineio.cork import Cork
from gateway.realtime.engineio.frame import SEPARATOR, Frame, JoinedFrame, text_frame
from gateway.realtime.engineio.options import EngineOptions
from gateway.realtime.engineio.polling import Polling
from gateway.realtime.engineio.websocket import WebSocket
from gateway.realtime.socketio import frame_batches
from gateway.realtime.socketio.frame_batches import MAX_UNBATCHED
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal, Role
from tests.timing import until

ROOM, OTHER = Room("/chat", "live:a"), Room("/chat", "live:b")


def packet(name: str) -> bytes:
    return f'2/chat,["{name}"]'.encode()


class Line:
    """A connection that notes the frames it is handed."""

    sid = "c"

    def __init__(self) -> None:
        self.made: list[Frame] = []
        self.frames: list[list[str]] = []  # the names of the events in each; an ack is "ack"

    def send_frame(self, frame: Frame) -> None:
        self.made.append(frame)
        self.frames.append([_name(text) for text in frame.text.split(SEPARATOR)])

    def broadcast(self, frame: Frame) -> None:
        self.send_frame(frame)

    @property
    def heard(self) -> list[str]:
        return [name for frame in self.frames for name in frame]


def _name(text: str) -> str:
    (content, *_) = json.loads(text[text.index("[") :])
    return content if isinstance(content, str) else "ack"


class Hall:
    """A room with members."""

    def __init__(self, members: int) -> None:
        self.metrics = Metrics()
        self.rooms = Rooms(self.metrics)
        self._sids = count()
        self.sockets = [self.come() for _ in range(members)]

    def come(self, connection: Any = None, *, takes_offsets: bool = True) -> Socket:
        moment = datetime.now(UTC)
        who = Principal("u", "name", Role.USER, "s", "t", moment, moment + timedelta(minutes=15))
        client: Any = connection or Line()
        socket = Socket(str(next(self._sids)), "/chat", client, who, self.rooms, takes_offsets=takes_offsets)
        self.rooms.add(socket)
        self.rooms.add_member(socket, ROOM)
        return socket

    def say(self, *names: str, room: Room = ROOM) -> None:
        for name in names:
            self.rooms.deliver(room, packet(name))

    def frames(self) -> list[list[list[str]]]:
        return [line(socket).frames for socket in self.sockets]


def line(socket: Socket) -> Line:
    connection: Any = socket.connection
    assert isinstance(connection, Line)
    return connection


async def tick() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


async def test_many_members_get_one_frame_per_tick() -> None:
    hall = Hall(MAX_UNBATCHED + 1)
    hall.say("a", "b", "c")
    assert hall.frames() == [[]] * (MAX_UNBATCHED + 1)
    await tick()
    assert hall.frames() == [[["a", "b", "c"]]] * (MAX_UNBATCHED + 1)
    hall.say("d")
    await asyncio.sleep(2 * frame_batches.PAUSE)
    assert hall.frames() == [[["a", "b", "c"], ["d"]]] * (MAX_UNBATCHED + 1)
    assert hall.metrics.registry.get_sample_value("dorami_deliveries_total") == 4 * (MAX_UNBATCHED + 1)


@pytest.mark.parametrize("members", [2, MAX_UNBATCHED + 1])
async def test_members_without_offsets_share_one_frame(members: int) -> None:
    hall = Hall(members)
    bare = [hall.come(takes_offsets=False) for _ in range(2)]
    for name, offset in (("a", None), ("b", "live:demo@01234567.1"), ("c", "live:demo@01234567.2")):
        hall.rooms.deliver(ROOM, packet(name), offset)
    await tick()
    for socket, with_offsets in ((hall.sockets[0], True), (bare[0], False)):
        texts = [text for frame in line(socket).made for text in frame.text.split(SEPARATOR)]
        assert ["@01234567" in text for text in texts] == [False, with_offsets, with_offsets]
        assert line(socket).heard == ["a", "b", "c"]
    assert line(bare[0]).made == line(bare[1]).made
    for socket in bare:
        hall.rooms.leave(socket, ROOM)
    assert not hall.rooms._without_offsets


async def test_a_direct_packet_follows_frames_without_offsets() -> None:
    hall = Hall(MAX_UNBATCHED + 1)
    socket = hall.come(takes_offsets=False)
    hall.rooms.deliver(ROOM, packet("a"), "live:demo@01234567.1")
    socket.send("note", Payload())
    assert line(socket).heard == ["a", "note"]
    assert "@01234567" not in "".join(frame.text for frame in line(socket).made)


async def test_few_members_get_a_frame_at_once() -> None:
    hall = Hall(MAX_UNBATCHED)
    hall.say("a", "b")
    assert hall.frames() == [[["a"], ["b"]]] * MAX_UNBATCHED


async def test_a_full_batch_does_not_wait_for_the_end_of_the_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_batches, "MAX_BATCH", 2 * len(Frame(packet("a")).websocket))
    hall = Hall(MAX_UNBATCHED + 1)
    hall.say("a", "b", "c")
    assert hall.frames() == [[["a", "b"]]] * (MAX_UNBATCHED + 1)
    await tick()
    assert hall.frames() == [[["a", "b"], ["c"]]] * (MAX_UNBATCHED + 1)


async def test_frames_that_arrive_during_a_long_write_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_batches, "PAUSE", 0.03)
    hall = Hall(MAX_UNBATCHED + 1)
    heard, asked, *_ = hall.sockets
    monkeypatch.setattr(line(hall.sockets[-1]), "broadcast", lambda _: time.sleep(0.05))
    hall.say("a")
    await tick()
    for name in "bc":
        hall.say(name)
        await tick()
    asked.succeed(1, Payload())
    hall.say("d")
    assert line(heard).frames == [["a"]]
    assert line(asked).heard == ["a", "b", "c", "ack"]
    await until(lambda: line(heard).frames == [["a"], ["b", "c", "d"]])
    assert line(asked).heard == ["a", "b", "c", "ack", "d"]


async def test_a_pause_without_frames_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_batches, "PAUSE", 0.0)
    hall = Hall(MAX_UNBATCHED + 1)
    for _ in range(3):
        hall.say("a")
        await tick()
    monkeypatch.setattr(frame_batches, "PAUSE", 60.0)
    await asyncio.sleep(0.01)
    hall.say("b")
    await tick()
    assert hall.frames() == [[["a"], ["a"], ["a"], ["b"]]] * (MAX_UNBATCHED + 1)


async def test_a_direct_packet_keeps_its_order() -> None:
    hall = Hall(MAX_UNBATCHED + 1)
    sender, other, *_ = hall.sockets
    hall.say("a", "b")
    sender.succeed(7, Payload())
    hall.say("c")
    sender.send("note", Payload())
    sender.send("note", Payload())
    hall.say("d")
    hall.rooms.deliver_to(hall.sockets, b'2/chat,["all",{}]')
    hall.say("e")
    await tick()
    assert line(sender).heard == ["a", "b", "ack", "c", "note", "note", "d", "all", "e"]
    assert line(other).heard == ["a", "b", "c", "d", "all", "e"]


async def test_members_get_the_frames_of_their_membership() -> None:
    hall = Hall(MAX_UNBATCHED + 2)
    leaver, gone, *rest = hall.sockets
    hall.say("a")
    hall.rooms.leave(leaver, ROOM)
    hall.say("b")
    hall.rooms.remove(gone)
    joiner = hall.come()
    hall.say("c")
    await tick()
    assert [line(socket).heard for socket in (leaver, gone, joiner)] == [["a"], ["a", "b"], ["c"]]
    assert [line(socket).heard for socket in rest] == [["a", "b", "c"]] * MAX_UNBATCHED
    for socket in [*rest, joiner]:
        hall.say("d")
        hall.rooms.remove(socket)
    await tick()
    assert not hall.rooms._members
    assert not hall.rooms._batches._waiting


async def test_batches_of_rooms_are_separate() -> None:
    hall = Hall(2 * MAX_UNBATCHED + 2)
    half = hall.sockets[: MAX_UNBATCHED + 1]
    for socket in half:
        hall.rooms.add_member(socket, OTHER)
    hall.say("a")
    hall.say("x", room=OTHER)
    hall.say("b")
    await tick()
    assert [sorted(line(socket).heard) for socket in half] == [["a", "b", "x"]] * (MAX_UNBATCHED + 1)
    assert [line(socket).heard for socket in hall.sockets[MAX_UNBATCHED + 1 :]] == [["a", "b"]] * (MAX_UNBATCHED + 1)


# --- transports -------------------------------------------------------------------------------------------------------


def test_a_joined_frame_is_the_concatenation_of_frames() -> None:
    joined = JoinedFrame([Frame(packet("a")), Frame(packet("b"))])
    assert joined.websocket == text_frame(b"4" + packet("a")) + text_frame(b"4" + packet("b"))
    assert joined.text == '42/chat,["a"]\x1e42/chat,["b"]'


async def test_polling_and_upgrading_members_get_single_packets() -> None:
    joined = JoinedFrame([Frame(packet("a")), Frame(packet("b"))])
    polling, upgrading = Polling(EngineOptions(), Cork()), Polling(EngineOptions(), Cork())
    request: Any = SimpleNamespace(transport=object())
    poll = asyncio.ensure_future(polling.poll(request))
    await tick()
    for transport in (polling, upgrading):
        transport.push_frame(joined)
        transport.push('43/chat,7[{"ok":true}]')
    assert await poll == '42/chat,["a"]\x1e42/chat,["b"]\x1e43/chat,7[{"ok":true}]'
    assert upgrading.retire() == ['42/chat,["a"]', '42/chat,["b"]', '43/chat,7[{"ok":true}]']
    assert upgrading.retire() == []


class Stuck:
    """A TCP transport whose client reads nothing."""

    def __init__(self) -> None:
        self.protocol: Any = None
        self.written: list[bytes] = []
        self.aborted = False

    def set_write_buffer_limits(self, high: int) -> None:
        assert high == 0

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_reading(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return len(b"".join(self.written))

    def write(self, data: bytes) -> None:
        self.written.append(data)
        self.protocol.pause_writing()

    def abort(self) -> None:
        self.aborted = True


async def test_a_slow_member_is_dropped_without_effect_on_others() -> None:
    hall, transport = Hall(MAX_UNBATCHED + 1), Stuck()
    stuck: Any = WebSocket(transport, EngineOptions(max_send_buffer=1000), Cork())  # type: ignore[arg-type]  # a double
    stuck.start(b"head", b"")
    hall.come(connection=SimpleNamespace(broadcast=stuck.write_frame))
    names: list[str] = []
    while not transport.aborted:
        assert len(names) < 100
        names += ["a", "b"]
        hall.say("a", "b")
        await asyncio.sleep(2 * frame_batches.PAUSE)
    assert [line(socket).heard for socket in hall.sockets] == [names] * (MAX_UNBATCHED + 1)
    assert stuck._out == []
    assert len(b"".join(transport.written)) < 1000


class Broken(Stuck):
    """A TCP transport that cannot be written to."""

    def write(self, data: bytes) -> None:
        raise RuntimeError("the handle is closed")


class Ended:
    """Hears of the end of a transport."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)


@pytest.mark.parametrize("corked", [False, True])
async def test_a_failing_member_is_ended_without_effect_on_others(corked: bool) -> None:
    """Going on would leave a hole in what it hears; ended, its client comes back and is told what it missed."""
    hall, transport, ended = Hall(MAX_UNBATCHED), Broken(), Ended()
    broken: Any = WebSocket(transport, EngineOptions(max_send_buffer=60), Cork())  # type: ignore[arg-type]  # a double
    broken.listen(ended)
    if corked:
        broken.push("x" * 50)  # the next goes over the limit, and has it written
    hall.come(connection=SimpleNamespace(broadcast=broken.write_frame))
    hall.sockets.append(hall.come())
    hall.say("a")
    await tick()
    assert hall.frames() == [[["a"]]] * (MAX_UNBATCHED + 1)
    assert transport.aborted
    await tick()
    assert ended.reasons == ["transport error"]


async def test_a_failing_ping_has_no_effect_on_other_connections() -> None:
    transport, ended = Broken(), Ended()
    broken: Any = WebSocket(transport, EngineOptions(), Cork())  # type: ignore[arg-type]  # a double
    broken.listen(ended)
    broken.ping()
    await tick()
    assert ended.reasons == ["transport error"]


async def test_a_packet_that_is_no_text_stops_no_other_broadcast() -> None:
    """Whoever may write to Redis can bring them; a polling member would need them as text."""
    hall = Hall(MAX_UNBATCHED + 1)
    polling = Polling(EngineOptions(), Cork())
    hall.come(connection=SimpleNamespace(broadcast=polling.write_frame, send_frame=polling.push_frame))
    for socket in hall.sockets:
        hall.rooms.add_member(socket, OTHER)
    line(hall.sockets[0]).frames.clear()
    hall.rooms.deliver(ROOM, b'2/chat,["\xff"]')
    hall.say("a", room=OTHER)
    await tick()
    assert polling.retire() == ['42/chat,["\ufffd"]']
    assert [line(socket).heard for socket in hall.sockets] == [["\ufffd", "a"]] * (MAX_UNBATCHED + 1)


async def test_a_broadcast_is_written_at_once_but_after_queued_packets() -> None:
    transport, cork = Stuck(), Cork()
    socket: Any = WebSocket(transport, EngineOptions(), cork)  # type: ignore[arg-type]  # a double
    socket.start(b"head", b"")
    frames = [Frame(packet(name)) for name in "abcd"]
    socket.write_frame(frames[0])
    assert transport.written == []  # the head waits
    await tick()
    assert transport.written == [b"head" + frames[0].websocket]
    socket.resume_writing()
    socket.write_frame(frames[1])
    assert transport.written[1:] == [frames[1].websocket]
    socket.write_frame(frames[2])  # the kernel took nothing after that one
    socket.resume_writing()
    assert transport.written[2:] == [frames[2].websocket]
    socket.resume_writing()
    socket.end("6", 1000, 0.1)
    socket.resume_writing()
    socket.write_frame(frames[3])
    assert frames[3].websocket not in transport.written
