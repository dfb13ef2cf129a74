"""The pipeline answers every event exactly once, and no check can be skipped."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any, NamedTuple

import pytest
import structlog
from structlog.testing import capture_logs

from gateway.errors import Code, Conflict, Forbidden, GatewayError, RateLimited
from gateway.keys import Room, chat_room
from gateway.logs import add_request_id
from gateway.metrics import Metrics
from gateway.protocol.answers import Failure
from gateway.protocol.payloads.chat import Sent
from gateway.protocol.wire import Payload, Request
from gateway.realtime.packets import success_packet
from gateway.security.principal import ADMINS, Principal, Role
from namespaces.namespace import Namespace
from namespaces.pipeline import Shared
from namespaces.routes import Limit, Route
from tests.doubles import stand_in


class Say(Request):
    """A request of the tests."""

    live_id: str
    count: int = 1


class Said(Payload):
    """Its answer."""

    text: str


class Entered(Payload):
    """The answer to a join."""

    recovered: bool


class Success(NamedTuple):
    """The answer to the request of a socket."""

    data: Payload


class FakeSocket:
    """Records its calls."""

    def __init__(self, *rooms: Room) -> None:
        moment = datetime.now(UTC)
        self.principal = Principal("u1", "name", Role.USER, "s1", moment, moment + timedelta(minutes=15))
        self.live = True
        self.joined = set(rooms)
        self.attending = dict.fromkeys(rooms, self.principal)
        self.published: list[tuple[Any, Any]] = []
        self.watched: list[Principal] = []

    def reattend(self, room: Room) -> tuple[Principal, Principal]:
        before, self.attending[room] = self.attending[room], self.principal
        return before, self.principal

    def succeed(self, ack_id: int, data: Payload) -> None:
        success_packet("/talk", ack_id, data)  # what cannot be written is not told
        self.published.append((ack_id, Success(data)))

    def answer(self, ack_id: int, payload: Payload) -> None:
        self.published.append((ack_id, payload))

    def send(self, event: str, payload: Payload) -> None:
        self.published.append((event, payload))


class FakeLimiter:
    """Allows `left` more requests, and `refusals` more refused ones."""

    def __init__(self, left: int = 100, refusals: int = 100) -> None:
        self.left = left
        self.refusals = refusals
        self.refused = 0
        self.scopes: list[str] = []  # that were charged, and with a minus refunded

    async def charge(self, scope: str, subject: str, limit: int, seconds: float) -> None:
        if scope == Limit.REFUSED:
            if self.refused == self.refusals:
                raise RateLimited(60_000, limit=self.refusals)
            self.refused += 1
            return
        self.scopes.append(scope)
        if scope.startswith("return:"):
            return
        if self.left == 0:
            raise RateLimited(1234, limit=20)
        self.left -= 1

    async def refund(self, scope: str, subject: str) -> None:
        self.scopes.append(f"-{scope}")
        if not scope.startswith("return:"):
            self.left += 1


class FakeAuthenticator:
    """Knows one user by every token."""

    def __init__(self, user_id: str = "u1", role: Role = Role.USER) -> None:
        self.user_id, self.role = user_id, role

    async def authenticate(self, token: str | None) -> Principal:
        moment = datetime.now(UTC)
        return Principal(self.user_id, "name", self.role, "s2", moment, moment + timedelta(minutes=15))


class FakeRegistry:
    """Keeps nobody; each connection has one socket."""

    namespace: Namespace

    def add(self, socket: Any) -> None:
        socket.watched.append(socket.principal)

    def remove(self, socket: Any) -> None:
        """Nothing to forget."""

    async def renew(self, socket: Any, principal: Principal) -> None:
        await self.namespace.check_renewal(socket, principal)
        await self.namespace.renew(socket, principal)


class FakeAttendance:
    """Counts nobody."""

    async def move(self, room: Room, before: str, after: str) -> None:
        """See Attendance."""


class ExampleNamespace(Namespace):
    """A namespace with one event of each kind."""

    name = "/talk"
    room = staticmethod(chat_room)

    def routes(self) -> dict[str, Route]:
        return {
            "say": Route(Say, self.say),
            "say-in-room": Route(Say, self.say, room=attrgetter("live_id")),
            "say-as-admin": Route(Say, self.say, who=ADMINS),
            "send": Route(Say, self.send, Limit.MESSAGE, repeated=self.earlier),
            "explode": Route(Say, self.explode),
            "reset": Route(Say, self.reset),
            "mumble": Route(Say, self.mumble),
            "refuse": Route(Say, self.refuse),
            "find-invalid": Route(Say, self.find_invalid),
            "hang": Route(Say, self.hang),
            "join": Route(Say, self.join, Limit.JOIN, enters=attrgetter("live_id"), resumes=self.catches_up),
        }

    async def welcome(self, socket: Any) -> None:
        """Say nothing."""

    async def allow(self, principal: Principal, key: str) -> None:
        if key == "closed":
            raise Forbidden(f"{principal.username} may not")

    async def say(self, _socket: Any, ask: Say) -> Said:
        return Said(text=ask.live_id * ask.count)

    async def send(self, _socket: Any, ask: Say) -> Sent:
        return Sent(
            id="m1", seq=1, message="hi", client_message_id=None, timestamp=datetime.now(UTC), duplicate=ask.count == 2
        )

    async def earlier(self, _principal: Principal, ask: Say) -> Sent | None:
        return await self.send(None, ask) if ask.count == 2 else None

    async def join(self, _socket: Any, ask: Say) -> Entered:
        return Entered(recovered=ask.count == 2)

    async def catches_up(self, ask: Say) -> bool:
        return ask.count == 2

    async def explode(self, _socket: Any, ask: Say) -> Said:
        structlog.get_logger().info("before the error")
        raise RuntimeError(f"secret {ask.live_id}")

    async def reset(self, _socket: Any, _ask: Say) -> Said:
        raise ConnectionResetError

    async def mumble(self, _socket: Any, _ask: Say) -> Said:
        return Said.model_construct(text="\ud800")

    async def refuse(self, _socket: Any, ask: Say) -> Said:
        raise Conflict("twice", details={"was": ask.live_id})

    async def find_invalid(self, _socket: Any, _ask: Say) -> Said:
        raise GatewayError(Code.INVALID_MESSAGE)

    async def hang(self, _socket: Any, _ask: Say) -> Said:
        await asyncio.Event().wait()
        raise AssertionError


def example(limiter: FakeLimiter | None = None, authenticator: FakeAuthenticator | None = None) -> ExampleNamespace:
    rates: Mapping[Limit, tuple[int, float]] = dict.fromkeys(Limit, (10, 10.0))
    registry = FakeRegistry()
    registry.namespace = namespace = ExampleNamespace(
        Shared(
            authenticator=stand_in(authenticator or FakeAuthenticator()),
            limiter=stand_in(limiter or FakeLimiter()),
            registry=stand_in(registry),
            metrics=Metrics(),
            rates=rates,
            handler_timeout=timedelta(seconds=0.05),
        ),
        stand_in(FakeAttendance()),
    )
    return namespace


async def ask(namespace: Namespace, args: Sequence[Any], *, socket: FakeSocket | None = None) -> Payload | Success:
    """Return the one answer to a request with an ack."""
    socket = socket or FakeSocket()
    await namespace.handle(socket, args, 7)  # type: ignore[arg-type]  # a double
    answer: Payload | Success
    ((ack_id, answer),) = socket.published
    assert ack_id == 7
    return answer


async def code_of(namespace: Namespace, args: Sequence[Any]) -> str:
    answer = await ask(namespace, args)
    assert isinstance(answer, Failure)
    return answer.error.code


async def test_a_request_is_answered_with_what_its_handler_returned() -> None:
    answer = await ask(example(), ["say", {"liveId": "ab", "count": 2}])
    assert isinstance(answer, Success)
    assert answer.data == Said(text="abab")


@pytest.mark.parametrize(
    "args",
    [
        ["nothing", {}],
        ["connect", {}],
        ["disconnect", "transport close"],
        ["welcome", {"liveId": "a"}],
        ["handle", {"liveId": "a"}],
        [1, {}],
        [None],
        [["say"], {}],
        [{}, {}],
    ],
)
async def test_undeclared_events_are_unknown(args: list[Any]) -> None:
    assert await code_of(example(), args) == "UNKNOWN_EVENT"


@pytest.mark.parametrize(
    "payloads",
    [
        [],
        [None],
        [[]],
        ["text"],
        [{"liveId": "a"}, {}],
        [{}],
        [{"liveId": 1}],
        [{"liveId": "a", "count": "1"}],
        [{"liveId": "a", "count": True}],
        [{"liveId": "a", "count": 1.0}],
        [{"liveId": "a", "extra": 1}],
        [{"live_id": "a"}],
    ],
)
async def test_an_invalid_payload_is_refused(payloads: list[Any]) -> None:
    assert await code_of(example(), ["say", *payloads]) == "INVALID_PAYLOAD"


async def test_a_refusal_names_the_fields() -> None:
    answer = await ask(example(), ["say", {"liveId": 1, "extra": 1}])
    assert isinstance(answer, Failure)
    assert {detail["field"] for detail in answer.error.details} == {"liveId", "extra"}


async def test_an_exception_of_a_handler_is_an_internal_error() -> None:
    answer = await ask(example(), ["explode", {"liveId": "hush"}])
    assert isinstance(answer, Failure)
    assert answer.error.code == "INTERNAL_ERROR"
    assert "secret" not in answer.model_dump_json()
    assert "hush" not in answer.model_dump_json()


async def test_log_entries_of_an_event_have_the_request_id_of_its_answer() -> None:
    with capture_logs(processors=[add_request_id]) as entries:
        answer = await ask(example(), ["explode", {"liveId": "hush"}])
        structlog.get_logger().info("after the event")
    assert isinstance(answer, Failure)
    assert [entry.get("request_id") for entry in entries] == [answer.request_id, answer.request_id, None]
    assert entries[0]["event"] == "before the error"


async def test_an_answer_that_cannot_be_written_is_an_internal_error() -> None:
    assert await code_of(example(), ["mumble", {"liveId": "a"}]) == "INTERNAL_ERROR"


async def test_a_lost_connection_is_an_error_unless_it_is_the_clients() -> None:
    assert await code_of(example(), ["reset", {"liveId": "a"}]) == "INTERNAL_ERROR"
    socket = FakeSocket()
    socket.live = False
    await example().handle(socket, ["reset", {"liveId": "a"}], 7)  # type: ignore[arg-type]  # a double
    assert socket.published == []


async def test_an_error_of_a_handler_is_answered() -> None:
    answer = await ask(example(), ["refuse", {"liveId": "a"}])
    assert isinstance(answer, Failure)
    assert (answer.error.code, answer.error.details) == ("CONFLICT", {"was": "a"})


async def test_a_hanging_handler_times_out() -> None:
    assert await code_of(example(), ["hang", {"liveId": "a"}]) == "SERVICE_UNAVAILABLE"


async def test_a_room_must_have_been_joined() -> None:
    assert await code_of(example(), ["say-in-room", {"liveId": "a"}]) == "NOT_IN_ROOM"
    inside = FakeSocket(chat_room("a"))
    assert isinstance(await ask(example(), ["say-in-room", {"liveId": "a"}], socket=inside), Success)


async def test_a_forbidden_role_is_refused_before_the_charge() -> None:
    limiter = FakeLimiter(1)
    assert await code_of(example(limiter), ["say-as-admin", {"liveId": "a"}]) == "FORBIDDEN"
    assert limiter.left == 1
    socket = FakeSocket()
    socket.principal = replace(socket.principal, role=Role.ADMIN)
    assert isinstance(await ask(example(limiter), ["say-as-admin", {"liveId": "a"}], socket=socket), Success)


async def test_only_valid_requests_are_charged() -> None:
    limiter = FakeLimiter(1)
    namespace = example(limiter)
    await ask(namespace, ["say", {"wrong": 1}])
    await ask(namespace, ["nothing"])
    await ask(namespace, ["say-in-room", {"liveId": "a"}])
    assert await code_of(namespace, ["find-invalid", {"liveId": "a"}]) == "INVALID_MESSAGE"
    assert limiter.left == 1
    assert limiter.refused == 4
    await ask(namespace, ["say", {"liveId": "a"}])
    assert limiter.left == 0
    answer = await ask(namespace, ["say", {"liveId": "a"}])
    assert isinstance(answer, Failure)
    assert (answer.error.code, answer.error.retry_after_ms) == ("RATE_LIMIT_EXCEEDED", 1234)


async def test_above_the_limit_of_refusals_requests_are_not_read() -> None:
    limiter = FakeLimiter(refusals=2)
    namespace = example(limiter)
    for _ in range(2):
        assert await code_of(namespace, ["say", {"wrong": 1}]) == "INVALID_PAYLOAD"
    assert await code_of(namespace, ["nothing"]) == "RATE_LIMIT_EXCEEDED"
    limiter.refusals = 100  # it is this node that remembers
    answer = await ask(namespace, ["say", {"liveId": "a"}])
    assert isinstance(answer, Failure)
    assert answer.error.code == "RATE_LIMIT_EXCEEDED"
    assert 59_000 < (answer.error.retry_after_ms or 0) <= 60_000
    assert limiter.left == 100
    other = FakeSocket()
    other.principal = replace(other.principal, user_id="u2")
    assert isinstance(await ask(namespace, ["say", {"liveId": "a"}], socket=other), Success)


async def test_a_refusal_lists_at_most_ten_problems() -> None:
    answer = await ask(example(), ["say", {f"{'x' * 200}{number}": 1 for number in range(20)}])
    assert isinstance(answer, Failure)
    assert len(answer.error.details) == 10
    assert all(len(detail["field"]) <= 100 for detail in answer.error.details)


@pytest.mark.parametrize(
    "payload",
    [
        {f"f{number}": 1 for number in range(6000)},
        {"liveId": {f"f{number}": 1 for number in range(6000)}},
        {"liveId": [{}] * 20_000},
        {"liveId": [[[[[[[[[1]]]]]]]]]},
        {"liveId": [[{"a": 1}] * 100] * 100},
    ],
)
async def test_a_large_payload_is_refused_before_validation(payload: dict[str, Any]) -> None:
    namespace = example(FakeLimiter(refusals=10_000))
    started = time.process_time()
    for _ in range(100):
        assert await code_of(namespace, ["say", payload]) == "INVALID_PAYLOAD"
    assert (time.process_time() - started) / 100 < 0.002  # s; the list of all problems took 30 ms


async def test_a_repeated_request_is_free_and_answered_above_the_limit() -> None:
    limiter = FakeLimiter(1)
    namespace = example(limiter)
    assert isinstance(await ask(namespace, ["send", {"liveId": "a", "count": 2}]), Success)
    assert limiter.left == 1
    assert isinstance(await ask(namespace, ["send", {"liveId": "a"}]), Success)
    assert limiter.left == 0
    assert isinstance(await ask(namespace, ["send", {"liveId": "a", "count": 2}]), Success)
    assert await code_of(namespace, ["send", {"liveId": "a"}]) == "RATE_LIMIT_EXCEEDED"


async def test_joins_have_a_limit_of_their_own_in_each_namespace() -> None:
    limiter = FakeLimiter(1)
    namespace = example(limiter)
    assert isinstance(await ask(namespace, ["join", {"liveId": "a"}]), Success)
    assert await code_of(namespace, ["join", {"liveId": "a"}]) == "RATE_LIMIT_EXCEEDED"
    assert limiter.scopes == ["join:/talk", "join:/talk"]


async def test_a_repeated_join_is_not_charged() -> None:
    limiter = FakeLimiter(0)
    answer = await ask(example(limiter), ["join", {"liveId": "a"}], socket=FakeSocket(chat_room("a")))
    assert isinstance(answer, Success)
    assert limiter.scopes == ["return:/talk"]


async def test_a_join_that_catches_up_is_not_charged() -> None:
    limiter = FakeLimiter(1)
    namespace = example(limiter)
    assert isinstance(await ask(namespace, ["join", {"liveId": "a", "count": 2}]), Success)
    assert limiter.left == 1
    assert isinstance(await ask(namespace, ["join", {"liveId": "a"}]), Success)
    assert isinstance(await ask(namespace, ["join", {"liveId": "a", "count": 2}]), Success)
    assert await code_of(namespace, ["join", {"liveId": "a"}]) == "RATE_LIMIT_EXCEEDED"


async def test_without_an_ack_the_answer_is_an_event() -> None:
    socket = FakeSocket()
    await example().handle(socket, ["say", {"liveId": "a"}], None)  # type: ignore[arg-type]
    await example().handle(socket, ["nothing"], None)  # type: ignore[arg-type]
    (first, success), (second, error) = socket.published
    assert (first, second) == ("say:success", "error")
    assert success.model_dump(by_alias=True) == {"type": "say:success", "data": {"text": "a"}}
    body = error.model_dump(by_alias=True)
    assert set(body) == {"type", "event", "errorCode", "message", "retryable", "requestId", "timestamp"}
    assert (body["type"], body["errorCode"]) == ("error", "UNKNOWN_EVENT")


async def test_a_new_token_of_the_same_user_is_accepted() -> None:
    socket = FakeSocket(chat_room("a"))
    await example().handle(socket, ["auth:refresh", {"token": "fresh"}], 1)  # type: ignore[arg-type]
    assert socket.principal.session_id == "s2"
    assert socket.joined == {chat_room("a")}
    assert socket.watched == [socket.principal]
    assert isinstance(socket.published[0][1], Success)


@pytest.mark.parametrize(
    ("is_now", "comes_as"), [(Role.USER, Role.USER), (Role.USER, Role.GUEST), (Role.GUEST, Role.GUEST)]
)
async def test_a_token_of_another_user_is_refused(is_now: Role, comes_as: Role) -> None:
    socket = FakeSocket(chat_room("a"))
    before = socket.principal = replace(socket.principal, role=is_now)
    await example(authenticator=FakeAuthenticator("u2", comes_as)).handle(socket, ["auth:refresh", {"token": "x"}], 1)  # type: ignore[arg-type]
    (answer,) = (payload for _, payload in socket.published)
    assert isinstance(answer, Failure)
    assert answer.error.code == "FORBIDDEN"
    assert socket.principal is before
    assert socket.watched == []


async def test_a_guest_who_logs_in_is_moved_in_every_room() -> None:
    rooms = chat_room("a"), chat_room("b")
    socket = FakeSocket(*rooms)
    socket.principal = replace(socket.principal, role=Role.GUEST, user_id="guest_1")
    socket.attending = dict.fromkeys(rooms, socket.principal)
    await example().handle(socket, ["auth:refresh", {"token": "a member's"}], 1)  # type: ignore[arg-type]
    assert isinstance(socket.published[0][1], Success)
    assert socket.principal.user_id == "u1"
    assert socket.joined == set(rooms)
    assert socket.attending == dict.fromkeys(rooms, socket.principal)


async def test_a_login_is_refused_if_the_user_may_not_be_in_a_room() -> None:
    rooms = chat_room("a"), chat_room("closed")
    socket = FakeSocket(*rooms)
    guest = socket.principal = replace(socket.principal, role=Role.GUEST, user_id="guest_1")
    socket.attending = dict.fromkeys(rooms, guest)
    await example().handle(socket, ["auth:refresh", {"token": "a member's"}], 1)  # type: ignore[arg-type]
    assert socket.published[0][1].error.code == "FORBIDDEN"
    assert socket.principal == guest
    assert socket.attending == dict.fromkeys(rooms, guest)
