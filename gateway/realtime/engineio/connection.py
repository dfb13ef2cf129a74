"""One Engine.IO session over any transport: hands messages up in order and packets down. Created by the engine."""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiohttp import web
from aiohttp.http import WSCloseCode

from gateway.realtime.engineio.handshake import BAD_REQUEST, Handshake, RefusedError
from gateway.realtime.engineio.heartbeat import Beat, Heartbeat
from gateway.realtime.engineio.inbox import Inbox
from gateway.realtime.engineio.options import GRACE
from gateway.realtime.engineio.transports.frame import CLOSE, MESSAGE, NOOP, PONG, Frame
from gateway.realtime.engineio.transports.polling import DuplicatePollError, Polling
from gateway.realtime.engineio.transports.transport import (
    CLIENT_LEFT,
    CONNECT_TIMEOUT,
    DUPLICATE_POLL,
    FLOOD,
    INTERNAL_ERROR,
    PARSE_ERROR,
    PING_TIMEOUT,
    SLOW_CLIENT,
    Engine,
    Transport,
    TransportName,
)
from gateway.realtime.engineio.transports.websocket import WebSocket
from gateway.realtime.engineio.turns import TURN

if TYPE_CHECKING:
    from gateway.realtime.engineio.transports.upgrade import Upgrade

log = structlog.get_logger()

MAX_MESSAGES: Final = 64  # messages of one client that are handled before it waits for another turn
# A client that sends faster than this waits for a turn. The rate limits of events add up to 50/s.
STEADY_RATE: Final = 200  # messages a second
BURST_TIME: Final = MAX_MESSAGES / STEADY_RATE  # s of messages at that rate that a client may send at once
CHARS_PER_MESSAGE: Final = 512  # characters that count as one more message: a large message waits for a turn, too

MAX_CONTROLS: Final = 256  # pings and pongs that a client may send between two of our pings; clients send a few


class Connection:
    """One client. The methods for the layer above neither wait nor raise, and do nothing once `closed`.

    `handshake`, `owner` and `joined` belong to the layer above: it may set `handshake` to None after reading it, keeps
    its own state in `owner`, and sets `joined` when the client has joined a namespace. A connection that is not
    `joined` is closed after `connect_timeout`.
    """

    # fmt: off
    __slots__ = (
        "__weakref__", "_carrier", "_controls", "_engine", "_heartbeat", "_inbox", "_join_deadline", "_lost_reason",
        "_spent", "address", "bucket", "closed", "dropped", "handshake", "joined", "opened", "owner", "sid",
        "transport", "upgrade",
    )
    # fmt: on

    def __init__(self, engine: Engine, sid: str, handshake: Handshake, transport: TransportName, address: str) -> None:
        now = asyncio.get_running_loop().time()
        options = engine.options
        self._engine = engine
        self._heartbeat = Heartbeat(options.ping_interval, options.ping_timeout, now)
        self._join_deadline = now + options.connect_timeout
        self._inbox: Inbox | None = None
        self._spent = now  # when the messages so far would have ended at the steady rate
        self._controls = 0  # pongs and pings since our last ping
        self.sid = sid
        self.opened = now  # by the clock of the event loop
        self.address = address  # of the client, as AddressLimit counts it
        self.handshake: Handshake | None = handshake
        self.transport: TransportName = transport
        self.upgrade: Upgrade | None = None
        self.closed = False
        self.dropped = False  # closed because the client does not read: the last packets may not have arrived
        self._lost_reason: str | None = None  # why the transport was lost, until the connection is closed
        self.joined = False
        self.owner: Any = None
        self.bucket: int | None = None
        self._carrier: Transport

    def start(self, carrier: Transport) -> None:
        """Start to use a transport, and start the timers."""
        self._carrier = carrier
        self._engine.wheel.at(self, self._next(asyncio.get_running_loop().time()))

    def __repr__(self) -> str:
        return f"<Connection {self.sid} {self.transport}>"

    # --- for the layer above ------------------------------------------------------------------------------------------

    def send(self, packet: str) -> None:
        """Send one Socket.IO packet at the end of this tick."""
        if not self.closed:
            self._carrier.push(MESSAGE + packet)

    def send_frame(self, frame: Frame) -> None:
        """Send a packet that connections share, in order with `send`."""
        if not self.closed:
            self._carrier.push_frame(frame)

    def broadcast(self, frame: Frame) -> None:
        """Send a frame batch, immediately if nothing is queued."""
        if not self.closed:
            self._carrier.write_frame(frame)

    def restart_join_timeout(self) -> None:
        """Restart the time-out for joining after the client has left every namespace."""
        self.joined = False
        self._join_deadline = asyncio.get_running_loop().time() + self._engine.options.connect_timeout
        self.reschedule()

    def close(self, reason: str, *, grace: float = GRACE) -> None:
        """Send what is queued and a close packet; tear the transport down after `grace` s."""
        if self._finish(reason):
            self._carrier.end(CLOSE, WSCloseCode.OK, grace)
            self._engine.ended(self, reason, grace)

    # --- from the transport -------------------------------------------------------------------------------------------

    def received(self, packet: str) -> None:
        """See Listener."""
        if self.closed or self._lost_reason is not None:
            return
        kind = packet[:1]
        if kind == MESSAGE:
            if self._engine.closing:
                return
            inbox = self._inbox
            if inbox is None:
                inbox = self._inbox = Inbox(self._drained)
                self._engine.tasks.add(self)
            if inbox.put(packet[1:]):
                self._carrier.pause_reading()
        elif kind == PONG:
            self._heartbeat.pong()
            self.controlled()
        elif kind == CLOSE:
            self._carrier.end(NOOP, WSCloseCode.OK, GRACE)
            self.lost(CLIENT_LEFT)
        else:
            self.violated(WSCloseCode.PROTOCOL_ERROR, PARSE_ERROR)

    def controlled(self) -> None:
        """See Listener."""
        self._controls += 1
        if self._controls > MAX_CONTROLS:
            self.violated(WSCloseCode.POLICY_VIOLATION, FLOOD)

    def violated(self, code: int, reason: str) -> None:
        """See Listener."""
        if self._finish(reason):
            self._carrier.end(CLOSE, code, GRACE)
            self._engine.ended(self, reason, 0)

    def reschedule(self) -> None:
        """See Listener."""
        now = asyncio.get_running_loop().time()
        if not self.closed:
            self._engine.wheel.at(self, self._next(now))

    def lost(self, reason: str) -> None:
        """See Listener. Messages that arrived before are handled first; thousands of losses are spread over ticks."""
        self.dropped = self.dropped or reason == SLOW_CLIENT
        if self.closed:
            return
        self._lost_reason = self._lost_reason or reason
        if self._inbox is None:
            self._engine.losses.call(partial(self._ended, self._lost_reason))
            return
        if self.upgrade is not None:
            self.upgrade.session_ended()

    def _ended(self, reason: str) -> None:
        if self._finish(reason):
            self._engine.ended(self, reason, 0)

    def drop(self, reason: str) -> None:
        """Close immediately, without a close packet: the client would not receive it."""
        if self._finish(reason):
            self.dropped = True
            self._carrier.abort()
            self._engine.ended(self, reason, 0)

    def _finish(self, reason: str) -> bool:
        if self.closed:
            return False
        self.closed = True
        self._engine.wheel.remove(self)
        if self._inbox is not None:
            self._inbox.clear()
        if self.upgrade is not None:
            self.upgrade.session_ended()
        log.debug("connection closed", sid=self.sid, reason=reason)
        return True

    # --- messages in order --------------------------------------------------------------------------------------------

    async def wait_for_space(self) -> None:
        """Wait until the inbox has space; for a transport that cannot pause reading."""
        if self._inbox is not None:
            await self._inbox.wait_for_space()

    async def work(self) -> None:
        """Handle the messages of the inbox in order until it is empty. Called by the engine."""
        clock = asyncio.get_running_loop().time
        now = clock()
        left, until, fresh = MAX_MESSAGES, now + TURN, True
        try:
            while self._inbox is not None and (text := self._inbox.take()) is not None:
                spent = self._spent
                spent = self._spent = (max(now, spent)) + (1 + len(text) / CHARS_PER_MESSAGE) / STEADY_RATE
                greedy = fresh and spent > now + BURST_TIME and not self._engine.turns.free(now)
                if not left or now >= until or greedy:
                    await self._engine.turns.next()
                    now = clock()
                    left, until = MAX_MESSAGES, now + TURN
                fresh = False
                try:
                    await self._engine.on_message(self, text)
                except Exception:
                    log.exception("message handler failed", sid=self.sid)
                    self.close(INTERNAL_ERROR)
                left -= 1
                now = clock()
        finally:
            self._inbox = None
            if self._lost_reason is not None:
                self.lost(self._lost_reason)

    def _drained(self) -> None:
        self._carrier.resume_reading()

    @property
    def over(self) -> bool:
        """Whether the client can no longer send or receive."""
        return self.closed or self._lost_reason is not None

    @property
    def busy(self) -> bool:
        """Whether a message is being handled."""
        return self._inbox is not None

    # --- time ---------------------------------------------------------------------------------------------------------

    def on_deadline(self, now: float) -> float | None:
        """See Timed."""
        if not self.joined and now >= self._join_deadline:
            self.close(CONNECT_TIMEOUT)
            return None
        reason = self._carrier.failure(now)
        if reason is None:
            beat = self._heartbeat.check(now)
            if beat is Beat.PING:
                self._controls = 0
                self._carrier.ping()
            reason = PING_TIMEOUT if beat is Beat.DEAD else None
        if reason is not None:
            self.drop(reason)
            return None
        return self._next(now)

    def _next(self, now: float) -> float:
        deadline = self._heartbeat.next(now)
        if not self.joined:
            deadline = min(deadline, self._join_deadline)
        check = self._carrier.check_at(now)
        return deadline if check is None else min(deadline, check)

    # --- polling to websocket -----------------------------------------------------------------------------------------

    @property
    def polling(self) -> Polling | None:
        """The polling transport; None if the connection uses a websocket."""
        return self._carrier if isinstance(self._carrier, Polling) else None

    async def poll(self, request: web.Request) -> str:
        """Answer a GET of the client with the packets that are queued, or wait for one. Raises RefusedError."""
        polling = self.polling
        if polling is None:
            raise RefusedError(*BAD_REQUEST)
        try:
            return await polling.poll(request)
        except DuplicatePollError:
            self.violated(WSCloseCode.PROTOCOL_ERROR, DUPLICATE_POLL)
            raise RefusedError(*BAD_REQUEST) from None

    def has_poll(self) -> bool:
        """See Upgradable."""
        return self.polling is not None and self.polling.polled

    def end_poll(self) -> None:
        """See Upgradable."""
        self._carrier.push(NOOP)

    def upgrade_done(self, websocket: WebSocket) -> None:
        """See Upgradable. Packets that no GET has fetched are sent first."""
        self.upgrade = None
        polling = self.polling
        if polling is None:
            return
        for packet in polling.retire():
            if packet != NOOP:
                websocket.push(packet)
        if self.over:  # the remaining packets end with the close packet
            websocket.end(NOOP, WSCloseCode.OK, GRACE)
            return
        websocket.listen(self)
        self._carrier = websocket
        self.transport = "websocket"
        self._engine.upgraded(self)
        if self._inbox is not None and self._inbox.full:
            websocket.pause_reading()
        self.reschedule()

    def upgrade_failed(self) -> None:
        """See Upgradable."""
        self.upgrade = None
