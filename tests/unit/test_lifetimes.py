"""How long sockets stay: warned, ended with their token, or renewed with their session."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.clocks import now
from gateway.errors import Unavailable
from gateway.protocol.answers import Farewell
from gateway.protocol.payloads.accounts import Expiring
from gateway.realtime.members.lifetimes import BATCH, WARNING, Lifetimes, Renew
from gateway.security.principal import Principal, Role

ISSUED = datetime(2026, 1, 1, tzinfo=UTC)
LIFETIME = timedelta(minutes=15)
END = int((ISSUED + LIFETIME).timestamp())
EXPIRED = ("auth:expired", Farewell(code="TOKEN_EXPIRED", reconnect=True))


class Seat:
    """A socket as lifetimes see it."""

    namespace = "/chat"
    live = True

    def __init__(self, user: str, *, minutes: float = 15) -> None:
        expires_at = ISSUED + timedelta(minutes=minutes)
        self.principal = Principal(user, user, Role.USER, "s", ISSUED, expires_at)
        self.received: list[tuple[str, Any]] = []

    def send(self, event: str, payload: Any) -> None:
        self.received.append((event, payload))


class Server:
    """Writes down whose transport was closed and who was renewed."""

    def __init__(self) -> None:
        self.closed: list[Any] = []
        self.renewed: list[Any] = []

    def close_transports(self, sockets: Sequence[Any], event: str, farewell: Farewell) -> None:
        for socket in sockets:
            socket.send(event, farewell)
        self.closed += sockets

    async def renew(self, socket: Any, principal: Principal) -> None:
        socket.principal = principal
        self.renewed.append(socket)


class Sessions:
    """Answers who may go on."""

    def __init__(self) -> None:
        self.ended: set[str] = set()
        self.names: dict[str, str] = {}
        self.error: Exception | None = None
        self.asked: list[list[str]] = []
        self.meanwhile: Any = lambda: None

    async def renew(self, principals: Sequence[Principal]) -> list[Principal | None]:
        self.asked.append([who.user_id for who in principals])
        self.meanwhile()
        if self.error is not None:
            raise self.error
        return [
            None if who.user_id in self.ended else replace(who, username=self.names.get(who.user_id, who.username))
            for who in principals
        ]


class Harness:
    """Lifetimes with these sockets."""

    def __init__(self, *seats: Seat, with_token: bool = False) -> None:
        self.server, self.sessions = Server(), Sessions()
        renew: Renew | None = None if with_token else self.sessions.renew
        self.lifetimes = Lifetimes(self.server, renew, LIFETIME)
        for seat in seats:
            self.watch(seat)

    def watch(self, seat: Any) -> None:
        self.lifetimes.watch(seat)


async def test_a_socket_bound_to_its_token_is_warned_and_ends_with_it() -> None:
    early, late = Seat("a"), Seat("b", minutes=20)
    harness = Harness(early, late, with_token=True)
    await harness.lifetimes.check(END - 61)
    assert early.received == []
    await harness.lifetimes.check(END - 60)
    assert early.received == [("auth:expiring", Expiring(expires_at=early.principal.expires_at))]
    await harness.lifetimes.check(END - 1)
    assert harness.server.closed == []
    await harness.lifetimes.check(END)
    assert (harness.server.closed, early.received[1:], late.received) == ([early], [EXPIRED], [])


async def test_a_socket_bound_to_its_session_stays_silently() -> None:
    seat = Seat("a")
    harness = Harness(seat)
    for moment in (END - WARNING, END):
        await harness.lifetimes.check(moment)
    assert (seat.received, harness.server.closed, harness.server.renewed) == ([], [], [])
    assert now() < seat.principal.expires_at - LIFETIME + timedelta(seconds=5)
    assert seat.principal.issued_at == ISSUED, "a revocation of earlier tokens still concerns it"
    end = int(seat.principal.expires_at.timestamp())
    harness.sessions.ended.add("a")
    await harness.lifetimes.check(end - WARNING)
    await harness.lifetimes.check(end)
    assert [event for event, _ in seat.received] == ["auth:expiring", "auth:expired"]
    assert harness.server.closed == [seat]


async def test_without_a_session_a_socket_ends_with_its_token() -> None:
    seat, other = Seat("a"), Seat("b")
    harness = Harness(seat, other)
    harness.sessions.ended.add("a")
    await harness.lifetimes.check(END)
    assert (harness.server.closed, other.received) == ([seat], [])


@pytest.mark.parametrize("error", [Unavailable("redis"), RuntimeError("boom")])
async def test_during_an_outage_sockets_stay_for_one_more_lifetime(error: Exception) -> None:
    seats = [Seat(str(number)) for number in range(BATCH + 1)]
    harness = Harness(*seats)
    harness.sessions.error = error
    await harness.lifetimes.check(END - WARNING)
    assert len(harness.sessions.asked) == 1, "the second batch waits for no further time-out"
    await harness.lifetimes.check(END)
    assert harness.server.closed == []
    assert all(seat.principal.expires_at > now() + LIFETIME / 2 for seat in seats)
    assert all(seat.received == [] for seat in seats)


async def test_a_socket_refreshed_during_the_check_stays() -> None:
    seat = Seat("a")
    harness = Harness(seat)
    harness.sessions.ended.add("a")

    def refresh() -> None:
        seat.principal = Seat("a", minutes=30).principal
        harness.watch(seat)

    harness.sessions.meanwhile = refresh
    await harness.lifetimes.check(END)
    assert (harness.server.closed, seat.received) == ([], [])
    harness.lifetimes.forget(seat)  # type: ignore[arg-type]  # a double
    await harness.lifetimes.check(END * 2)
    assert len(harness.sessions.asked) == 1


async def test_a_renewed_socket_gets_the_present_name() -> None:
    seat = Seat("a")
    harness = Harness(seat)
    harness.sessions.names["a"] = "ann"
    await harness.lifetimes.check(END)
    assert harness.server.renewed == [seat]
    assert (seat.principal.username, seat.principal.expires_at > now()) == ("ann", True)
