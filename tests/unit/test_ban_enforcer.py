"""Which sockets get a mute and which a ban ends, also when the notice is lost or too early."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import timedelta
from typing import Any

import pytest

from gateway.clocks import now
from gateway.errors import Unavailable
from gateway.keys import CHAT, ROOT, Room, chat_room
from gateway.protocol.payloads.moderation import FOREVER, Banned
from gateway.protocol.wire import Payload
from gateway.realtime.members.ban_enforcer import BanEnforcer
from gateway.realtime.notices import N, Notice, UserBanned, UserMuted, UserUnbanned
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Role
from tests.doubles import principal, stand_in

KEY = "demo"


class Seat:
    """A socket as the doorkeeper sees it."""

    def __init__(self, user: str, namespace: str = CHAT, *rooms: Room, role: Role = Role.USER) -> None:
        self.principal = principal(role, user)
        self.namespace = namespace
        self.joined = set(rooms)
        self.published: list[str] = []

    def send(self, event: str, _payload: Payload) -> None:
        self.published.append(event)


class Harness:
    """The sockets of one node, and its notices."""

    def __init__(self, *seats: Seat) -> None:
        self.seats = list(seats)
        self.handlers: dict[type[Notice], Callable[[Any], Awaitable[None]]] = {}
        self.bans: list[tuple[str, Banned]] = []
        self.away = False
        self.doorkeeper = BanEnforcer(stand_in(self), self, self.kick, self.in_force)

    def of_user(self, user_id: str) -> Collection[Any]:
        return [seat for seat in self.seats if seat.principal.user_id == user_id]

    def users(self) -> list[str]:
        return [seat.principal.user_id for seat in self.seats]

    def on_arrival(self, listener: Callable[[Socket], None]) -> None:
        self.listener = listener

    def on_recheck(self, listener: Callable[[], Awaitable[None]]) -> None:
        self.recheck = listener

    def on_notice(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        self.handlers[kind] = handler

    def kick(self, seat: Any, event: str, payload: Payload) -> None:
        seat.send(event, payload)
        self.seats.remove(seat)

    async def in_force(self, user_ids: Sequence[str]) -> list[tuple[str, Banned]]:
        if self.away:
            raise Unavailable("database")
        return [(user, ban) for user, ban in self.bans if user in user_ids]

    async def receive(self, notice: Notice) -> None:
        await self.handlers[type(notice)](notice)

    def arrive(self, seat: Any) -> None:
        self.seats.append(seat)
        self.listener(seat)


async def test_a_ban_everywhere_ends_every_socket_and_no_other() -> None:
    anns, bob = [Seat("ann", ROOT), Seat("ann"), Seat("ann", CHAT, chat_room(KEY))], Seat("bob")
    harness = Harness(*anns, bob)
    await harness.receive(UserBanned("ann", None, FOREVER))
    assert [seat.published for seat in anns] == [["chat:banned", "auth:revoked"]] * 3
    assert (harness.seats, bob.published) == ([bob], [])


async def test_a_ban_from_a_room_and_a_mute_reach_members_of_the_room() -> None:
    inside, outside, root = Seat("ann", CHAT, chat_room(KEY)), Seat("ann", CHAT, chat_room("other")), Seat("ann", ROOT)
    harness = Harness(inside, outside, root)
    await harness.receive(UserMuted("ann", KEY, FOREVER))
    await harness.receive(UserBanned("ann", KEY, FOREVER))
    assert inside.published == ["chat:muted", "chat:banned"]
    assert not outside.published + root.published
    assert harness.seats == [outside, root]


async def test_a_socket_that_joined_before_the_notice_arrived_is_removed() -> None:
    harness = Harness()
    await harness.receive(UserBanned("ann", None, FOREVER))
    harness.arrive(Seat("ann"))
    assert not harness.seats
    harness.arrive(Seat("bob"))
    harness.arrive(Seat("ann", role=Role.ADMIN))
    assert len(harness.seats) == 2


@pytest.mark.parametrize("ends", ["lifted", "by time"])
async def test_an_ended_ban_kicks_nobody(ends: str) -> None:
    harness = Harness()
    until = now() - timedelta(seconds=1) if ends == "by time" else FOREVER
    await harness.receive(UserBanned("ann", None, until))
    if ends == "lifted":
        await harness.receive(UserUnbanned("ann", None))
    harness.arrive(Seat("ann"))
    assert len(harness.seats) == 1


async def test_a_lost_notice_is_found_by_a_query() -> None:
    harness = Harness(Seat("ann"), Seat("bob"), Seat("cat", CHAT, chat_room(KEY)))
    harness.bans = [
        ("ann", Banned(live_id=None, until=FOREVER, reason=None)),
        ("bob", Banned(live_id=KEY, until=FOREVER, reason=None)),
        ("cat", Banned(live_id=KEY, until=FOREVER, reason=None)),
    ]
    harness.away = True
    with pytest.raises(Unavailable):
        await harness.recheck()
    harness.away = False
    await harness.recheck()
    assert harness.users() == ["bob"]
