"""Connection state recovery: what is stored of a socket, who may recover it, and what is sent again."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from gateway.errors import Forbidden, Unavailable
from gateway.keys import Room, chat_room, products_room
from gateway.metrics import Metrics
from gateway.realtime.fanout import sequencer
from gateway.realtime.fanout.sequencer import Sequencer
from gateway.realtime.logged import Head, LoggedEvent, Place
from gateway.realtime.packets import logged_packet
from gateway.realtime.socketio import recovery as recovery_module
from gateway.realtime.socketio.recovery import Recovery
from gateway.realtime.socketio.recovery_store import RecoverySession
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal
from tests.doubles import EventLog, principal
from tests.timing import until

ROOM = chat_room("demo")
PID = "p" * 24
ANN = principal(user_id="ann")


class Hearing(Sequencer):
    """Subscribes to every room that is watched."""

    unwatch = Sequencer.forget


class Store:
    """Sessions in memory."""

    def __init__(self) -> None:
        self.kept: dict[str, RecoverySession] = {}
        self.seconds = 0.0
        self.away = False

    def keep(self, pid: str, session: RecoverySession, seconds: float) -> None:
        """See Store."""
        self.kept[pid] = session
        self.seconds = seconds

    def drop(self, pid: str, turn: int) -> None:
        """See Store."""
        self.kept.pop(pid, None)

    async def claim(self, pid: str) -> RecoverySession | None:
        """See Store."""
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("redis")
        return self.kept.pop(pid, None)


class FakeConnection:
    """Records what it is sent."""

    def __init__(self) -> None:
        self.sent: list[str] = []

    def send(self, packet: str) -> None:
        self.sent.append(packet)

    def send_frame(self, frame: Any) -> None:
        self.sent.append(frame.text[1:])

    broadcast = send_frame


class Desk:
    """A node's rooms, their log, and a namespace that lets people back in unless `closed`."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.log, self.store, self.rooms = EventLog(), Store(), Rooms(self.metrics)
        self.hearing = Hearing(self.log, self.rooms.deliver, self.metrics)
        self.rooms.watched_by(self.hearing)
        self.recovery = Recovery(self.rooms, self.log, self.store, timedelta(seconds=10), self.metrics)
        self.rooms.remembered_by(self.recovery)
        self.closed = self.gone = False
        self.leaving: Socket | None = None  # who leaves while another comes back
        self.back: list[Socket] = []
        self.write(3)

    def write(self, count: int, room: Room = ROOM, *, offer: bool = False) -> None:
        for _ in range(count):
            seq = self.log.write(room, "{}")
            if offer:
                self.hearing.offer(room, seq, logged_packet(room.namespace, "e", "{}"))

    async def check_return(self, who: Principal, room: Room) -> None:
        """See Endpoint."""
        if self.closed:
            raise Forbidden
        if self.leaving is not None:
            self.rooms.leave(self.leaving, room)

    async def resumed(self, socket: Socket) -> None:
        """See Endpoint."""
        self.back.append(socket)

    def socket(self, sid: str = "s", pid: str = PID) -> Socket:
        socket = Socket(sid, "/chat", FakeConnection(), ANN, self.rooms, pid)  # type: ignore[arg-type]  # a double
        self.rooms.add(socket)
        return socket

    async def lose(self, *rooms: Room) -> None:
        """Add a socket to these rooms, and have it lose its connection."""
        socket = self.socket()
        for room in rooms or (ROOM,):
            await socket.enter(room)
            socket.attend(room)
        self.recovery.lost(socket)
        self.rooms.remove(socket)

    async def come_back(self, offset: object = None, who: Principal = ANN) -> list[str] | None:
        """Recover the client and return the places of what it gets; None if it is refused."""

        def arrive(sid: str, pid: str) -> Socket | None:
            return None if self.gone else self.socket(sid, pid)

        auth = {"token": "t", "pid": PID, "offset": offset}
        if not await self.recovery.resume("/chat", auth, who, self, arrive):
            return None
        return self.sent()

    def sent(self) -> list[str]:
        sent: list[str] = self.back[-1].connection.sent  # type: ignore[attr-defined]  # a double
        return [packet.rpartition(".")[2].removesuffix('"]') for packet in sent]

    def counted(self, outcome: str) -> float | None:
        return self.metrics.registry.get_sample_value("dorami_recoveries_total", {"outcome": outcome})


@pytest.fixture
async def desk(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Desk]:
    monkeypatch.setattr(sequencer, "LATE", 0.01)
    desk = Desk()
    await desk.hearing.start()
    yield desk
    await desk.hearing.close()


async def test_missed_events_come_before_new_ones(desk: Desk) -> None:
    await desk.lose()
    assert desk.store.seconds == 10.0
    desk.write(3)
    assert await desk.come_back() == ["4", "5", "6"]
    [socket] = desk.back
    assert (socket.sid, socket.pid, socket.joined, list(socket.attending)) == ("s", PID, {ROOM}, [ROOM])
    desk.write(1, offer=True)
    assert desk.sent() == ["4", "5", "6", "7"]
    assert desk.counted("recovered") == 1


async def test_the_offset_selects_the_missed_events(desk: Desk) -> None:
    await desk.lose()
    desk.write(4)
    assert await desk.come_back(Place(EventLog.EPOCH, 5).offset(ROOM)) == ["6", "7"]
    # It may not have received that before it is cut off again.
    desk.recovery.lost(desk.back[0])
    assert desk.store.kept[PID].rooms == {ROOM: Place(EventLog.EPOCH, 5)}


@pytest.mark.parametrize("offset", [7, None, [], "", "x", "live:demo@ffffffff.5", "live:other@01234567.5"])
async def test_an_invalid_offset(desk: Desk, offset: object) -> None:
    await desk.lose()
    desk.write(2)
    assert await desk.come_back(offset) == ["4", "5"]


async def test_events_during_a_recovery_are_delivered_once(desk: Desk) -> None:
    """Others send, and this node receives it, at every step of the recovery."""
    other = desk.socket("other", "o" * 24)
    await other.enter(ROOM)
    await desk.lose()

    async def send_messages() -> None:
        for _ in range(40):
            desk.write(1, offer=True)
            await asyncio.sleep(0)

    talking = asyncio.create_task(send_messages())
    sent = await desk.come_back()
    await talking
    assert sent
    assert desk.sent() == [str(seq) for seq in range(4, 44)]


async def test_a_node_that_is_behind_the_client_catches_up_first(desk: Desk) -> None:
    """The client received it on another node; here it must not receive it again."""
    other = desk.socket("other", "o" * 24)
    await other.enter(ROOM)
    await desk.lose()
    desk.write(4)
    assert desk.rooms.place(ROOM) == Place(EventLog.EPOCH, 3)
    assert await desk.come_back(Place(EventLog.EPOCH, 6).offset(ROOM)) == ["7"]


async def test_events_new_to_the_node_come_in_order(desk: Desk) -> None:
    """It is in the log already, and on its way to everybody here."""
    other = desk.socket("other", "o" * 24)
    await other.enter(ROOM)
    await desk.lose()
    desk.write(1, offer=True)
    desk.write(1)
    assert await desk.come_back() == ["4"]
    desk.hearing.offer(ROOM, 5, logged_packet(ROOM.namespace, "e", "{}"))
    assert desk.sent() == ["4", "5"]


async def test_the_room_stays_subscribed_when_its_last_member_leaves(desk: Desk) -> None:
    desk.leaving = desk.socket("other", "o" * 24)
    await desk.leaving.enter(ROOM)
    await desk.lose()
    desk.write(1, offer=True)
    assert await desk.come_back() == ["4"]
    desk.write(1, offer=True)
    assert desk.sent() == ["4", "5"]


async def test_an_offset_beyond_the_log_is_refused(desk: Desk) -> None:
    await desk.lose()
    assert await desk.come_back(Place(EventLog.EPOCH, 10**17).offset(ROOM)) is None
    assert desk.counted("unavailable") == 1


async def test_deleted_messages_are_not_recovered(desk: Desk) -> None:
    await desk.lose()
    desk.write(3)
    desk.log.rooms[ROOM][4] = LoggedEvent(5, "e", None)
    assert await desk.come_back() == ["4", "6"]


async def test_many_sockets_are_recovered_by_one_reading(desk: Desk) -> None:
    pids = [f"{number:024}" for number in range(200)]
    for pid in pids:
        socket = desk.socket(pid, pid)
        await socket.enter(ROOM)
        socket.attend(ROOM)
        desk.recovery.lost(socket)
        desk.rooms.remove(socket)
    desk.write(5)

    def arrive(sid: str, pid: str) -> Socket | None:
        return desk.socket(sid, pid)

    assert all(await asyncio.gather(*(desk.recovery.resume("/chat", {"pid": pid}, ANN, desk, arrive) for pid in pids)))
    for socket in desk.back:
        sent: list[str] = socket.connection.sent  # type: ignore[attr-defined]  # a double
        assert [packet.rpartition(".")[2].removesuffix('"]') for packet in sent] == ["4", "5", "6", "7", "8"]
    assert len(desk.back) == 200
    assert (desk.log.statements, desk.log.reads) == (1, 1)


async def test_recovery_is_refused_beyond_the_event_limit(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery_module, "LIMIT", 5)
    for count, sent in ((5, ["4", "5", "6", "7", "8"]), (6, None)):
        await desk.lose()
        desk.write(count)
        assert await desk.come_back() == sent
    assert desk.counted("too much") == 1


async def test_the_event_limit_is_per_room(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy room beside a quiet one: together more than the limit of one."""
    monkeypatch.setattr(recovery_module, "LIMIT", 5)
    monkeypatch.setattr(recovery_module, "LIMIT_OF_ALL", 8)
    other = chat_room("other")
    desk.write(1, room=other)
    for count, recovered in ((3, True), (4, False)):
        await desk.lose(ROOM, other)
        desk.write(5)
        desk.write(count, room=other)
        sent = await desk.come_back()
        assert (sent is not None) is recovered
        assert not recovered or len(sent or []) == 5 + count


async def test_recovery_is_refused_if_the_log_was_trimmed(desk: Desk) -> None:
    await desk.lose()
    desk.write(5)
    del desk.log.rooms[ROOM][:6]
    desk.log.rooms[ROOM] = [LoggedEvent(seq, "e", "{}") for seq in (7, 8)]
    desk.log.heads = _heads(8)  # type: ignore[method-assign]
    assert await desk.come_back() is None
    assert desk.counted("too much") == 1


def _heads(seq: int) -> Any:
    async def heads(rooms: Any) -> dict[Room, Head]:
        return {room: Head(Place(EventLog.EPOCH, seq)) for room in rooms}

    return heads


async def test_recovery_is_refused_after_a_new_epoch(desk: Desk) -> None:
    await desk.lose()
    desk.log.epoch = "another epoch"
    assert await desk.come_back() is None


async def test_recovery_is_refused_for_another_user_and_a_second_time(desk: Desk) -> None:
    await desk.lose()
    assert await desk.come_back(who=principal(user_id="bob")) is None
    assert await desk.come_back() is None
    assert desk.counted("expired") == 2


async def test_recovery_into_a_closed_room_is_refused(desk: Desk) -> None:
    await desk.lose()
    desk.closed = True
    assert await desk.come_back() is None
    assert desk.counted("refused") == 1


async def test_recovery_during_an_outage(desk: Desk) -> None:
    await desk.lose()
    desk.store.away = True
    assert await desk.come_back() is None
    desk.store.away, desk.log.away = False, True
    assert await desk.come_back() is None
    assert desk.counted("unavailable") == 2


async def test_a_client_lost_during_recovery_may_recover_again(desk: Desk) -> None:
    await desk.lose()
    desk.gone = True
    assert await desk.come_back() is None
    desk.gone = False
    desk.write(1)
    assert await desk.come_back() == ["4"]


async def test_a_failed_recovery_leaves_no_subscription(desk: Desk) -> None:
    await desk.lose()
    desk.gone = True
    await desk.come_back()
    assert desk.rooms.place(ROOM) is None


async def test_rooms_without_a_log_are_restored_too(desk: Desk) -> None:
    plain = Room("/chat", "plain")
    await desk.lose(ROOM, plain)
    desk.write(1)
    assert await desk.come_back() == ["4"]
    assert desk.back[0].joined == {ROOM, plain}


async def test_saved_session_contents(desk: Desk) -> None:
    socket = desk.socket()
    desk.recovery.lost(socket)
    assert desk.store.kept == {}  # it was nowhere
    await socket.enter(ROOM)
    socket.attend(ROOM)
    place = Place(EventLog.EPOCH, 3)
    assert desk.store.kept == {PID: RecoverySession("s", "/chat", "ann", {ROOM: place})}
    assert desk.store.seconds == 20.0
    desk.write(2, offer=True)
    desk.recovery.lost(socket)
    assert desk.store.kept[PID].rooms == {ROOM: place}  # whether those two arrived is not known
    socket.unattend(ROOM)
    assert desk.store.kept == {}


async def test_a_kicked_socket_cannot_be_recovered(desk: Desk) -> None:
    other = chat_room("other")
    desk.log.rooms[other] = []
    socket = desk.socket()
    for room in (ROOM, other):
        await socket.enter(room)
        socket.attend(room)
    desk.recovery.forget(socket)
    socket.unattend(ROOM)
    assert desk.store.kept == {}


async def test_the_session_of_a_recovered_socket_has_the_next_generation(desk: Desk) -> None:
    """A node that has not noticed that its connection is dead keeps the session as it knows it."""
    await desk.lose()
    for turn in (1, 2):
        assert await desk.come_back() == []
        assert desk.store.kept[PID].generation == turn
        desk.recovery.lost(desk.back[-1])
        desk.rooms.remove(desk.back[-1])


async def test_the_session_of_an_open_socket_is_extended(desk: Desk) -> None:
    socket = desk.socket()
    await socket.enter(ROOM)
    socket.attend(ROOM)
    desk.store.kept.clear()  # Redis has lost everything
    await desk.recovery.start()
    await until(lambda: PID in desk.store.kept, within=1)
    await desk.recovery.close()


@pytest.mark.parametrize("auth", [None, {}, {"pid": 7}, {"pid": ""}, {"pid": "p" * 23}, {"pid": "p" * 25}])
async def test_clients_without_recovery_store_no_session(desk: Desk, auth: dict[str, Any] | None) -> None:
    desk.store.away = True

    def arrive(sid: str, pid: str) -> Socket | None:
        raise AssertionError

    assert not await desk.recovery.resume("/chat", auth, ANN, desk, arrive)
    assert desk.counted("unavailable") is None


def test_private_ids_cannot_be_guessed() -> None:
    pids = {Recovery.new_pid() for _ in range(100)}
    assert len(pids) == 100
    assert all(len(pid) == 24 for pid in pids)


async def test_recovery_in_another_namespace(desk: Desk) -> None:
    await desk.lose()

    def arrive(sid: str, pid: str) -> Socket | None:
        raise AssertionError

    assert products_room("demo").namespace == "/"
    assert not await desk.recovery.resume("/", {"pid": PID}, ANN, desk, arrive)
