"""The upgrade of a polling session to a websocket, until it succeeds or fails. Created by the engine."""

import asyncio
from typing import Protocol

from gateway.realtime.engineio.frame import NOOP, PING, PONG, UPGRADE
from gateway.realtime.engineio.options import GRACE
from gateway.realtime.engineio.websocket import WebSocket

_PROBE = "probe"
_POLICY = 1008  # websocket close code


class Upgradable(Protocol):
    """The connection that is being upgraded."""

    def upgrade_probed(self) -> None:
        """End the open poll: the websocket works."""

    def upgrade_done(self, websocket: WebSocket) -> None:
        """Use the websocket from now on."""

    def upgrade_failed(self) -> None:
        """Stay with polling."""


class Upgrade:
    """Probes a websocket: answers "2probe" with "3probe" and switches on "5". Other packets and a time-out end it."""

    __slots__ = ("_connection", "_probed", "_timer", "_websocket")

    def __init__(self, connection: Upgradable, websocket: WebSocket, timeout: float) -> None:
        self._connection = connection
        self._websocket: WebSocket | None = websocket
        self._probed = False
        self._timer = asyncio.get_running_loop().call_later(timeout, self.cancel)

    def received(self, packet: str) -> None:
        """See Listener."""
        if packet == PING + _PROBE and not self._probed and self._websocket is not None:
            self._probed = True
            self._websocket.push(PONG + _PROBE)
            self._connection.upgrade_probed()
        elif packet == UPGRADE and self._probed and self._websocket is not None:
            self._timer.cancel()
            self._connection.upgrade_done(self._websocket)
        else:
            self.cancel()

    def controlled(self) -> None:
        """See Listener. Not counted: the time-out bounds their number."""

    def violated(self, code: int, reason: str) -> None:  # noqa: ARG002
        """See Listener."""
        self._fail(code)

    def reschedule(self) -> None:
        """See Listener. Nothing to do: an upgrade has its own timer."""

    def lost(self, reason: str) -> None:  # noqa: ARG002
        """See Listener."""
        self._fail(_POLICY)

    def cancel(self) -> None:
        """End the upgrade; the session keeps polling."""
        self._fail(_POLICY)

    def _fail(self, code: int) -> None:
        self._timer.cancel()
        websocket, self._websocket = self._websocket, None
        if websocket is not None:
            self._connection.upgrade_failed()
            websocket.end(NOOP, code, GRACE)
