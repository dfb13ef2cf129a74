"""Which sockets end when a token is revoked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import Unavailable
from gateway.protocol.answers import Farewell
from gateway.realtime.members.lifetimes import Lifetimes
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.notices import Revoked
from gateway.security.principal import Principal, Role
from tests.timing import stays, time_limit, until

ISSUED = datetime(2026, 1, 1, tzinfo=UTC)


class Kicked(list[tuple[Any, str, Farewell]]):
    """A server that writes down who was kicked, and with which words."""

    def kick(self, socket: Any, event: str, farewell: Farewell) -> None:
        self.append((socket, event, farewell))

    def close_transports(self, sockets: Sequence[Any], event: str, farewell: Farewell) -> None:
        self.extend((socket, event, farewell) for socket in sockets)

    async def renew(self, socket: Any, principal: Principal) -> None:
        socket.principal = principal

    renew_connection = renew


class Seat:
    """A socket as the registry sees it."""

    live = True

    def send(self, event: str, payload: Any) -> None:
        """Nobody listens."""

    def __init__(self, user: str, session: str = "s", tab: str = "t", *, minutes: int = 15) -> None:
        self.name = f"{user}/{session}/{tab}"
        self.principal = Principal(user, user, Role.USER, session, ISSUED, ISSUED + timedelta(minutes=minutes))


Answers = Callable[[Sequence[Principal]], Awaitable[list[bool]]]


async def no_answers(_principals: Sequence[Principal]) -> list[bool]:
    raise Unavailable("redis")


def registered(server: Kicked, answers: Answers, losses: Callable[[], int | None] = lambda: 0) -> SocketRegistry:
    return SocketRegistry(server, Lifetimes(server, None, timedelta(minutes=15)), answers, losses)


def harness(*seats: Seat, answers: Answers | None = None) -> tuple[SocketRegistry, Kicked]:
    kicked = Kicked()
    registry = registered(kicked, answers or no_answers)
    for seat in seats:
        registry.add(seat)  # type: ignore[arg-type]  # a double
    return registry, kicked


@pytest.mark.parametrize(
    ("notice", "expected"),
    [
        (Revoked("a", session_id="s1"), {"a/s1/t1", "a/s1/t2"}),
        (Revoked("a", session_id="s4"), set()),
        (Revoked("a"), {"a/s1/t1", "a/s1/t2", "a/s2/t3"}),
        (Revoked("a", keep_session_id="s1"), {"a/s2/t3"}),
        (Revoked("a", before=ISSUED.timestamp() - 1), set()),
        (Revoked("a", before=ISSUED.timestamp()), {"a/s1/t1", "a/s1/t2", "a/s2/t3"}),
        (Revoked("nobody"), set()),
    ],
)
async def test_a_revocation_ends_the_sockets_it_names(notice: Revoked, expected: set[str]) -> None:
    registry, kicked = harness(
        Seat("a", "s1", "t1"), Seat("a", "s1", "t2"), Seat("a", "s2", "t3"), Seat("b", "s4", "t4")
    )
    await registry.revoked(notice)
    assert {socket.name for socket, _, _ in kicked} == expected
    assert {event for _, event, _ in kicked} <= {"auth:revoked"}
    assert all(farewell == Farewell(code="TOKEN_REVOKED", reconnect=False) for _, _, farewell in kicked)


async def test_an_ended_socket_is_removed() -> None:
    seat = Seat("a")
    registry, kicked = harness(seat)
    registry.remove(seat)  # type: ignore[arg-type]
    registry.remove(seat)  # type: ignore[arg-type]
    await registry.revoked(Revoked("a"))
    assert not kicked


async def test_a_socket_added_just_after_the_notice_is_ended() -> None:
    registry, kicked = harness()
    await registry.revoked(Revoked("a", session_id="s"))
    late, other = Seat("a", "s"), Seat("b", "s2")
    for seat in (late, other):
        registry.add(seat)  # type: ignore[arg-type]
    assert kicked == [(late, "auth:revoked", Farewell(code="TOKEN_REVOKED", reconnect=False))]


async def test_a_lost_notice_is_found_by_a_query() -> None:
    async def answers(principals: Sequence[Principal]) -> list[bool]:
        return [principal.user_id == "a" for principal in principals]

    gone, stays = Seat("a"), Seat("b")
    registry, kicked = harness(gone, stays, answers=answers)
    assert await registry.recheck()
    assert [socket for socket, _, _ in kicked] == [gone]


async def test_a_socket_refreshed_during_the_query_stays() -> None:
    seat = Seat("a")

    async def answers(principals: Sequence[Principal]) -> list[bool]:
        seat.principal = Seat("a", "s2").principal
        return [True for _ in principals]

    registry, kicked = harness(seat, answers=answers)
    await registry.recheck()
    assert not kicked


async def test_an_outage_ends_no_socket() -> None:
    registry, kicked = harness(Seat("a"))
    assert not await registry.recheck()
    assert not kicked


async def test_tokens_expire_even_if_a_query_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure, of what was found in Redis, say, must not leave everybody in for good."""
    monkeypatch.setattr("gateway.realtime.members.registry.SWEEP", 0.001)
    monkeypatch.setattr("gateway.realtime.members.registry.RECHECK", 0.0)
    failed, asked = asyncio.Event(), asyncio.Event()

    async def answers(_principals: Sequence[Principal]) -> list[bool]:
        if not failed.is_set():  # once: a traceback takes longer to log than a sweep
            failed.set()
            raise ValueError("no number")
        return []

    async def others() -> None:
        asked.set()

    registry, kicked = harness(answers=answers)
    registry.on_recheck(others)
    late = Seat("b")
    late.principal = replace(late.principal, expires_at=datetime.now(UTC) + timedelta(minutes=1))
    registry.add(late)  # type: ignore[arg-type]  # a double
    registry.start()
    async with time_limit():
        await failed.wait()
        await asked.wait()
    late.principal = replace(late.principal, expires_at=datetime.now(UTC))
    registry.add(late)  # type: ignore[arg-type]
    await until(lambda: kicked, within=2)
    await registry.close()


async def test_a_node_that_missed_notices_queries_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """However short the loss was, and however long Redis does not answer after it."""
    monkeypatch.setattr("gateway.realtime.members.registry.SWEEP", 0.001)
    asked: list[int | None] = []
    losses: int | None = 0
    away = True
    again = asyncio.Event()

    async def answers(principals: Sequence[Principal]) -> list[bool]:
        asked.append(losses)
        again.set()
        if away:
            raise Unavailable("redis")
        return [False for _ in principals]

    registry = registered(Kicked(), answers, lambda: losses)
    registry.add(Seat("a"))  # type: ignore[arg-type]  # a double
    registry.start()
    await stays(lambda: not asked, seconds=0.02)
    losses = None  # notices do not arrive
    await stays(lambda: not asked, seconds=0.02)
    losses = 1
    for _ in range(3):
        again.clear()
        async with time_limit():
            await again.wait()
    away = False
    again.clear()
    async with time_limit():
        await again.wait()
    count = len(asked)
    await stays(lambda: len(asked) == count, seconds=0.02)
    losses = 2  # lost and found between two looks
    again.clear()
    async with time_limit():
        await again.wait()
    await registry.close()
