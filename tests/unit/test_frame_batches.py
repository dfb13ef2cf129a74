"""The broadcasts of a room within a tick are one frame for each member, with the same order and content."""

import asyncio
import itertools
import json
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.parts.realtime import RealtimePart
from gateway.parts.servers import ServersPart
from gateway.protocol.wire import Payload
from gateway.realtime.engineio.options import EngineOptions
from gateway.realtime.engineio.tick import Cork
from gateway.realtime.engineio.transports.frame import SEPARATOR, Frame, JoinedFrame, text_frame
from gateway.realtime.engineio.transports.polling import Polling
from gateway.realtime.engineio.transports.websocket import WebSocket
from gateway.realtime.socketio import frame_batches
from gateway.realtime.socketio.frame_batches import MAX_UNBATCHED
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal, Role
from tests.support import make_settings
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
    def received(self) -> list[str]:
        return [name for frame in self.frames for name in frame]


def _name(text: str) -> str:
    (content, *_) = json.loads(text[text.index("[") :])
    return content if isinstance(content, str) else "ack"


class FakeRoom:
    """A room with members."""

    def __init__(self, members: int, window: float = 0.0) -> None:
        self.metrics = Metrics()
        self.rooms = Rooms(self.metrics, window=window)
        self._sids = count()
        self.sockets = [self.come() for _ in range(members)]

    def come(self, connection: Any = None, *, takes_offsets: bool = True) -> Socket:
        moment = datetime.now(UTC)
        who = Principal("u", "name", Role.USER, "s", moment, moment + timedelta(minutes=15))
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
    room = FakeRoom(MAX_UNBATCHED + 1)
    room.say("a", "b", "c")
    assert room.frames() == [[]] * (MAX_UNBATCHED + 1)
    await tick()
    assert room.frames() == [[["a", "b", "c"]]] * (MAX_UNBATCHED + 1)
    room.say("d")
    await until(lambda: room.frames() == [[["a", "b", "c"], ["d"]]] * (MAX_UNBATCHED + 1))
    assert room.metrics.registry.get_sample_value("dorami_deliveries_total") == 4 * (MAX_UNBATCHED + 1)


@pytest.mark.parametrize("members", [2, MAX_UNBATCHED + 1])
async def test_members_without_offsets_share_one_frame(members: int) -> None:
    room = FakeRoom(members)
    bare = [room.come(takes_offsets=False) for _ in range(2)]
    for name, offset in (("a", None), ("b", "live:demo@01234567.1"), ("c", "live:demo@01234567.2")):
        room.rooms.deliver(ROOM, packet(name), offset)
    await tick()
    for socket, with_offsets in ((room.sockets[0], True), (bare[0], False)):
        texts = [text for frame in line(socket).made for text in frame.text.split(SEPARATOR)]
        assert ["@01234567" in text for text in texts] == [False, with_offsets, with_offsets]
        assert line(socket).received == ["a", "b", "c"]
    assert line(bare[0]).made == line(bare[1]).made
    for socket in bare:
        room.rooms.leave(socket, ROOM)
    assert not room.rooms._without_offsets


async def test_a_direct_packet_follows_frames_without_offsets() -> None:
    room = FakeRoom(MAX_UNBATCHED + 1)
    socket = room.come(takes_offsets=False)
    room.rooms.deliver(ROOM, packet("a"), "live:demo@01234567.1")
    socket.send("note", Payload())
    assert line(socket).received == ["a", "note"]
    assert "@01234567" not in "".join(frame.text for frame in line(socket).made)


async def test_few_members_get_a_frame_at_once() -> None:
    room = FakeRoom(MAX_UNBATCHED)
    room.say("a", "b")
    assert room.frames() == [[["a"], ["b"]]] * MAX_UNBATCHED


async def test_a_full_batch_does_not_wait_for_the_end_of_the_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_batches, "MAX_BATCH", 2 * len(Frame(packet("a")).websocket))
    room = FakeRoom(MAX_UNBATCHED + 1)
    room.say("a", "b", "c")
    assert room.frames() == [[["a", "b"]]] * (MAX_UNBATCHED + 1)
    await tick()
    assert room.frames() == [[["a", "b"], ["c"]]] * (MAX_UNBATCHED + 1)


async def test_frames_that_arrive_after_a_long_write_are_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_batches, "PAUSE", 60.0)
    clock = itertools.count(step=1000)
    monkeypatch.setattr(frame_batches, "time", SimpleNamespace(monotonic=lambda: next(clock)))  # a write takes long
    room = FakeRoom(MAX_UNBATCHED + 1)
    received, asked, *_ = room.sockets
    room.say("a")
    await tick()
    for name in "bc":
        room.say(name)
        await tick()
    asked.succeed(1, Payload())
    room.say("d")
    assert line(received).frames == [["a"]]
    assert line(asked).received == ["a", "b", "c", "ack"]
    room.rooms._batches._flush_due()  # the pause ends
    assert line(received).frames == [["a"], ["b", "c", "d"]]
    assert line(asked).received == ["a", "b", "c", "ack", "d"]


async def test_a_pause_without_frames_delays_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_batches, "PAUSE", 0.0)
    room = FakeRoom(MAX_UNBATCHED + 1)
    for _ in range(3):
        room.say("a")
        await tick()
    await until(lambda: not room.rooms._batches._busy, what="the end of the pause")
    monkeypatch.setattr(frame_batches, "PAUSE", 60.0)
    room.say("b")
    await tick()
    assert room.frames() == [[["a"], ["a"], ["a"], ["b"]]] * (MAX_UNBATCHED + 1)


async def test_a_direct_packet_keeps_its_order() -> None:
    room = FakeRoom(MAX_UNBATCHED + 1)
    sender, other, *_ = room.sockets
    room.say("a", "b")
    sender.succeed(7, Payload())
    room.say("c")
    sender.send("note", Payload())
    sender.send("note", Payload())
    room.say("d")
    room.rooms.deliver_to(room.sockets, b'2/chat,["all",{}]')
    room.say("e")
    await tick()
    assert line(sender).received == ["a", "b", "ack", "c", "note", "note", "d", "all", "e"]
    assert line(other).received == ["a", "b", "c", "d", "all", "e"]


async def test_members_get_the_frames_of_their_membership() -> None:
    room = FakeRoom(MAX_UNBATCHED + 2)
    leaver, gone, *rest = room.sockets
    room.say("a")
    room.rooms.leave(leaver, ROOM)
    room.say("b")
    room.rooms.remove(gone)
    joiner = room.come()
    room.say("c")
    await tick()
    assert [line(socket).received for socket in (leaver, gone, joiner)] == [["a"], ["a", "b"], ["c"]]
    assert [line(socket).received for socket in rest] == [["a", "b", "c"]] * MAX_UNBATCHED
    for socket in [*rest, joiner]:
        room.say("d")
        room.rooms.remove(socket)
    await tick()
    assert not room.rooms._members
    assert not room.rooms._batches._waiting


async def test_batches_of_rooms_are_separate() -> None:
    room = FakeRoom(2 * MAX_UNBATCHED + 2)
    half = room.sockets[: MAX_UNBATCHED + 1]
    for socket in half:
        room.rooms.add_member(socket, OTHER)
    room.say("a")
    room.say("x", room=OTHER)
    room.say("b")
    await tick()
    assert [sorted(line(socket).received) for socket in half] == [["a", "b", "x"]] * (MAX_UNBATCHED + 1)
    assert [line(socket).received for socket in room.sockets[MAX_UNBATCHED + 1 :]] == [["a", "b"]] * (MAX_UNBATCHED + 1)


async def test_an_error_in_one_room_delays_the_others_by_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    room = FakeRoom(2 * MAX_UNBATCHED + 2)
    half = room.sockets[: MAX_UNBATCHED + 1]
    for socket in half:
        room.rooms.leave(socket, ROOM)
        room.rooms.add_member(socket, OTHER)
    monkeypatch.setattr(line(room.sockets[-1]), "broadcast", lambda _: 1 / 0)
    failures: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    room.say("a")
    room.say("x", room=OTHER)
    await until(lambda: all(line(socket).received == ["x"] for socket in half))
    assert [type(failure["exception"]) for failure in failures] == [ZeroDivisionError]
    monkeypatch.undo()
    room.say("b")
    await until(lambda: line(room.sockets[-1]).received == ["b"], what="the failed room goes on")
    assert not room.rooms._batches._waiting


# --- large rooms ------------------------------------------------------------------------------------------------------

LARGE = MAX_UNBATCHED + 3  # instead of 1,000 members


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> FakeRoom:
    """Return a large room whose window ends when the test calls `end_window`."""
    monkeypatch.setattr(frame_batches, "LARGE", LARGE - 1)
    monkeypatch.setattr(frame_batches, "PAUSE", 0.0)
    return FakeRoom(LARGE, 1000.0)


async def end_window(room: FakeRoom) -> None:
    batches = room.rooms._batches
    batches._make_due(ROOM, batches._waiting[ROOM])
    await tick()


async def test_a_large_room_gathers_for_its_window(large: FakeRoom) -> None:
    large.say("a")
    await tick()
    assert large.frames() == [[["a"]]] * LARGE  # nothing was sent within the window before
    for name in "bcd":
        large.say(name)
        await tick()
    assert large.frames() == [[["a"]]] * LARGE
    await end_window(large)
    assert large.frames() == [[["a"], ["b", "c", "d"]]] * LARGE


async def test_a_window_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_batches, "LARGE", LARGE - 1)
    room = FakeRoom(LARGE, 0.02)
    room.say("a")
    await tick()
    written = room.rooms._batches._written[ROOM]
    room.say("b")
    await until(lambda: line(room.sockets[-1]).frames == [["a"], ["b"]])
    assert room.rooms._batches._written[ROOM] - written > 0.018  # the loop's clock counts ms


async def test_a_room_that_is_not_large_does_not_gather(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_batches, "LARGE", LARGE)
    monkeypatch.setattr(frame_batches, "PAUSE", 0.0)
    room = FakeRoom(LARGE, 60.0)
    for name in "ab":
        room.say(name)
        await tick()
        await until(lambda: not room.rooms._batches._busy, what="the end of the pause")
    assert room.frames() == [[["a"], ["b"]]] * LARGE
    assert not room.rooms._batches._written


@pytest.mark.parametrize(("members", "received"), [(1_000, ["a", "b"]), (1_001, ["a"])])
async def test_rooms_above_a_thousand_members_gather_for_the_window_of_the_settings(
    members: int, received: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_batches, "PAUSE", 0.0)
    room = FakeRoom(0)
    room.rooms = RealtimePart(ServersPart(make_settings(room_window="1s"))).rooms
    room.sockets = [room.come() for _ in range(members)]
    for name in "ab":
        room.say(name)
        await tick()
        await until(lambda: not room.rooms._batches._busy, what="the end of the pause")
    assert line(room.sockets[-1]).received == received


async def test_a_full_batch_does_not_wait_for_the_window(large: FakeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    large.say("a")
    await tick()
    monkeypatch.setattr(frame_batches, "MAX_BATCH", 2 * len(Frame(packet("a")).websocket))
    large.say("b", "c", "d")
    assert large.frames() == [[["a"], ["b", "c"]]] * LARGE
    await end_window(large)
    assert line(large.sockets[-1]).received == ["a", "b", "c", "d"]


async def test_joins_and_leaves_do_not_shorten_the_window(large: FakeRoom) -> None:
    """Else a room that people enter all the time would be written to at each of them."""
    large.say("a")
    await tick()
    leaver, asked, *rest = large.sockets
    large.say("b")
    large.rooms.leave(leaver, ROOM)
    asked.succeed(1, Payload())
    joiner = large.come()
    again = large.come()
    large.rooms.leave(again, ROOM)
    large.rooms.add_member(again, ROOM)
    large.say("c")
    assert [line(socket).received for socket in (leaver, asked, joiner)] == [["a", "b"], ["a", "b", "ack"], []]
    assert [line(socket).received for socket in rest] == [["a"]] * len(rest)
    await end_window(large)
    assert [line(socket).received for socket in rest] == [["a", "b", "c"]] * len(rest)
    assert [line(socket).received for socket in (leaver, asked)] == [["a", "b"], ["a", "b", "ack", "c"]]
    assert [line(socket).received for socket in (joiner, again)] == [["c"], ["c"]]


async def test_an_empty_room_has_no_window(large: FakeRoom) -> None:
    large.say("a", "b")
    for socket in large.sockets:
        large.rooms.remove(socket)
    assert not large.rooms._batches._waiting
    assert not large.rooms._batches._written
    newcomer = large.come()
    await tick()
    assert [line(socket).received for socket in large.sockets] == [["a", "b"]] * LARGE
    assert line(newcomer).received == []


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
    room, transport = FakeRoom(MAX_UNBATCHED + 1), Stuck()
    stuck: Any = WebSocket(transport, EngineOptions(max_send_buffer=1000), Cork())  # type: ignore[arg-type]  # a double
    stuck.start(b"head", b"")
    room.come(connection=SimpleNamespace(broadcast=stuck.write_frame))
    names: list[str] = []
    while not transport.aborted:
        assert len(names) < 100
        names += ["a", "b"]
        room.say("a", "b")
        await asyncio.sleep(2 * frame_batches.PAUSE)
    assert [line(socket).received for socket in room.sockets] == [names] * (MAX_UNBATCHED + 1)
    assert stuck._out == []
    assert len(b"".join(transport.written)) < 1000


class Broken(Stuck):
    """A TCP transport that cannot be written to."""

    def write(self, data: bytes) -> None:
        raise RuntimeError("the handle is closed")


class Ended:
    """Records the reasons for which a transport ended."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    def lost(self, reason: str) -> None:
        self.reasons.append(reason)


@pytest.mark.parametrize("corked", [False, True])
async def test_a_failing_member_is_ended_without_effect_on_others(corked: bool) -> None:
    """To continue would leave a gap; after its end the client reconnects and receives the missed events."""
    room, transport, ended = FakeRoom(MAX_UNBATCHED), Broken(), Ended()
    broken: Any = WebSocket(transport, EngineOptions(max_send_buffer=60), Cork())  # type: ignore[arg-type]  # a double
    broken.listen(ended)
    if corked:
        broken.push("x" * 50)  # the next goes over the limit, and has it written
    room.come(connection=SimpleNamespace(broadcast=broken.write_frame))
    room.sockets.append(room.come())
    room.say("a")
    await tick()
    assert room.frames() == [[["a"]]] * (MAX_UNBATCHED + 1)
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
    """They come from anybody who may write to Redis; a polling member would need them as text."""
    room = FakeRoom(MAX_UNBATCHED + 1)
    polling = Polling(EngineOptions(), Cork())
    room.come(connection=SimpleNamespace(broadcast=polling.write_frame, send_frame=polling.push_frame))
    for socket in room.sockets:
        room.rooms.add_member(socket, OTHER)
    line(room.sockets[0]).frames.clear()
    room.rooms.deliver(ROOM, b'2/chat,["\xff"]')
    room.say("a", room=OTHER)
    await tick()
    assert polling.retire() == ['42/chat,["\ufffd"]']
    assert [line(socket).received for socket in room.sockets] == [["\ufffd", "a"]] * (MAX_UNBATCHED + 1)


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
