"""One Engine.IO session, whatever its transport: messages go up in order, packets go down. Made by the engine."""

import asyncio
from typing import TYPE_CHECKING, Any, Final

import structlog
from aiohttp import web
from aiohttp.http import WSCloseCode

from gateway.realtime.engineio.frame import CLOSE, MESSAGE, NOOP, PONG, Frame
from gateway.realtime.engineio.handshake import BAD_REQUEST, Handshake, RefusedError
from gateway.realtime.engineio.heartbeat import Beat, Heartbeat
from gateway.realtime.engineio.inbox import Inbox
from gateway.realtime.engineio.options import GRACE
from gateway.realtime.engineio.polling import DuplicatePollError, Polling
from gateway.realtime.engineio.transport import (
    CLIENT_LEFT,
    CONNECT_TIMEOUT,
    DUPLICATE_POLL,
    FLOOD,
    INTERNAL_ERROR,
    PARSE_ERROR,
    PING_TIMEOUT,
    SLOW_CLIENT,
    Host,
    Transport,
    TransportName,
)
from gateway.realtime.engineio.turns import TURN
from gateway.realtime.engineio.websocket import WebSocket

if TYPE_CHECKING:
    from gateway.realtime.engineio.upgrade import Upgrade

log = structlog.get_logger()

IN_A_ROW: Final = 64  # messages of one client that are handled before others have their turn
# A client that goes on with more than this waits for its turn with all others that do: limits of events add up to 50/s.
STEADY: Final = 200  # messages a second
CREDIT: Final = IN_A_ROW / STEADY  # s of it that a client may use up at once
WEIGHT: Final = 512  # characters that count as one more message; a large one waits for its turn at once

MAX_CONTROLS: Final = 256  # pongs and pings of a client between two of our pings; it needs a handful


class Connection:
    """One client. What the layer above calls never waits and never raises, and does nothing once `closed`.

    `handshake`, `owner` and `joined` belong to the layer above: it may drop the handshake when it has read it, keep its
    own state in `owner`, and sets `joined` when the client has become more than a socket that costs memory.
    """

    # fmt: off
    __slots__ = (
        "__weakref__", "_carrier", "_controls", "_heartbeat", "_host", "_inbox", "_join_by", "_left", "_noop_due",
        "_spent", "address", "closed", "dropped", "handshake", "joined", "owner", "sid", "slot", "transport", "upgrade",
    )
    # fmt: on

    def __init__(self, host: Host, sid: str, handshake: Handshake, transport: TransportName, address: str) -> None:
        now = asyncio.get_running_loop().time()
        options = host.options
        self._host = host
        self._heartbeat = Heartbeat(options.ping_interval, options.ping_timeout, now)
        self._join_by = now + options.connect_timeout
        self._inbox: Inbox | None = None
        self._spent = now  # up to when the messages so far would have taken at the steady rate
        self._controls = 0  # pongs and pings since our last ping
        self._noop_due = False  # the poll that is open, or the next, is to end for an upgrade
        self.sid = sid
        self.address = address  # of the client, behind trusted proxies, as limits count it
        self.handshake: Handshake | None = handshake
        self.transport: TransportName = transport
        self.upgrade: Upgrade | None = None
        self.closed = False
        self.dropped = False  # closed because nobody reads any more: what was sent last may not have arrived
        self._left: str | None = None  # why the client is gone, while its last messages are handled
        self.joined = False
        self.owner: Any = None
        self.slot: int | None = None
        self._carrier: Transport

    def begin(self, carrier: Transport) -> None:
        """Use this transport, and start the timers."""
        self._carrier = carrier
        self._host.wheel.at(self, self._next(asyncio.get_running_loop().time()))

    def __repr__(self) -> str:
        return f"<Connection {self.sid} {self.transport}>"

    # --- for the layer above ------------------------------------------------------------------------------------------

    def send(self, packet: str) -> None:
        """Send one Socket.IO packet, with everything else of this tick."""
        if not self.closed:
            self._carrier.push(MESSAGE + packet)

    def send_frame(self, frame: Frame) -> None:
        """Send a packet that is shared between connections, in one order with `send`."""
        if not self.closed:
            self._carrier.push_frame(frame)

    def broadcast(self, frame: Frame) -> None:
        """Send a frame of a broadcast, at once if nothing waits: it has been joined with others already."""
        if not self.closed:
            self._carrier.write_frame(frame)

    def unjoin(self) -> None:
        """Start the time-out for joining again: the client has left every namespace."""
        self.joined = False
        self._join_by = asyncio.get_running_loop().time() + self._host.options.connect_timeout
        self.strained()

    def close(self, reason: str, *, grace: float = GRACE) -> None:
        """Send what waits and a goodbye; after `grace` s the transport is gone, whatever the client does."""
        if self._finish(reason):
            self._carrier.end(CLOSE, WSCloseCode.OK, grace)
            self._host.ended(self, reason, grace)

    # --- from the transport -------------------------------------------------------------------------------------------

    def received(self, packet: str) -> None:
        """See Listener."""
        if self.closed or self._left is not None:
            return
        kind = packet[:1]
        if kind == MESSAGE:
            if self._host.closing:
                return
            inbox = self._inbox
            if inbox is None:
                inbox = self._inbox = Inbox(self._drained)
                self._host.work(self)
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
            self._host.ended(self, reason, 0)

    def strained(self) -> None:
        """See Listener."""
        now = asyncio.get_running_loop().time()
        if not self.closed:
            self._host.wheel.at(self, self._next(now))

    def lost(self, reason: str) -> None:
        """See Listener. What the client said before it left is handled first."""
        self.dropped = self.dropped or reason == SLOW_CLIENT
        if self._inbox is None:
            if self._finish(reason):
                self._host.ended(self, reason, 0)
            return
        self._left = self._left or reason
        if self.upgrade is not None:  # or it would bring a transport that nobody ends
            self.upgrade.cancel()

    def drop(self, reason: str) -> None:
        """Close at once, without a last packet: the client would not receive it."""
        if self._finish(reason):
            self.dropped = True
            self._carrier.abort()
            self._host.ended(self, reason, 0)

    def _finish(self, reason: str) -> bool:
        if self.closed:
            return False
        self.closed = True
        self._host.wheel.remove(self)
        if self._inbox is not None:
            self._inbox.clear()
        if self.upgrade is not None:
            self.upgrade.cancel()
        log.debug("connection closed", sid=self.sid, reason=reason)
        return True

    # --- messages in order --------------------------------------------------------------------------------------------

    async def room(self) -> None:
        """Wait until the inbox takes another message; for a transport that cannot pause reading."""
        if self._inbox is not None:
            await self._inbox.room()

    async def work(self) -> None:
        """Handle the messages of the inbox one after the other. Called by the engine."""
        clock = asyncio.get_running_loop().time
        now = clock()
        left, until, fresh = IN_A_ROW, now + TURN, True
        try:
            while self._inbox is not None and (text := self._inbox.take()) is not None:
                spent = self._spent
                spent = self._spent = (max(now, spent)) + (1 + len(text) / WEIGHT) / STEADY
                if not left or now >= until or (fresh and spent > now + CREDIT):
                    await self._host.turns.next()
                    now = clock()
                    left, until = IN_A_ROW, now + TURN
                fresh = False
                try:
                    await self._host.on_message(self, text)
                except Exception:
                    log.exception("a message was not handled", sid=self.sid)
                    self.close(INTERNAL_ERROR)
                left -= 1
                now = clock()
        finally:
            self._inbox = None
            if self._left is not None:
                self.lost(self._left)

    def _drained(self) -> None:
        self._carrier.resume_reading()

    @property
    def over(self) -> bool:
        """Whether the client can neither send nor receive any more."""
        return self.closed or self._left is not None

    @property
    def busy(self) -> bool:
        """Whether a message is being handled."""
        return self._inbox is not None

    # --- time ---------------------------------------------------------------------------------------------------------

    def due(self, now: float) -> float | None:
        """See Timed."""
        if not self.joined and now >= self._join_by:
            self.close(CONNECT_TIMEOUT)
            return None
        reason = self._carrier.trouble(now)
        if reason is None:
            beat = self._heartbeat.due(now)
            if beat is Beat.PING:
                self._controls = 0
                self._carrier.ping()
            reason = PING_TIMEOUT if beat is Beat.DEAD else None
        if reason is not None:
            self.drop(reason)
            return None
        return self._next(now)

    def _next(self, now: float) -> float:
        moment = self._heartbeat.next(now)
        if not self.joined:
            moment = min(moment, self._join_by)
        check = self._carrier.check_at(now)
        return moment if check is None else min(moment, check)

    # --- polling to websocket -----------------------------------------------------------------------------------------

    @property
    def polling(self) -> Polling | None:
        """The polling transport, while that is what this connection uses."""
        return self._carrier if isinstance(self._carrier, Polling) else None

    async def poll(self, request: web.Request) -> str:
        """A GET of the client: what waits for it, or the first that comes. Raises RefusedError."""
        polling = self.polling
        if polling is None:
            raise RefusedError(*BAD_REQUEST)
        if self._noop_due:
            self._noop_due = False
            polling.push(NOOP)
        try:
            return await polling.poll(request)
        except DuplicatePollError:
            self.violated(WSCloseCode.PROTOCOL_ERROR, DUPLICATE_POLL)
            raise RefusedError(*BAD_REQUEST) from None

    def upgrade_probed(self) -> None:
        """See Upgradable. The client changes over when its poll has ended: the open one, or the next."""
        polling = self.polling
        if polling is not None and polling.polled:
            polling.push(NOOP)
        else:
            self._noop_due = True

    def upgrade_done(self, websocket: WebSocket) -> None:
        """See Upgradable. What no GET has taken goes first."""
        self.upgrade = None
        polling = self.polling
        if polling is None:
            return
        websocket.listen(self)
        for packet in polling.retire():
            if packet != NOOP:
                websocket.push(packet)
        self._carrier = websocket
        self.transport = "websocket"
        self._host.changed(self)
        if self._inbox is not None and self._inbox.full:
            websocket.pause_reading()
        self.strained()

    def upgrade_failed(self) -> None:
        """See Upgradable."""
        self.upgrade = None
        self._noop_due = False
