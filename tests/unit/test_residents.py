"""Which sockets end when a token runs out or is revoked."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.protocol.answers import Farewell
from gateway.realtime.residents import Residents
from gateway.security.principal import Principal, Role

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


def house(*seats: Seat) -> tuple[Residents, Kicked]:
    kicked = Kicked()
    residents = Residents(kicked)
    for seat in seats:
        residents.arrived(seat)  # type: ignore[arg-type]  # a double
    return residents, kicked


@pytest.mark.parametrize(
    ("notice", "expected"),
    [
        ({"jti": "t2"}, {"a/s1/t2"}),
        ({"sid": "s1"}, {"a/s1/t1", "a/s1/t2"}),
        ({"sub": "a"}, {"a/s1/t1", "a/s1/t2", "a/s2/t3"}),
        ({"sub": "a", "keep_sid": "s1"}, {"a/s2/t3"}),
        ({"sub": "a", "before": ISSUED.timestamp() - 1}, set()),
        ({"sub": "a", "before": ISSUED.timestamp()}, {"a/s1/t1", "a/s1/t2", "a/s2/t3"}),
        ({"sub": "nobody"}, set()),
        ({"jti": "nothing"}, set()),
        ({}, set()),
    ],
)
async def test_a_revocation_ends_whom_it_names(notice: dict[str, Any], expected: set[str]) -> None:
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
    await residents.revoked({"sub": "a"})
    assert not kicked
