"""Which sockets of a node get the number of open reports, and when."""

from collections.abc import Sequence
from typing import Any

import pytest

from gateway.errors import Unavailable
from gateway.keys import CHAT, Room, chat_room
from gateway.protocol.payloads.reports import HostedReports, OpenReports
from gateway.protocol.wire import Payload
from gateway.realtime.members.open_reports_to_staff import OpenReportsToStaff
from gateway.realtime.members.staff_sockets import StaffSockets
from gateway.security.principal import Role
from tests.doubles import principal, stand_in

HERE, ELSEWHERE = chat_room("demo"), chat_room("elsewhere")


class Seat:
    """A socket on `/chat`."""

    namespace = CHAT

    def __init__(self, user: str, role: Role, *rooms: Room) -> None:
        self.principal = principal(role, user)
        self.attending = set(rooms)
        self.received: list[int] = []

    def send(self, _event: str, payload: Payload) -> None:
        data = payload.model_dump(mode="json")["data"]
        self.received.append(data["open"])


class Rooms:
    """The sockets of one node, and the open reports of rooms whose host is `hana`."""

    def __init__(self) -> None:
        self.open = {"demo": 1, "elsewhere": 0}
        self.asked: list[Sequence[str]] = []
        self.away = False
        self.arrivals: list[Any] = []
        self.departures: list[Any] = []
        self.delivery = OpenReportsToStaff(StaffSockets(stand_in(self)), self.read)

    def on_arrival(self, callback: Any) -> None:
        self.arrivals.append(callback)

    def on_departure(self, callback: Any) -> None:
        self.departures.append(callback)

    def arrive(self, user: str, role: Role, *rooms: Room) -> Seat:
        seat = Seat(user, role, *rooms)
        for callback in self.arrivals:
            callback(seat)
        return seat

    async def read(self, live_ids: Sequence[str]) -> list[HostedReports]:
        self.asked.append(live_ids)
        if self.away:
            raise Unavailable("postgres")
        numbers = [OpenReports(live_id=key, open=self.open[key], hidden=0, reports=self.open[key]) for key in live_ids]
        return [HostedReports(host_id="hana", reports=reports) for reports in numbers]


async def test_staff_is_told_once_and_when_the_numbers_change() -> None:
    rooms = Rooms()
    admin, both = rooms.arrive("ada", Role.ADMIN, HERE), rooms.arrive("abe", Role.ADMIN, HERE, ELSEWHERE)
    host, other = rooms.arrive("hana", Role.HOST, HERE), rooms.arrive("hugo", Role.HOST, HERE)
    viewer = rooms.arrive("ann", Role.USER, HERE)
    for _ in range(2):
        await rooms.delivery.deliver()
    rooms.open["demo"] = 2
    await rooms.delivery.deliver()
    assert [admin.received, host.received] == [[1, 2], [1, 2]]
    assert sorted(both.received) == [0, 1, 2]
    assert [other.received, viewer.received] == [[], []]
    late = rooms.arrive("mo", Role.MODERATOR, HERE)
    await rooms.delivery.deliver()
    assert late.received == [2]
    admin.attending.clear()
    await rooms.delivery.deliver()
    admin.attending.add(HERE)
    await rooms.delivery.deliver()
    assert admin.received == [1, 2, 2]  # who comes back does not know


async def test_nothing_is_read_without_staff() -> None:
    rooms = Rooms()
    rooms.arrive("ann", Role.USER, HERE)
    moderator = rooms.arrive("mo", Role.MODERATOR)
    await rooms.delivery.deliver()
    moderator.attending.add(HERE)
    await rooms.delivery.deliver()
    for callback in rooms.departures:
        callback(moderator)
    await rooms.delivery.deliver()
    assert rooms.asked == [["demo"]]


async def test_nothing_is_told_twice_because_the_database_was_away() -> None:
    rooms = Rooms()
    moderator = rooms.arrive("mo", Role.MODERATOR, HERE)
    await rooms.delivery.deliver()
    rooms.away = True
    with pytest.raises(Unavailable):
        await rooms.delivery.deliver()
    rooms.away = False
    await rooms.delivery.deliver()
    assert moderator.received == [1]
