"""A changed name or role reaches the sockets that are open, also when the notice or the database comes late."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import pytest

from gateway.errors import Unavailable
from gateway.realtime.members.profile_updater import BATCH, ProfileUpdater
from gateway.realtime.notices import N, ProfileChanged
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal, Role
from gateway.security.tokens.authenticator import Identity
from tests.doubles import principal, stand_in


class Seat:
    """A socket as the updater sees it."""

    def __init__(self, user: str, role: Role = Role.USER) -> None:
        self.principal = principal(role, user)


class Harness:
    """The sockets of one node, its notices, and the accounts."""

    def __init__(self, *seats: Seat) -> None:
        self.seats = list(seats)
        self.accounts: dict[str, Identity] = {}
        self.away = False
        self.reads: list[list[str]] = []
        self.updater = ProfileUpdater(stand_in(self), self, self.renew, self.identify)

    def of_user(self, user_id: str) -> Collection[Any]:
        return [seat for seat in self.seats if seat.principal.user_id == user_id]

    def users(self) -> list[str]:
        return [seat.principal.user_id for seat in self.seats]

    def on_arrival(self, listener: Callable[[Socket], None]) -> None:
        self.arrived = listener

    def on_recheck(self, listener: Callable[[], Awaitable[None]]) -> None:
        self.recheck = listener

    def on_sweep(self, listener: Callable[[], Awaitable[None]]) -> None:
        self.sweep = listener

    def on_notice(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        assert kind is ProfileChanged
        self.receive: Any = handler

    async def renew(self, socket: Any, who: Principal) -> None:
        socket.principal = who

    async def identify(self, user_ids: Sequence[str]) -> Mapping[str, Identity]:
        self.reads.append(list(user_ids))
        if self.away:
            raise Unavailable("database")
        return {user_id: self.accounts[user_id] for user_id in user_ids if user_id in self.accounts}

    def who(self) -> list[tuple[str, Role]]:
        return [(seat.principal.username, seat.principal.role) for seat in self.seats]


async def test_all_sockets_of_the_user_change_and_no_other() -> None:
    harness = Harness(Seat("ann"), Seat("bob"), Seat("ann"), Seat("guest", Role.GUEST))
    harness.accounts = {name: Identity("new", Role.HOST, False) for name in ("ann", "bob", "guest")}
    await harness.receive(ProfileChanged("ann"))
    assert harness.who() == [
        ("new", Role.HOST),
        ("somebody", Role.USER),
        ("new", Role.HOST),
        ("somebody", Role.GUEST),
    ]
    await harness.recheck()
    assert harness.who()[3] == ("somebody", Role.GUEST), "a guest has no account"
    assert harness.who()[1] == ("new", Role.HOST), "whose notice was lost"


async def test_users_without_sockets_are_not_read() -> None:
    harness = Harness(Seat("bob"))
    await harness.receive(ProfileChanged("ann"))
    await harness.sweep()
    assert harness.reads == []


async def test_a_failed_read_is_repeated_by_the_next_sweep() -> None:
    harness = Harness(*(Seat(f"u{number}") for number in range(BATCH + 1)))
    harness.accounts = {user_id: Identity("new", Role.USER, False) for user_id in harness.users()}
    harness.away = True
    with pytest.raises(Unavailable):
        await harness.recheck()
    harness.away = False
    await harness.sweep()
    assert {name for name, _ in harness.who()} == {"new"}
    count = len(harness.reads)
    await harness.sweep()
    assert len(harness.reads) == count


async def test_a_socket_added_after_the_notice_is_updated() -> None:
    harness = Harness()
    harness.accounts = {"ann": Identity("new", Role.USER, False)}
    await harness.receive(ProfileChanged("ann"))
    late: Any = Seat("ann")
    harness.seats.append(late)
    harness.arrived(late)
    await harness.sweep()
    assert harness.who() == [("new", Role.USER)]
