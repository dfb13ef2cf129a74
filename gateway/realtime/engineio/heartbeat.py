"""Decides when to ping a connection and when to give it up. Asked by the connection when its timer is due."""

from enum import Enum, auto


class Beat(Enum):
    """What is due."""

    NOTHING = auto()
    PING = auto()
    DEAD = auto()  # the pong did not come in time


class Heartbeat:
    """The pings of one connection: one every `interval` s, the pong within `timeout` s."""

    __slots__ = ("_awaiting", "_interval", "_since", "_timeout")

    def __init__(self, interval: float, timeout: float, now: float) -> None:
        self._interval = interval
        self._timeout = timeout
        self._since = now  # the last ping, or the beginning
        self._awaiting = False

    def pong(self) -> None:
        """Note that the client answered."""
        self._awaiting = False

    def due(self, now: float) -> Beat:
        """Return what is due at `now`. After PING the ping counts as sent."""
        if self._awaiting:
            return Beat.DEAD if now >= self._since + self._timeout else Beat.NOTHING
        planned = self._since + self._interval
        if now < planned:
            return Beat.NOTHING
        # The planned moment if that is just over, so that the timer's inexactness does not add up.
        self._since = max(planned, now - self._interval / 20)
        self._awaiting = True
        return Beat.PING

    def next(self, now: float) -> float:
        """Return when to ask again, after `due(now)`."""
        first, second = sorted((self._since + self._interval, self._since + self._timeout))
        return first if first > now else second
