"""Samples the messages of a chat room that gets more of them than people can read. Used by Rooms.

The sample is for display only: all messages are stored, searched and replayed.
"""

import asyncio
import re
import time
from collections.abc import Callable
from typing import Final

from gateway.keys import CHAT, Room
from gateway.metrics import Metrics
from gateway.protocol.events import CHAT_MESSAGE, CHAT_SAMPLED
from gateway.protocol.payloads.chat import Sampled
from gateway.protocol.wire import Typed
from gateway.realtime.packets import event_packet
from gateway.security.principal import Role

SPAN: Final = 1.0  # s between two `chat:sampled` of a room
MEASURED: Final = 3.0  # s over which the rate is measured: the messages of so many seconds may come at once
MESSAGE: Final = f'2{CHAT},["{CHAT_MESSAGE}",'.encode()
# Matches messages as they are broadcast. Those from the log have spaces between their fields, so that a node that
# catches up leaves none out.
_SENDER: Final = re.compile(rb'"userId":"([^"\\]+)","username":"(?:[^"\\]|\\.)*","role":"([A-Z]+)"')
_ORDINARY: Final = frozenset({Role.GUEST.encode(), Role.USER.encode()})
_HOST: Final = Role.HOST.encode()  # may be the host of another stream, and so an ordinary member here


class Span:
    """The messages of a sampled room since the last `chat:sampled`."""

    __slots__ = ("first", "last", "packet", "shown", "timer", "total")

    def __init__(self, first: int) -> None:
        self.first = first  # place of the first message
        self.last = first
        self.shown = 0
        self.total = 0
        self.packet = b""  # the last `chat:sampled`
        self.timer: asyncio.TimerHandle | None = None


class Sampler:
    """Chooses the messages that all members of a room get.

    These are at most `rate` a second, evenly spread, and all messages of people with permissions in the room:
    administrators, moderators and the stream's host (`host(room)`; None if it is not known). The rate is measured over
    MEASURED s.

    A room gets `chat:sampled` before the first message after one that was left out, so that clients expect missing
    places, and then every SPAN s while messages are left out. `send(room, packet)` sends it and returns what was sent.
    """

    def __init__(
        self,
        rate: int,
        send: Callable[[Room, bytes], bytes],
        metrics: Metrics,
        host: Callable[[Room], str | None] = lambda _: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pause = 1 / rate  # s between two messages of a sample
        self._send = send
        self._metrics = metrics
        self._host = host
        self._clock = clock
        self._until: dict[Room, float] = {}  # when a room's messages so far would end if they were shown at this rate
        self.spans: dict[Room, Span] = {}  # rooms that are being sampled

    def left_out(self, room: Room, packet: bytes, offset: str) -> str | None:
        """Return the sender of a message that only its sender gets; None for a message that all members get.

        `packet` begins with MESSAGE.
        """
        now = self._clock()
        until = self._until.get(room, 0.0)
        sender = None
        if until - now < MEASURED - self._pause / 2:
            self._until[room] = max(now, until) + self._pause
            if room not in self.spans:
                return None
        elif (sender := self._ordinary_sender(room, packet)) is not None:
            self._metrics.left_out.inc()
        elif room not in self.spans:
            return None
        self._count(room, int(offset.rpartition(".")[2]), shown=sender is None)
        return sender

    def _ordinary_sender(self, room: Room, packet: bytes) -> str | None:
        """Return the sender of a message; None if they have permissions in this room or are not known."""
        found = _SENDER.search(packet)
        if found is None:
            return None
        sender, role = found[1].decode(), found[2]
        ordinary = role in _ORDINARY or (role == _HOST and self._host(room) not in (None, sender))
        return sender if ordinary else None

    def forget(self, room: Room) -> None:
        """Forget a room without members here."""
        self._until.pop(room, None)
        span = self.spans.pop(room, None)
        if span is not None and span.timer is not None:
            span.timer.cancel()

    def _count(self, room: Room, seq: int, *, shown: bool) -> None:
        span = self.spans.get(room)
        new = span is None
        if span is None:
            span = self.spans[room] = Span(seq)
        span.last = seq
        span.total += 1
        span.shown += shown
        if new:
            self._report(room)

    def _report(self, room: Room) -> None:
        span = self.spans[room]
        if span.shown == span.total:
            del self.spans[room]
            return
        data = Sampled(live_id=room.key, from_seq=span.first, to_seq=span.last, shown=span.shown, total=span.total)
        span.first = span.last + 1
        span.shown = span.total = 0
        span.timer = asyncio.get_running_loop().call_later(SPAN, self._report, room)
        span.packet = self._send(room, event_packet(room.namespace, CHAT_SAMPLED, Typed(type=CHAT_SAMPLED, data=data)))
