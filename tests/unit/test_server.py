"""The life of a socket: no error during its connect lets a client in, and nothing of it is left."""

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from multidict import CIMultiDict

from gateway.errors import AuthRequired, Code, Forbidden, GatewayError, RateLimited, Unavailable
from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.protocol.answers import Farewell
from gateway.realtime.engineio.handshake import Handshake
from gateway.realtime.engineio.transports.frame import MESSAGE, SEPARATOR
from gateway.realtime.socketio import server as server
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.server import SocketServer
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal, Role
from tests.timing import stays, until

ROOM = Room("/chat", "live:a")


class FakeConnection:
    """Records what it is sent."""

    def __init__(self, sid: str = "c1") -> None:
        self.sid = sid
        headers = CIMultiDict(
            {
                "Host": "shop.example",
                "User-Agent": "a browser",
                "Authorization": "Bearer a.b.c",
                "Cookie": "other=x; accessToken=d.e.f; csrf-token=y",
            }
        )
        self.handshake = Handshake("/socket.io/", {"token": "in the query"}, headers, "127.0.0.1", secure=False)
        self.closed = False
        self.busy = False  # with a message of its client
        self.engine: FakeEngine | None = None
        self.joined = False
        self.owner: Any = None
        self.sent: list[str] = []
        self.reason: str | None = None

    def send(self, packet: str) -> None:
        self.sent.append(packet)

    def send_frame(self, frame: Any) -> None:
        self.sent += frame.text[1:].split(SEPARATOR + MESSAGE)

    broadcast = send_frame

    def close(self, reason: str) -> None:
        if not self.closed:
            self.closed, self.reason = True, reason
            if self.engine is not None:
                self.engine.ended(self, reason)


class FakeEngine:
    """An engine whose connections a test makes."""

    def __init__(self) -> None:
        self.connections: dict[str, Any] = {}

    def arrived(self, connection: Any) -> None:
        """Add a connection that has opened a session."""
        connection.engine = self
        self.connections[connection.sid] = connection
        self.on_connect(connection)

    def ended(self, connection: Any, reason: str) -> None:
        """Remove a connection whose session has ended."""
        self.connections.pop(connection.sid, None)
        self.on_close(connection, reason)

    admits: Callable[[], bool]
    on_connect: Callable[[Any], None]
    on_message: Callable[[Any, str], Awaitable[None]]
    on_close: Callable[[Any, str], None]

    async def close(self, reason: str, within: float) -> None:
        """End every session."""
        for connection in list(self.connections.values()):
            connection.close(reason)

    async def handle(self, request: Any) -> Any:
        """Nobody asks."""


class Lobby:
    """A namespace that admits by `rule` and remembers what happened."""

    def __init__(self) -> None:
        self.rule: Callable[[], Awaitable[None]] | None = None
        self.during: Callable[[Socket], Awaitable[None]] | None = None
        self.greet: Callable[[Socket], Awaitable[None]] | None = None
        self.at_close: Callable[[Socket], Awaitable[None]] | None = None
        self.log: list[str] = []

    async def authenticate(self, handshake: Any, auth: Mapping[str, Any] | None) -> Principal:
        if self.rule is not None:
            await self.rule()
        moment = datetime.now(UTC)
        return Principal("u", "name", Role.USER, "s", moment, moment + timedelta(minutes=15))

    async def opened(self, socket: Socket) -> None:
        self.log.append("opened")
        if self.greet is not None:
            await self.greet(socket)

    async def handle(self, socket: Socket, args: Sequence[Any], ack_id: int | None) -> None:
        self.log.append(f"event {args[0]}")
        if self.during is not None:
            await self.during(socket)
        self.log.append("done")

    async def check_return(self, principal: Principal, room: Room) -> None:
        self.log.append("return checked")

    async def resumed(self, socket: Socket) -> None:
        self.log.append("resumed")

    async def check_renewal(self, socket: Socket, principal: Principal) -> None:
        self.log.append("checked")

    async def renew(self, socket: Socket, principal: Principal) -> None:
        self.log.append("renewed")

    async def closed(self, socket: Socket) -> None:
        self.log.append("closed")
        if self.at_close is not None:
            await self.at_close(socket)


class Harness:
    """A server with one namespace and no network."""

    def __init__(self, recovery: Any = None, **options: Any) -> None:
        self.engine, self.lobby, self.metrics = FakeEngine(), Lobby(), Metrics()
        self.rooms = Rooms(self.metrics)
        self.cookie_counts = True
        self.available = True
        engine: Any = self.engine
        self.server = SocketServer(
            engine,
            self.rooms,
            self.metrics,
            lambda _: self.cookie_counts,
            recovery,
            available=lambda: self.available,
            **options,
        )
        self.server.serve("/chat", self.lobby)

    def arrive(self, sid: str = "c1") -> FakeConnection:
        connection = FakeConnection(sid)
        self.engine.arrived(connection)
        return connection

    async def say(self, connection: FakeConnection, text: str) -> None:
        await self.engine.on_message(connection, text)

    async def enter(self, sid: str = "c1") -> tuple[FakeConnection, Socket]:
        connection = self.arrive(sid)
        await self.say(connection, "0/chat,")
        return connection, connection.owner.sockets["/chat"]

    def drop(self, connection: FakeConnection) -> None:
        connection.closed = True
        self.engine.ended(connection, "transport close")

    @property
    def empty(self) -> bool:
        return not list(self.rooms.sockets()) and not self.rooms._members


@pytest.fixture
def harness() -> Harness:
    return Harness()


def raising(error: Exception) -> Callable[..., Awaitable[None]]:
    """Something that fails."""

    async def fail(*_: Any) -> None:
        raise error

    return fail


def gate() -> tuple[asyncio.Event, Callable[..., Awaitable[None]]]:
    """Return an event, and a handler that waits for it."""
    event = asyncio.Event()

    async def wait(*_: Any) -> None:
        await event.wait()

    return event, wait


async def settle() -> None:
    """Let every task that can go on go on."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_an_accepted_client_gets_its_sid(harness: Harness) -> None:
    connection, socket = await harness.enter()
    assert connection.sent == [f'0/chat,{{"sid":"{socket.sid}"}}']
    assert connection.joined
    assert harness.lobby.log == ["opened"]


@pytest.mark.parametrize(
    ("error", "packet"),
    [
        (
            AuthRequired("No token provided"),
            '4/chat,{"message":"No token provided","data":{"code":"AUTH_REQUIRED","retryable":false}}',
        ),
        (
            AuthRequired("Token expired", Code.TOKEN_EXPIRED),
            '4/chat,{"message":"Token expired","data":{"code":"TOKEN_EXPIRED","retryable":false}}',
        ),
        (
            Forbidden("Account is suspended"),
            '4/chat,{"message":"Account is suspended","data":{"code":"FORBIDDEN","retryable":false}}',
        ),
        (
            GatewayError(Code.BANNED, "You are banned until then", details={"until": "then"}),
            '4/chat,{"message":"You are banned","data":{"code":"BANNED","retryable":false,"until":"then"}}',
        ),
    ],
)
async def test_a_permanent_refusal_is_a_connect_error(harness: Harness, error: Exception, packet: str) -> None:
    harness.lobby.rule = raising(error)
    connection = harness.arrive()
    await harness.say(connection, "0/chat,")
    assert connection.sent == [packet]
    assert harness.empty
    assert not connection.joined
    await until(lambda: connection.reason == "no namespace")


PASSING = [
    Unavailable("redis"),
    Unavailable("database"),
    RateLimited(1000, limit=10),
    RuntimeError("boom"),
    TimeoutError(),
    KeyError("x"),
    ConnectionResetError("to a server"),
]


@pytest.mark.parametrize("error", PASSING, ids=repr)
async def test_a_passing_refusal_closes_the_transport(harness: Harness, error: Exception) -> None:
    """Official clients come back after that, and never after a CONNECT_ERROR."""
    harness.lobby.rule = raising(error)
    connection = harness.arrive()
    await harness.say(connection, "0/chat,")
    assert connection.sent == []
    assert connection.reason == "unavailable"
    assert harness.empty


async def test_a_passing_refusal_in_one_namespace_closes_the_transport(harness: Harness) -> None:
    connection, _ = await harness.enter()
    harness.server.serve("/", harness.lobby)
    harness.lobby.rule = raising(Unavailable("redis"))
    await harness.say(connection, "0")
    await settle()
    assert connection.reason == "unavailable"
    assert len(connection.sent) == 1, "no namespace is told to stay away"
    assert harness.empty


async def test_handshakes_are_refused_during_overload_and_outages() -> None:
    harness = Harness(max_waiting_connects=2)
    event, harness.lobby.rule = gate()
    waiting = [asyncio.ensure_future(harness.say(harness.arrive(f"c{number}"), "0/chat,")) for number in range(2)]
    assert harness.engine.admits()
    await settle()
    assert not harness.engine.admits()
    event.set()
    await asyncio.gather(*waiting)
    assert harness.engine.admits()
    harness.available = False
    assert not harness.engine.admits()


@pytest.mark.parametrize("cookie_counts", [True, False])
async def test_only_needed_headers_of_a_handshake_are_kept(harness: Harness, cookie_counts: bool) -> None:
    harness.cookie_counts = cookie_counts
    kept = harness.arrive().handshake
    assert kept.query == {}
    assert dict(kept.cookies) == ({"accessToken": "d.e.f"} if cookie_counts else {})
    assert {name for name in kept.headers if name != "Cookie"} == {"Host", "Authorization"}
    assert not [secret for secret in ("a.b.c", "d.e.f") if secret in repr(kept)]


async def test_an_unknown_namespace_is_refused(harness: Harness) -> None:
    connection = harness.arrive()
    await harness.say(connection, "0/admin,")
    assert connection.sent[0].startswith('4/admin,{"message":"Invalid namespace"')


async def test_refused_clients_are_freed_without_the_garbage_collector(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The collector seldom looks: what is in a cycle stays for minutes."""
    monkeypatch.setattr(server, "REFUSAL_GRACE", 0.01)
    gc.collect()
    gc.disable()
    try:
        connection = harness.arrive()
        await harness.say(connection, "0/admin,")
        while not connection.closed:  # noqa: ASYNC110  a closure would keep it alive
            await asyncio.sleep(0.01)
        gone = weakref.ref(connection)
        del connection
        assert gone() is None
    finally:
        gc.enable()


async def test_no_events_are_delivered_during_authentication(harness: Harness) -> None:
    event, harness.lobby.rule = gate()
    connection = harness.arrive()
    connecting = asyncio.ensure_future(harness.say(connection, "0/chat,"))
    await settle()
    assert harness.empty
    assert connection.sent == []
    event.set()
    await connecting
    assert not harness.empty


async def test_a_client_leaving_during_authentication_is_removed(harness: Harness) -> None:
    event, harness.lobby.rule = gate()
    connection = harness.arrive()
    connecting = asyncio.ensure_future(harness.say(connection, "0/chat,"))
    await settle()
    harness.drop(connection)
    event.set()
    await connecting
    await settle()
    assert harness.empty
    assert harness.lobby.log == []


@pytest.mark.parametrize("error", [RuntimeError("boom"), ConnectionResetError("another's")])
async def test_a_failed_greeting_is_not_a_refusal(harness: Harness, error: Exception) -> None:
    harness.lobby.greet = raising(error)
    connection = harness.arrive()
    with pytest.raises(type(error)):  # which closes the connection
        await harness.say(connection, "0/chat,")
    assert [packet[:7] for packet in connection.sent] == ["0/chat,"]
    harness.drop(connection)
    await settle()
    assert harness.empty


async def test_a_passing_error_of_the_greeting_closes_the_transport(harness: Harness) -> None:
    harness.lobby.greet = raising(Unavailable("redis"))
    connection = harness.arrive()
    await harness.say(connection, "0/chat,")
    assert [packet[:7] for packet in connection.sent] == ["0/chat,"]
    assert connection.reason == "unavailable"
    await settle()
    assert harness.empty


async def test_a_socket_kicked_during_the_greeting_is_cleaned_up(harness: Harness) -> None:
    async def kick(socket: Socket) -> None:
        harness.server.kick(socket, "auth:revoked", Farewell(code=Code.TOKEN_REVOKED, reconnect=False))
        await socket.enter(ROOM)

    harness.lobby.greet = kick
    connection = harness.arrive()
    await harness.say(connection, "0/chat,")
    await settle()
    assert harness.empty
    assert [packet[:7] for packet in connection.sent] == ["0/chat,", "2/chat,", "1/chat,"]


async def test_an_ended_socket_leaves_no_state(harness: Harness) -> None:
    connection, socket = await harness.enter()
    await socket.enter(ROOM)
    harness.drop(connection)
    await settle()
    assert harness.empty
    assert harness.lobby.log == ["opened", "closed"]


async def test_a_failed_cleanup_leaves_no_state(harness: Harness) -> None:
    async def explode(_socket: Socket) -> None:
        raise RuntimeError

    harness.lobby.at_close = explode
    connection, socket = await harness.enter()
    await socket.enter(ROOM)
    harness.drop(connection)
    await settle()
    assert harness.empty
    assert not harness.server._cleaning


async def test_cleanup_waits_for_the_last_event(harness: Harness) -> None:
    event, harness.lobby.during = gate()
    connection, _ = await harness.enter()
    working = asyncio.ensure_future(harness.say(connection, '2/chat,["e",{}]'))
    await settle()
    harness.drop(connection)
    await settle()
    assert harness.empty
    assert harness.lobby.log == ["opened", "event e"]
    event.set()
    await working
    await settle()
    assert harness.lobby.log == ["opened", "event e", "done", "closed"]


async def test_a_client_leaving_during_a_join_is_in_no_room(harness: Harness) -> None:
    connection, socket = await harness.enter()
    event, wait = gate()
    watched: list[Room] = []

    class Watcher:
        async def watch(self, room: Room) -> None:
            watched.append(room)
            await wait()

        def unwatch(self, room: Room) -> None:
            watched.remove(room)

    harness.rooms.watched_by(Watcher())  # type: ignore[arg-type]  # what joining needs of it
    joining = asyncio.ensure_future(socket.enter(ROOM))
    await settle()
    assert watched == [ROOM]
    harness.drop(connection)
    event.set()
    with pytest.raises(ConnectionResetError):
        await joining
    assert harness.empty
    assert watched == []


async def test_the_cleanup_of_a_lost_socket_does_not_affect_its_recovery() -> None:
    """Their connection is dead without anybody having noticed, and a request of theirs is still worked on."""

    class Memory:
        """Recovers every client as the first one, and forgets the given sockets."""

        first: tuple[str, str] | None = None

        def new_pid(self) -> str:
            return "pid"

        async def resume(self, _namespace: str, _auth: Any, _who: Any, _endpoint: Any, arrive: Any) -> bool:
            return self.first is not None and arrive(*self.first) is not None

        def lost(self, socket: Socket) -> None:
            assert socket.pid is None, "its session belongs to who came back"

    memory = Memory()
    harness = Harness(recovery=memory)
    _, former = await harness.enter("c1")
    memory.first = former.sid, "pid"
    _, back = await harness.enter("c2")
    assert (back.sid, back.pid) == (former.sid, "pid")
    assert former.pid is None
    assert not former.live
    assert harness.rooms.socket("/chat", back.sid) is back


async def test_a_kicked_socket_gets_the_reason_and_is_closed(harness: Harness) -> None:
    connection, socket = await harness.enter()
    harness.server.kick(socket, "auth:revoked", Farewell(code="TOKEN_REVOKED", reconnect=False))
    assert connection.sent[1:] == ['2/chat,["auth:revoked",{"code":"TOKEN_REVOKED","reconnect":false}]', "1/chat,"]
    assert harness.empty
    socket.send("late", Farewell(code=Code.BANNED, reconnect=False))
    assert len(connection.sent) == 3
    await until(lambda: connection.reason == "no namespace")
    assert harness.lobby.log == ["opened", "closed"]


async def test_a_kicked_socket_gets_earlier_broadcasts_first(harness: Harness) -> None:
    others = [await harness.enter(f"c{number}") for number in range(20)]
    connection, socket = await harness.enter("kicked")
    for _, member in [*others, (connection, socket)]:
        await member.enter(ROOM)
    harness.rooms.deliver(ROOM, b'2/chat,["before",{}]')
    harness.server.kick(socket, "auth:revoked", Farewell(code="TOKEN_REVOKED", reconnect=False))
    harness.rooms.deliver(ROOM, b'2/chat,["after",{}]')
    harness.server.disconnect(others[0][1])
    await settle()
    assert [packet.partition(",{")[0] for packet in connection.sent[1:]] == [
        '2/chat,["before"',
        '2/chat,["auth:revoked"',
        "1/chat,",
    ]
    assert others[0][0].sent[1:] == ['2/chat,["before",{}]', '2/chat,["after",{}]', "1/chat,"]
    assert others[1][0].sent[1:] == ['2/chat,["before",{}]', '2/chat,["after",{}]']


async def test_an_event_before_connect_closes_the_connection(harness: Harness) -> None:
    connection = harness.arrive()
    await harness.say(connection, '2/chat,["e",{}]')
    assert connection.reason == "not connected to the namespace"
    assert harness.lobby.log == []


async def test_a_malformed_packet_closes_the_connection(harness: Harness) -> None:
    connection, _ = await harness.enter()
    await harness.say(connection, '451-["e",{"_placeholder":true,"num":0}]')
    assert connection.reason == "parse error"


async def test_an_unexpected_ack_is_dropped(harness: Harness) -> None:
    connection, _ = await harness.enter()
    await harness.say(connection, "3/chat,0[]")
    await harness.say(connection, '2/chat,["e",{}]')
    assert not connection.closed
    assert harness.lobby.log == ["opened", "event e", "done"]


async def test_a_second_connect_to_a_namespace_is_refused(harness: Harness) -> None:
    connection, socket = await harness.enter()
    await harness.say(connection, "0/chat,")
    assert connection.sent[1].startswith('4/chat,{"message":"Already connected')
    assert list(harness.rooms.sockets()) == [socket]


SHUTDOWN = '2/chat,["server:shutdown",{"code":"SERVICE_UNAVAILABLE","reconnect":true,"retryAfterMs":'


async def test_a_stopping_server_warns_all_and_accepts_nobody(harness: Harness) -> None:
    connection, _ = await harness.enter("c1")
    await harness.server.shutdown(within=1)
    assert connection.sent[1].startswith(SHUTDOWN)
    assert connection.reason == "server shutdown"
    assert not harness.engine.admits()


async def test_a_drain_ends_one_connection_after_the_other(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    connections = [(await harness.enter(f"c{number}"))[0] for number in range(5)]
    waits: list[tuple[float, int]] = []

    async def record(moment: float, _hurry: asyncio.Event) -> None:
        """Instead of waiting until a moment: record it, and how many clients have been warned before."""
        waits.append((moment, sum(connection.sent[-1].startswith(SHUTDOWN) for connection in connections)))
        assert not harness.engine.admits()

    monkeypatch.setattr(server, "wait_until", record)
    await harness.server.drain(50.0, asyncio.Event())
    assert [warned for _, warned in waits] == [0, 1, 2, 3, 4, 5]
    assert [moment - waits[0][0] for moment, _ in waits[:5]] == pytest.approx([0, 10, 20, 30, 40])
    await until(lambda: all(connection.closed for connection in connections))
    for connection in connections:
        assert connection.reason == "server shutdown"
        assert connection.sent[-1].startswith(SHUTDOWN)


async def test_events_sent_during_a_drain_are_answered_first(harness: Harness) -> None:
    connection, _ = await harness.enter()
    draining = asyncio.ensure_future(harness.server.drain(0.0, asyncio.Event()))
    await settle()
    assert connection.sent[-1].startswith(SHUTDOWN)
    await harness.say(connection, '2/chat,["e",{}]')
    assert harness.lobby.log == ["opened", "event e", "done"]
    connection.busy = True
    await draining
    await stays(lambda: not connection.closed, seconds=0.2, what="it is at work")
    connection.busy = False
    await until(lambda: connection.closed)


async def test_a_drain_ends_early_when_hurried_or_empty(harness: Harness) -> None:
    begun = asyncio.get_running_loop().time()
    await harness.server.drain(60.0, asyncio.Event())
    hurry = asyncio.Event()
    for number in range(2):
        await harness.enter(f"c{number}")
    draining = asyncio.ensure_future(harness.server.drain(60.0, hurry))
    await until(lambda: len(harness.engine.connections) == 1)
    hurry.set()
    await draining
    await harness.server.shutdown(within=1)
    assert not harness.engine.connections
    assert asyncio.get_running_loop().time() - begun < 30


async def test_packets_during_a_cleanup_wait(harness: Harness) -> None:
    event, harness.lobby.at_close = gate()
    connection, socket = await harness.enter()
    harness.server.kick(socket, "auth:revoked", Farewell(code="TOKEN_REVOKED", reconnect=False))
    await settle()
    again = asyncio.ensure_future(harness.say(connection, "0/chat,"))
    await settle()
    assert harness.lobby.log == ["opened", "closed"]
    await stays(lambda: not connection.closed, seconds=0.3, what="it is not idle")
    event.set()
    await again
    assert harness.lobby.log == ["opened", "closed", "opened"]


async def test_sockets_ended_by_an_event_are_cleaned_up_after_it(harness: Harness) -> None:
    harness.server.serve("/", harness.lobby)
    connection, _ = await harness.enter()
    await harness.say(connection, "0")

    async def leave(_socket: Socket) -> None:
        harness.drop(connection)
        await settle()

    harness.lobby.during = leave
    await harness.say(connection, '2/chat,["e",{}]')
    assert harness.lobby.log == ["opened", "opened", "event e", "done"]
    await settle()
    assert harness.lobby.log == ["opened", "opened", "event e", "done", "closed", "closed"]
    assert not harness.server._cleaning
