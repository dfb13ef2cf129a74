"""The upgrade of a polling session to a websocket, until it succeeds or fails. Created by the engine."""

import asyncio
from typing import Final, Protocol

from gateway.realtime.engineio.options import GRACE
from gateway.realtime.engineio.transports.frame import NOOP, PING, PONG, UPGRADE
from gateway.realtime.engineio.transports.websocket import WebSocket

FIRST_PAUSE: Final = 0.1  # s until an open poll is answered again; each pause is twice as long as the one before
_PROBE = "probe"
_POLICY = 1008  # websocket close code


class Upgradable(Protocol):
    """The connection that is being upgraded."""

    def has_poll(self) -> bool:
        """Return whether a poll is open."""

    def end_poll(self) -> None:
        """Answer the open poll with a NOOP."""

    def upgrade_done(self, websocket: WebSocket) -> None:
        """Use the websocket from now on, or end it if the session has ended."""

    def upgrade_failed(self) -> None:
        """Stay with polling."""


class Upgrade:
    """Probes a websocket: answers "2probe" with "3probe" and switches on "5". Other packets end it.

    Before the probe, a time-out or the end of the session ends the websocket, too. Official clients that have read
    "3probe" stop polling and send "5" when their open requests are answered. If the websocket closes before that, they
    hang until their ping time-out. So it stays open after the probe: if the client does not upgrade in time, until it
    polls again; if the session ends, until "5" has arrived and is answered with the last packets.
    """

    __slots__ = ("_connection", "_deadline", "_probed", "_timeout", "_timer", "_websocket")

    def __init__(self, connection: Upgradable, websocket: WebSocket, timeout: float) -> None:
        loop = asyncio.get_running_loop()
        self._connection = connection
        self._websocket: WebSocket | None = websocket
        self._probed = False
        self._timeout = timeout
        self._deadline = loop.time() + timeout
        self._timer = loop.call_later(timeout, self._cancel)

    def received(self, packet: str) -> None:
        """See Listener."""
        websocket = self._websocket
        if websocket is None:
            return
        if packet == PING + _PROBE and not self._probed:
            self._probed = True
            self._timer.cancel()
            websocket.push(PONG + _PROBE)
            self._end_poll(FIRST_PAUSE)
        elif packet == UPGRADE and self._probed:
            self._timer.cancel()
            self._websocket = None
            self._connection.upgrade_done(websocket)
        else:
            self._cancel()

    def _end_poll(self, pause: float) -> None:
        """End the open poll, so that the client upgrades.

        The client may read the answer before "3probe" and poll again, so repeat it. A client that still polls after the
        time-out does not upgrade.
        """
        loop = asyncio.get_running_loop()
        if self._connection.has_poll():
            if loop.time() >= self._deadline:
                self._cancel()
                return
            self._connection.end_poll()
        self._timer = loop.call_later(pause, self._end_poll, 2 * pause)

    def controlled(self) -> None:
        """See Listener. Not counted: the time-out bounds their number."""

    def violated(self, code: int, reason: str) -> None:  # noqa: ARG002
        """See Listener."""
        self._fail(code)

    def reschedule(self) -> None:
        """See Listener. Nothing to do: an upgrade has its own timer."""

    def lost(self, reason: str) -> None:  # noqa: ARG002
        """See Listener."""
        self._cancel()

    def session_ended(self) -> None:
        """End the websocket, or wait for the "5" of a client whose probe was answered."""
        self._timer.cancel()
        if self._probed and self._websocket is not None:
            self._timer = asyncio.get_running_loop().call_later(self._timeout, self._cancel)
        else:
            self._cancel()

    def _cancel(self) -> None:
        self._fail(_POLICY)

    def _fail(self, code: int) -> None:
        self._timer.cancel()
        websocket, self._websocket = self._websocket, None
        if websocket is not None:
            self._connection.upgrade_failed()
            websocket.end(NOOP, code, GRACE)
