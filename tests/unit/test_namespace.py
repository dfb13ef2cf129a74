"""Members are counted exactly, whichever await of a join or a leave fails or is cancelled."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import Unavailable
from gateway.keys import CHAT, Room, chat_room
from gateway.metrics import Metrics
from gateway.protocol.answers import Farewell
from gateway.protocol.payloads import chat
from gateway.protocol.wire import Payload, Typed
from gateway.realtime.members.lifetimes import Lifetimes
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.presence.presence import Census, LocalPresence, Moved
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.server import SocketServer
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal, Role
from gateway.services.streams.member_counts import MemberCounts
from namespaces.namespace import Namespace
from namespaces.pipeline import Shared
from namespaces.routes import Limit, Route
from tests.doubles import principal
from tests.unit.test_server import FakeConnection, FakeEngine

GUEST, MEMBER = principal(Role.GUEST, "guest"), principal(Role.USER, "member")
ROUNDS = 200


class Faults:
    """Lets everybody wait a moment at each await, and strikes at one of them."""

    def __init__(self) -> None:
        self.awaits = 0
        self.at: int | None = None
        self.fault: Callable[[], object] = lambda: None

    def decide(self, at: int | None, fault: Callable[[], object]) -> None:
        """Strike at the await with this number, from now on."""
        self.awaits, self.at, self.fault = 0, at, fault

    async def step(self, *_: Any) -> None:
        self.awaits += 1
        if self.awaits == self.at:
            self.fault()
        await asyncio.sleep(0)


class SlowPresence(LocalPresence):
    """Waits as the one in Redis does."""

    def __init__(self, faults: Faults) -> None:
        self._fate = faults
        super().__init__()

    async def enter(self, room: Room, who: str) -> Census:
        census = self.add(room, who)
        try:
            await self._fate.step()
        except BaseException:
            self.remove(room, who)
            raise
        return census

    async def leave(self, room: Room, who: str) -> Census:
        census = self.remove(room, who)
        await self._fate.step()
        return census

    async def move(self, room: Room, before: str, after: str) -> Moved:
        moved = self.swap(room, before, after)
        await self._fate.step()
        return moved

    async def census(self, room: Room) -> Census:
        await self._fate.step()
        return await super().census(room)

    def counted(self) -> Counter[tuple[Room, str]]:
        found = ((room, state.sockets) for room, state in self._rooms.items())
        return Counter({(room, who): count for room, people in found for who, count in people.items()})


class World:
    """Everything around a namespace that it waits for."""

    def __init__(self, faults: Faults) -> None:
        self._fate = faults
        self.publish = self.watch = self.charge = self.refund = faults.step

    def unwatch(self, room: Room) -> None:
        """See Watcher."""

    def place(self, _room: Room) -> None:
        """See Watcher."""

    def began(self, _room: Room) -> None:
        """See Watcher."""

    async def authenticate(self, token: str | None) -> Principal:
        """See Authenticator."""
        await self._fate.step()
        return MEMBER if token == "member" else GUEST

    async def revoked(self, who: list[Principal]) -> list[bool]:
        return [False for _ in who]


class Den(Namespace):
    """Rooms to come into and to leave."""

    name = CHAT
    room = staticmethod(chat_room)

    def __init__(self, faults: Faults, shared: Shared, attendance: MemberCounts) -> None:
        self._fate = faults
        super().__init__(shared, attendance)

    def routes(self) -> dict[str, Route]:
        return {"join": Route(chat.LeaveRoom, self.join), "leave": Route(chat.LeaveRoom, self.leave)}

    async def allow(self, principal: Principal, key: str) -> None:
        await self._fate.step()

    async def welcome(self, socket: Socket) -> None:
        socket.send("welcome", Payload())
        await self._fate.step()

    async def join(self, socket: Socket, ask: chat.LeaveRoom) -> Payload:
        return await self.enter(socket, ask.live_id, self.read)

    async def read(self, census: Census) -> Payload:
        await self._fate.step()
        return Typed(type="read", data=census.count)

    async def leave(self, socket: Socket, ask: chat.LeaveRoom) -> Payload:
        return Typed(type="left", data=(await self.depart(socket, ask.live_id)).count)


class Harness:
    """A server with a den, in which one tab of the guest stays."""

    def __init__(self) -> None:
        self.faults, metrics = Faults(), Metrics()
        world: Any = World(self.faults)
        engine: Any = FakeEngine()
        self.engine = engine
        self.rooms, self.presence = Rooms(metrics), SlowPresence(self.faults)
        self.rooms.watched_by(world)
        self.server = SocketServer(engine, self.rooms, metrics, lambda _: True)
        lifetimes = Lifetimes(self.server, None, timedelta(minutes=15))
        self.registry = SocketRegistry(self.server, lifetimes, world.revoked, lambda: 0)
        rates = dict.fromkeys(Limit, (1, 1.0))
        shared = Shared(world, world, self.registry, metrics, rates, timedelta(seconds=5))
        self.attendance = MemberCounts(self.presence, world)
        self.den = Den(self.faults, shared, self.attendance)
        self.server.serve(CHAT, self.den)

    async def open(self) -> None:
        self.witness = FakeConnection("witness")
        self.engine.on_connect(self.witness)
        for packet in ("0/chat,", '2/chat,1["join",{"liveId":"a"}]'):
            await self.engine.on_message(self.witness, packet)

    def arrive(self) -> FakeConnection:
        connection = FakeConnection()
        self.engine.arrived(connection)
        return connection

    def socket(self, connection: FakeConnection) -> Socket:
        found: Socket = connection.owner.sockets[CHAT]
        return found

    async def say(self, connection: FakeConnection, packet: str) -> None:
        """Handle a packet of a client as a connection does: an exception ends it."""
        if connection.closed:
            return
        worker = asyncio.ensure_future(self.engine.on_message(connection, packet))
        try:
            await worker
        except asyncio.CancelledError:
            assert worker.cancelled()
        except Exception:
            self.drop(connection)

    def drop(self, connection: FakeConnection) -> None:
        if not connection.closed:
            connection.closed = True
            self.engine.ended(connection, "transport close")

    async def rest(self) -> None:
        """Until everybody who is gone was cleaned up after."""
        while self.server._cleaning:  # noqa: ASYNC110
            await asyncio.sleep(0)

    def state(self) -> Any:
        """All that is known of anybody."""
        return (
            self.presence.counted(),
            {socket.sid for socket in self.rooms.sockets()},
            {room: set(members) for room, members in self.rooms._members.items()},
            dict(self.registry._lifetimes._ends._seconds),
            {user: set(sockets) for user, sockets in self.registry._users.items()},
            {second: set(sockets) for second, sockets in self.registry._lifetimes._ends._due.items()},
            set(self.server._cleaning),
            dict(self.den._pipeline.deadlines.pending),
            dict(self.den._pipeline.deadlines._expired),
            asyncio.all_tasks(),
        )

    def assert_exact(self) -> None:
        """Check that each socket of this node is counted once, in its room, under the name that is noted."""
        sockets = list(self.rooms.sockets())
        noted = Counter((room, who.user_id) for s in sockets for room, who in s.attending.items())
        assert self.presence.counted() == noted
        for socket in sockets:
            assert socket.joined == set(socket.attending)


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    harness = Harness()
    await harness.open()
    with capture_logs():  # hundreds of traces
        yield harness


VISIT = (
    "0/chat,",
    '2/chat,1["join",{"liveId":"a"}]',
    '2/chat,2["join",{"liveId":"a"}]',
    '2/chat,3["join",{"liveId":"b"}]',
    '2/chat,4["auth:refresh",{"token":"member"}]',
    '2/chat,5["leave",{"liveId":"a"}]',
    '2/chat,6["leave",{"liveId":"a"}]',
    '2/chat,7["join",{"liveId":"a"}]',
)


async def visit(harness: Harness, connection: FakeConnection) -> None:
    """Come, go about and leave; at each moment of rest the numbers are exact."""
    for packet in VISIT:
        await harness.say(connection, packet)
        await harness.rest()
        harness.assert_exact()
    harness.drop(connection)
    await harness.rest()


def faults_by_name(harness: Harness, connection: FakeConnection) -> dict[str, Callable[[], None]]:
    """Return the faults that may happen at an await, by name."""

    def fail(error: Exception) -> None:
        raise error

    def cancel() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()

    def time_out() -> None:
        deadlines = harness.den._pipeline.deadlines
        deadlines.pending = {task: (0.0, cancelling) for task, (_, cancelling) in deadlines.pending.items()}
        deadlines._expire(asyncio.get_running_loop())

    def kick() -> None:
        if CHAT in connection.owner.sockets:
            harness.server.kick(
                harness.socket(connection), "auth:revoked", Farewell(code="TOKEN_REVOKED", reconnect=False)
            )

    return {
        "leaves": partial(harness.drop, connection),
        "is kicked": kick,
        "is cancelled": cancel,
        "takes too long": time_out,
        "is refused": lambda: fail(Unavailable("database")),
        "explodes": lambda: fail(RuntimeError("boom")),
    }


@pytest.mark.parametrize("fault", ["leaves", "is kicked", "is cancelled", "takes too long", "is refused", "explodes"])
async def test_cancellation_at_every_await_of_a_visit(harness: Harness, fault: str) -> None:
    baseline = harness.state()
    harness.faults.decide(None, lambda: None)
    await visit(harness, harness.arrive())
    awaits = harness.faults.awaits
    assert awaits > 30
    for number in range(ROUNDS):
        connection = harness.arrive()
        harness.faults.decide(number % awaits + 1, faults_by_name(harness, connection)[fault])
        await visit(harness, connection)
        assert harness.state() == baseline, f"round {number}"


@pytest.mark.parametrize("fault", ["is cancelled", "takes too long", "is refused", "explodes"])
async def test_a_join_that_fails_changes_nothing(harness: Harness, fault: str) -> None:
    connection = harness.arrive()
    await harness.say(connection, "0/chat,")
    socket = harness.socket(connection)
    for before in (set(), {chat_room("b")}):
        harness.faults.decide(None, lambda: None)
        await harness.say(connection, '2/chat,1["join",{"liveId":"b"}]')
        joins = harness.faults.awaits
        assert '3/chat,1[{"ok":true,"data":{"type":"read","data":1}' in connection.sent[-1]
        if not before:
            await harness.say(connection, '2/chat,1["leave",{"liveId":"b"}]')
        for at in range(1, joins + 1):
            harness.faults.decide(at, faults_by_name(harness, connection)[fault])
            await harness.say(connection, '2/chat,2["join",{"liveId":"b"}]')
            assert socket.joined == set(socket.attending) == before, at
            harness.assert_exact()
    harness.drop(connection)


async def test_a_failed_departure_does_not_prevent_the_others(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = harness.arrive()
    for packet in ("0/chat,", *(f'2/chat,1["join",{{"liveId":"{key}"}}]' for key in "abc")):
        await harness.say(connection, packet)
    left = harness.presence.leave

    async def explode(room: Room, who: str) -> Census:
        await left(room, who)
        raise RuntimeError("boom")

    monkeypatch.setattr(harness.presence, "leave", explode)
    harness.drop(connection)
    await harness.rest()
    harness.assert_exact()


async def test_a_failed_return_does_not_prevent_the_others(harness: Harness) -> None:
    connection = harness.arrive()
    await harness.say(connection, "0/chat,")
    socket = harness.socket(connection)
    rooms = [chat_room(key) for key in "abc"]
    for room in rooms:  # as recovery has it: there again, and not counted yet
        harness.rooms.add_member(socket, room)
        socket.attend(room)
    task = asyncio.ensure_future(harness.den.resumed(socket))
    harness.faults.decide(1, task.cancel)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(socket.attending) == 2
    harness.assert_exact()
    harness.drop(connection)
