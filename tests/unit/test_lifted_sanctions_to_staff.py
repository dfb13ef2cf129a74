"""Which sockets of a node get `chat:unmuted` and `chat:unbanned`."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from gateway.keys import CHAT, Room, chat_room
from gateway.protocol.payloads.moderation import FOREVER
from gateway.protocol.wire import Payload
from gateway.realtime.members.lifted_sanctions_to_staff import LiftedSanctionsToStaff
from gateway.realtime.notices import N, Notice, UserMuted, UserUnbanned
from gateway.security.principal import Role
from tests.doubles import principal, stand_in

KEY = "demo"


class Seat:
    """A socket on `/chat`."""

    def __init__(self, user: str, role: Role, *rooms: Room) -> None:
        self.principal = principal(role, user)
        self.joined = set(rooms)
        self.received: list[tuple[str, dict[str, Any]]] = []

    def send(self, event: str, payload: Payload) -> None:
        self.received.append((event, payload.model_dump(mode="json")))


class ChatRooms:
    """The sockets on `/chat` of one node, and its notices."""

    def __init__(self) -> None:
        here = chat_room(KEY)
        self.seats = {
            "admin": Seat("admin", Role.ADMIN, here),
            "moderator": Seat("moderator", Role.MODERATOR, here),
            "host": Seat("host", Role.HOST, here),
            "ann": Seat("ann", Role.USER, here),
            "bob": Seat("bob", Role.HOST, here),  # not the host of this room
            "moderator elsewhere": Seat("other", Role.MODERATOR, chat_room("other")),
        }
        self.handlers: dict[type[Notice], Callable[[Any], Awaitable[None]]] = {}
        LiftedSanctionsToStaff(stand_in(self), self)

    def members(self, room: Room) -> Mapping[str, Any]:
        return {name: seat for name, seat in self.seats.items() if room in seat.joined}

    def sockets_of(self, namespace: str) -> Mapping[str, Any]:
        return self.seats if namespace == CHAT else {}

    def on_notice(self, kind: type[N], handler: Callable[[N], Awaitable[None]]) -> None:
        self.handlers[kind] = handler

    async def received(self, notice: Notice) -> dict[str, list[Any]]:
        await self.handlers[type(notice)](notice)
        return {name: seat.received for name, seat in self.seats.items() if seat.received}


async def test_a_lifted_mute_is_sent_to_staff_and_person() -> None:
    received = await ChatRooms().received(UserMuted("ann", KEY, None, "host"))
    event = ("chat:unmuted", {"userId": "ann", "liveId": KEY})
    assert received == {name: [event] for name in ("admin", "moderator", "host", "ann")}


async def test_a_lifted_ban_is_sent_to_the_staff_of_the_room() -> None:
    received = await ChatRooms().received(UserUnbanned("carl", KEY, "host"))
    event = ("chat:unbanned", {"userId": "carl", "liveId": KEY})
    assert received == {name: [event] for name in ("admin", "moderator", "host")}


async def test_a_lifted_ban_everywhere_is_sent_to_the_staff_of_all_rooms() -> None:
    received = await ChatRooms().received(UserUnbanned("carl", None))
    assert received.keys() == {"admin", "moderator", "moderator elsewhere"}


async def test_an_imposed_mute_is_not_sent_as_lifted() -> None:
    assert await ChatRooms().received(UserMuted("ann", KEY, FOREVER)) == {}
