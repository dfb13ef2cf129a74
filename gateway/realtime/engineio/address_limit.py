"""Limits how many connections a client address has open. Kept by the engine."""

from gateway.realtime.engineio.handshake import CROWDED, Handshake, RefusedError
from gateway.realtime.engineio.options import EngineOptions
from gateway.security.browsers.client_address import client_address, direct, limit_subject, subjects_of

RAW_SHARE = 2  # TCP connections besides websockets for each session: a polling client has two, a page several
RAW_LEAST = 100  # of them, however few sessions are allowed


class AddressLimit:
    """Counts by address, for IPv6 by the network of one customer, and with a higher limit by that of one site.

    An address without connections is forgotten.
    """

    def __init__(self, options: EngineOptions) -> None:
        self._limit = options.max_address_connections
        self._raw_limit = max(RAW_LEAST, RAW_SHARE * self._limit)
        self._trusted = options.trusted_proxies
        self._open: dict[str, int] = {}  # sessions
        self._raw: dict[str, int] = {}  # TCP connections that are no websockets: of HTTP, or without a request so far

    def address(self, handshake: Handshake) -> str:
        """Return the client's address as the limit counts it, behind trusted proxies."""
        forwarded_for = handshake.headers.getall("X-Forwarded-For", [])
        return limit_subject(client_address(handshake.remote, forwarded_for, self._trusted))

    def check(self, address: str) -> None:
        """Raise RefusedError if the address may open no more."""
        for subject, times in subjects_of(address):
            if self._open.get(subject, 0) >= self._limit * times:
                raise RefusedError(*CROWDED)

    def entered(self, address: str) -> None:
        """Count a connection that was opened."""
        for subject, _ in subjects_of(address):
            self._open[subject] = self._open.get(subject, 0) + 1

    def left(self, address: str) -> None:
        """Count a connection that has ended."""
        for subject, _ in subjects_of(address):
            self._open[subject] -= 1
            if not self._open[subject]:
                del self._open[subject]

    def connected(self, peer: str | None) -> str | None:
        """Count a TCP connection before its first request; return what `disconnected` takes.

        Returns None when its address has too many. Those of trusted proxies and of unix sockets are not limited.
        """
        if not direct(peer, self._trusted):
            return ""
        subject = limit_subject(client_address(peer, (), ()))
        count = self._raw.get(subject, 0)
        if count >= self._raw_limit:
            return None
        self._raw[subject] = count + 1
        return subject

    def disconnected(self, subject: str) -> None:
        """A TCP connection has ended, or is a websocket now."""
        if not subject:
            return
        self._raw[subject] -= 1
        if not self._raw[subject]:
            del self._raw[subject]
