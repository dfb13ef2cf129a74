"""Limits the open connections of each client address. Used by the engine and the front."""

from gateway.realtime.engineio.handshake import TOO_MANY_CONNECTIONS, Handshake, RefusedError
from gateway.realtime.engineio.options import EngineOptions
from gateway.security.browsers.client_address import client_address, direct, limit_subject, subjects_of

RAW_SHARE = 2  # TCP connections besides websockets for each session: a polling client has two, a page several
RAW_LEAST = 100  # lower bound of that limit, however few sessions are allowed


class AddressLimit:
    """Counts connections by client address.

    IPv6 addresses count twice: by the network of one customer and, with a higher limit, by the network of one site.
    Addresses without connections take no memory.
    """

    def __init__(self, options: EngineOptions) -> None:
        self._limit = options.max_address_connections
        self._raw_limit = max(RAW_LEAST, RAW_SHARE * self._limit)
        self._trusted = options.trusted_proxies
        self._open: dict[str, int] = {}  # sessions
        self._raw: dict[str, int] = {}  # TCP connections that are no websockets: with HTTP, or without a request so far

    def address(self, handshake: Handshake) -> str:
        """Return the client's address as the limit counts it; behind trusted proxies, the forwarded one."""
        forwarded_for = handshake.headers.getall("X-Forwarded-For", [])
        return limit_subject(client_address(handshake.remote, forwarded_for, self._trusted))

    def check(self, address: str) -> None:
        """Raise RefusedError if the address may not open another session."""
        for subject, times in subjects_of(address):
            if self._open.get(subject, 0) >= self._limit * times:
                raise RefusedError(*TOO_MANY_CONNECTIONS)

    def entered(self, address: str) -> None:
        """Count a session that was opened."""
        for subject, _ in subjects_of(address):
            self._open[subject] = self._open.get(subject, 0) + 1

    def left(self, address: str) -> None:
        """Stop counting a session that has ended."""
        for subject, _ in subjects_of(address):
            self._open[subject] -= 1
            if not self._open[subject]:
                del self._open[subject]

    def connected(self, peer: str | None) -> str | None:
        """Count a TCP connection before its first request.

        Returns the subject to pass to `disconnected`: "" for trusted proxies and unix sockets, which are not limited,
        and None if the address has too many connections.
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
        """Stop counting a TCP connection that has ended or has become a websocket."""
        if not subject:
            return
        self._raw[subject] -= 1
        if not self._raw[subject]:
            del self._raw[subject]
