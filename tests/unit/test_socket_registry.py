"""Which sockets end when a token runs out or is revoked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.errors import Unavailable
from gateway.protocol.answers import Farewell
from gateway.realtime.members.registry import SocketRegistry
from gateway.realtime.notices import Revoked
from gateway.security.principal import Principal, Role
from tests.timing import scaled, time_limit, until

ISSUED = datetime(2026, 1, 1, tzinfo=UTC)


class Kicked(list[tuple[Any, str, Farewell]]):
    """Who was kicked, and with which words."""

    def __call__(self, socket: Any, event: str, farewell: Farewell) -> None:
        self.append((socket, event, farewell))


class Seat:
    """A socket as residents see it."""

    def __init__(self, user: str, session: str = "s", token: str = "t", *, minutes: int = 15) -> None:
        self.name = f"{user}/{session}/{token}"
        self.principal = Principal(user, user, Role.USER, session, token, ISSUED, ISSUED + timedelta(minutes=minutes))


Answers = Callable[[Sequence[Principal]], Awaitable[list[bool]]]


async def no_answers(_principals: Sequence[Principal]) -> list[bool]:
    raise Unavailable("redis")


def house(*seats: Seat, answers: Answers | None = None) -> tuple[SocketRegistry, Kicked]:
    kicked = Kicked()
    residents = SocketRegistry(kicked, answers or no_answers, lambda: 0)
    for seat in seats:
        residents.arrived(seat)  # type: ignore[arg-type]  # a double
    return residents, kicked


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
async def test_a_revocation_ends_whom_it_names(notice: Revoked, expected: set[str]) -> None:
    residents, kicked = house(
        Seat("a", "s1", "t1"), Seat("a", "s1", "t2"), Seat("a", "s2", "t3"), Seat("b", "s4", "t4")
    )
    await residents.revoked(notice)
    assert {socket.name for socket, _, _ in kicked} == expected
    assert {event for _, event, _ in kicked} <= {"auth:revoked"}
    assert all(farewell == Farewell(code="TOKEN_REVOKED", reconnect=False) for _, _, farewell in kicked)


async def test_a_socket_ends_in_the_second_in_which_its_token_does() -> None:
    early, late = Seat("a", minutes=1), Seat("b", minutes=2)
    residents, kicked = house(early, late)
    residents.expire(int(early.principal.expires_at.timestamp()) - 1)
    assert not kicked
    residents.expire(int(early.principal.expires_at.timestamp()))
    assert kicked == [(early, "auth:expired", Farewell(code="TOKEN_EXPIRED", reconnect=True))]


async def test_a_refreshed_socket_stays() -> None:
    seat = Seat("a", minutes=1)
    residents, kicked = house(seat)
    first_end = int(seat.principal.expires_at.timestamp())
    seat.principal = Seat("a", minutes=3).principal
    residents.arrived(seat)  # type: ignore[arg-type]
    residents.expire(first_end)
    assert not kicked


async def test_a_socket_that_is_gone_is_forgotten() -> None:
    seat = Seat("a")
    residents, kicked = house(seat)
    residents.gone(seat)  # type: ignore[arg-type]
    residents.gone(seat)  # type: ignore[arg-type]
    residents.expire(2**40)
    await residents.revoked(Revoked("a"))
    assert not kicked


async def test_who_arrives_just_after_the_notice_is_ended_too() -> None:
    residents, kicked = house()
    await residents.revoked(Revoked("a", session_id="s", reconnect=True))
    late, other = Seat("a", "s"), Seat("b", "s2")
    for seat in (late, other):
        residents.arrived(seat)  # type: ignore[arg-type]
    assert kicked == [(late, "auth:revoked", Farewell(code="TOKEN_REVOKED", reconnect=True))]


async def test_a_lost_notice_is_found_by_asking() -> None:
    async def answers(principals: Sequence[Principal]) -> list[bool]:
        return [principal.user_id == "a" for principal in principals]

    gone, stays = Seat("a"), Seat("b")
    residents, kicked = house(gone, stays, answers=answers)
    assert await residents.recheck()
    assert [socket for socket, _, _ in kicked] == [gone]


async def test_who_came_back_with_a_fresh_token_meanwhile_stays() -> None:
    seat = Seat("a")

    async def answers(principals: Sequence[Principal]) -> list[bool]:
        seat.principal = Seat("a", "s2").principal
        return [True for _ in principals]

    residents, kicked = house(seat, answers=answers)
    await residents.recheck()
    assert not kicked


async def test_nobody_is_ended_because_nobody_could_be_asked() -> None:
    residents, kicked = house(Seat("a"))
    assert not await residents.recheck()
    assert not kicked


async def test_tokens_run_out_whatever_becomes_of_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    """One failure, of what was found in Redis, say, must not leave everybody in for good."""
    monkeypatch.setattr("gateway.realtime.members.registry.SWEEP", 0.001)
    monkeypatch.setattr("gateway.realtime.members.registry.RECHECK", 0.0)
    failed, asked = asyncio.Event(), asyncio.Event()

    async def answers(_principals: Sequence[Principal]) -> list[bool]:
        failed.set()
        raise ValueError("no number")

    async def others() -> None:
        asked.set()

    residents, kicked = house(answers=answers)
    residents.on_recheck(others)
    late = Seat("b")
    late.principal = replace(late.principal, expires_at=datetime.now(UTC) + timedelta(minutes=1))
    residents.arrived(late)  # type: ignore[arg-type]  # a double
    residents.start()
    async with time_limit(1):
        await failed.wait()
        await asked.wait()
    late.principal = replace(late.principal, expires_at=datetime.now(UTC))
    residents.arrived(late)  # type: ignore[arg-type]
    await until(lambda: kicked, within=2)
    await residents.close()


async def test_whoever_may_have_missed_a_notice_asks_until_answered(monkeypatch: pytest.MonkeyPatch) -> None:
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

    residents = SocketRegistry(Kicked(), answers, lambda: losses)
    residents.arrived(Seat("a"))  # type: ignore[arg-type]  # a double
    residents.start()
    await asyncio.sleep(0.02)
    assert not asked
    losses = None  # deaf
    await asyncio.sleep(0.02)
    assert not asked
    losses = 1
    for _ in range(3):
        again.clear()
        await asyncio.wait_for(again.wait(), scaled(5))
    away = False
    again.clear()
    await asyncio.wait_for(again.wait(), scaled(5))
    count = len(asked)
    await asyncio.sleep(0.02)
    assert len(asked) == count
    losses = 2  # lost and found between two looks
    again.clear()
    await asyncio.wait_for(again.wait(), scaled(5))
    await residents.close()
