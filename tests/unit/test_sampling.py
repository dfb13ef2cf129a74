"""A chat room with more messages than people can read shows everybody a sample, and tells them so."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from gateway.keys import Room
from gateway.metrics import Metrics
from gateway.protocol.payloads.chat import Message
from gateway.realtime.engineio.transports.frame import SEPARATOR
from gateway.realtime.logged import LogStamp, Place
from gateway.realtime.packets import event_packet, logged_packet, stamped_packet
from gateway.realtime.socketio import sampling
from gateway.realtime.socketio.rooms import Rooms
from gateway.realtime.socketio.socket import Socket
from gateway.security.principal import Principal, Role
from gateway.services.chat.messages import payload_of
from tests.timing import until

ROOM, EPOCH = Room("/chat", "live:demo"), "01234567-0000-0000-0000-000000000000"
RATE = 5
BUDGET = round(RATE * sampling.MEASURED)  # messages that are shown at once
NAMES = ("viewer", 'a "role":"ADMIN" \\" name', "한국어")


class Line:
    """A connection that notes what it is sent: places of logged events, and the data of `chat:sampled`."""

    sid = "c"

    def __init__(self) -> None:
        self.received: list[Any] = []

    def send_frame(self, frame: Any) -> None:
        for text in frame.text.split(SEPARATOR):
            name, payload, *_ = json.loads(text[text.index("[") :])
            told = payload["data"] if name == "chat:sampled" else name
            self.received.append(payload.get("seq", told))

    broadcast = send_frame

    @property
    def places(self) -> list[int]:
        return [each for each in self.received if isinstance(each, int)]

    @property
    def told(self) -> list[tuple[int, int, int, int]]:
        return [
            (each["fromSeq"], each["toSeq"], each["shown"], each["total"])
            for each in self.received
            if isinstance(each, dict)
        ]


class Show:
    """A chat room on one node, with a clock that the test sets."""

    def __init__(self, rate: int = RATE) -> None:
        self.clock = 1000.0
        self.metrics = Metrics()
        self.rooms = Rooms(self.metrics, display_rate=rate)
        if self.rooms._sampler is not None:
            self.rooms._sampler._clock = lambda: self.clock
        self.rooms.looked_up_by(lambda user: [each for each in self.rooms.sockets() if each.principal.user_id == user])
        self._sids, self._seq = count(), 0
        self.viewer = self.come("viewer")

    def come(self, user: str, *, takes_offsets: bool = True) -> Line:
        line = Line()
        connection: Any = line
        moment = datetime.now(UTC)
        who = Principal(user, user, Role.USER, "s", moment, moment + timedelta(minutes=15))
        socket = Socket(str(next(self._sids)), "/chat", connection, who, self.rooms, takes_offsets=takes_offsets)
        self.rooms.add(socket)
        self.rooms.add_member(socket, ROOM)
        return line

    def leave(self) -> None:
        for socket in list(self.rooms.sockets()):
            self.rooms.remove(socket)

    def say(
        self, times: int = 1, *, user: str = "u", role: Role = Role.USER, name: str = "n", log: bool = False
    ) -> None:
        for _ in range(times):
            self._seq += 1
            message = Message(
                id=f"m{self._seq}", seq=self._seq, live_id="demo", user_id=user, username=name, role=role.value,
                message='{"role":"ADMIN"}', client_message_id=None, timestamp=datetime.now(UTC),
            )  # fmt: skip
            stamp = LogStamp(EPOCH, self._seq, datetime.now(UTC))
            packet = stamped_packet(ROOM, "chat:message", payload_of(message), stamp)
            if log:
                payload = json.dumps(json.loads(packet[packet.index(b"[") :])[1])
                packet = logged_packet("/chat", "chat:message", payload)
            self._deliver(packet)

    def pin(self) -> None:
        self._seq += 1
        self._deliver(b'2/chat,["chat:pinned",{"type":"chat:pinned","data":{},"seq":%d}]' % self._seq)

    def _deliver(self, packet: bytes) -> None:
        self.rooms.deliver(ROOM, packet, Place(EPOCH, self._seq).offset(ROOM))


@pytest.fixture
def show() -> Show:
    return Show()


async def test_messages_up_to_the_rate_are_all_shown(show: Show) -> None:
    for _ in range(4):
        show.say(RATE)
        show.clock += 1
    for _ in range(4 * RATE):
        show.say()
        show.clock += 1 / RATE
    assert show.viewer.received == list(range(1, 8 * RATE + 1))


async def test_a_room_above_the_rate_shows_a_sample(show: Show) -> None:
    for _ in range(20 * RATE):
        show.say(2)
        show.clock += 1 / RATE / 2
    shown = len(show.viewer.places)
    assert 12 * RATE <= shown <= 13 * RATE + 1
    left_out = show.metrics.registry.get_sample_value("dorami_messages_left_out_total")
    assert left_out == 40 * RATE - shown
    show.leave()


async def test_clients_are_told_before_the_first_missing_place(show: Show) -> None:
    show.say(BUDGET + 3)
    show.say(role=Role.ADMIN)
    first = BUDGET + 1
    assert show.viewer.received == [
        *range(1, first),
        {"liveId": "demo", "fromSeq": first, "toSeq": first, "shown": 0, "total": 1},
        BUDGET + 4,
    ]
    sampler = show.rooms._sampler
    assert sampler is not None
    timer = sampler.spans[ROOM].timer
    assert timer is not None
    assert 0.5 < timer.when() - asyncio.get_running_loop().time() < 1.1, "the next one comes after a second"
    show.leave()


async def test_clients_are_told_once_a_span_until_all_is_shown(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "SPAN", 0.01)
    show.say(BUDGET + 3)
    show.pin()
    show.say(role=Role.MODERATOR)
    await until(lambda: len(show.viewer.told) == 2)
    assert show.viewer.told[1] == (BUDGET + 2, BUDGET + 5, 1, 3)
    show.clock += 2
    show.say(2)
    await until(lambda: not show.rooms._sampler.spans)  # type: ignore[union-attr]
    assert len(show.viewer.told) == 2
    assert show.viewer.places == [*range(1, BUDGET + 1), BUDGET + 4, BUDGET + 5, BUDGET + 6, BUDGET + 7]


@pytest.mark.parametrize("role", [Role.HOST, Role.MODERATOR, Role.ADMIN])
@pytest.mark.parametrize("name", NAMES)
async def test_what_the_staff_says_is_always_shown(show: Show, role: Role, name: str) -> None:
    show.say(3 * BUDGET)
    show.say(3, role=role, name=name)
    assert show.viewer.places[-3:] == [3 * BUDGET + 1, 3 * BUDGET + 2, 3 * BUDGET + 3]
    show.leave()


@pytest.mark.parametrize("role", [Role.GUEST, Role.USER])
@pytest.mark.parametrize("name", NAMES)
async def test_nobody_gets_around_the_sample_by_name_or_text(show: Show, role: Role, name: str) -> None:
    show.say(3 * BUDGET)
    show.say(3, role=role, name=name)
    assert show.viewer.places == [*range(1, BUDGET + 1)]
    show.leave()


async def test_senders_get_their_own_messages_on_all_sockets(show: Show) -> None:
    mine, other_tab = show.come("me"), show.come("me", takes_offsets=False)
    for _ in range(20):  # a room that joins frames, too
        show.come("somebody")
    show.say(2 * BUDGET)
    show.say(2, user="me")
    for _ in range(3):
        await asyncio.sleep(0)
    assert [line.places[-2:] for line in (mine, other_tab)] == [[2 * BUDGET + 1, 2 * BUDGET + 2]] * 2
    assert [line.places == sorted(line.places) for line in (mine, other_tab)] == [True, True]
    assert show.viewer.places[-1] == BUDGET
    show.leave()


async def test_events_other_than_messages_are_always_shown(show: Show) -> None:
    show.say(3 * BUDGET)
    show.pin()
    show.rooms.deliver(ROOM, event_packet("/chat", "chat:room-state", {"type": "t", "data": {}}))
    assert show.viewer.received[-2:] == [3 * BUDGET + 1, "chat:room-state"]
    show.leave()


async def test_what_a_node_reads_from_the_log_is_shown(show: Show) -> None:
    show.say(3 * BUDGET)
    show.say(3 * BUDGET, log=True)
    assert show.viewer.places == [*range(1, BUDGET + 1), *range(3 * BUDGET + 1, 6 * BUDGET + 1)]
    show.leave()


async def test_who_joins_a_sampled_room_is_told_first(show: Show) -> None:
    assert show.come("early").received == []
    show.say(BUDGET + 1)
    late = show.come("late")
    show.say(role=Role.HOST)
    assert late.told == show.viewer.told
    assert late.places == [BUDGET + 2]
    show.leave()


async def test_a_room_that_is_left_is_forgotten(show: Show) -> None:
    show.say(3 * BUDGET)
    show.leave()
    sampler = show.rooms._sampler
    assert sampler is not None
    assert not sampler._until
    assert not sampler.spans


async def test_without_a_rate_all_is_shown() -> None:
    show = Show(rate=0)
    show.say(1000)
    assert show.viewer.received == list(range(1, 1001))


async def test_messages_below_the_rate_are_not_parsed(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_SENDER", None)
    show.say(RATE)
    assert show.viewer.received == list(range(1, RATE + 1))


async def test_only_the_stream_s_own_host_is_never_left_out(show: Show) -> None:
    assert show.rooms._sampler is not None
    show.rooms._sampler._host = lambda _: "own"
    show.say(BUDGET)
    show.say(3, user="own", role=Role.HOST)
    show.say(3, user="another", role=Role.HOST)
    assert show.viewer.places == list(range(1, BUDGET + 4))
    show.leave()
