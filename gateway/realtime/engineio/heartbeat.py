"""Decides when to ping a connection and when to drop it. Called by the connection when its timer fires."""

from enum import Enum, auto


class Beat(Enum):
    """The action that a heartbeat requires."""

    NOTHING = auto()
    PING = auto()
    DEAD = auto()  # the pong did not come in time


class Heartbeat:
    """Pings one connection every `interval` s and expects the pong within `timeout` s."""

    __slots__ = ("_awaiting", "_interval", "_since", "_timeout")

    def __init__(self, interval: float, timeout: float, now: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._since = now  # the time of the last ping, or of the start
        self._awaiting = False

    def pong(self) -> None:
        """Record the pong of the client."""
        self._awaiting = False

    def check(self, now: float) -> Beat:
        """Return the action required at `now`. PING counts as sent: the caller must send it."""
        if self._awaiting:
            return Beat.DEAD if now >= self._since + self._timeout else Beat.NOTHING
        planned = self._since + self._interval
        if now < planned:
            return Beat.NOTHING
        # The planned time if it has just passed, so that the timer's error does not add up.
        self._since = max(planned, now - self._interval / 20)
        self._awaiting = True
        return Beat.PING

    def next(self, now: float) -> float:
        """Return the time of the next `check`, after `check(now)`."""
        first, second = sorted((self._since + self._interval, self._since + self._timeout))
        return first if first > now else second
