"""The options of the Engine.IO server, in seconds and bytes. Created by the composition root or by a test."""

from dataclasses import dataclass
from typing import Self

from gateway.security.browsers.client_address import Network
from gateway.settings import Settings

GRACE = 0.2  # s for the last packet to arrive before the transport of a closed connection is torn down


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Time-outs in seconds, which may be fractions, and sizes in bytes."""

    ping_interval: float = 25.0
    ping_timeout: float = 60.0  # for the pong to arrive
    connect_timeout: float = 10.0  # for the client to join a namespace
    max_packet_size: int = 65_536  # of one websocket message, and of one polling request
    max_poll_packets: int = 256  # in one polling request
    max_send_buffer: int = 1_048_576  # queued for one client
    compression_threshold: int = 1_024  # from which on broadcasts are compressed; 0: no compression
    max_send_delay: float = 10.0  # in which a client with a full socket buffer must read something
    upgrade_timeout: float = 5.0  # for a polling session's websocket to finish its probe
    head_timeout: float = 5.0  # for a request's head; connections that pass to aiohttp then have KEEPALIVE more
    request_timeout: float = 10.0  # for the body of a polling request
    max_address_connections: int = 2_000  # open at once from one client address
    trusted_proxies: tuple[Network, ...] = ()  # whose X-Forwarded-For counts
    path: str = "/socket.io/"
    sid_prefix: str = ""  # of the ids of sessions: a worker's number and a dot, for the hand-over

    @classmethod
    def of(cls, settings: Settings, sid_prefix: str = "") -> Self:
        """Return the options of a node with these settings."""
        return cls(
            sid_prefix=sid_prefix,
            ping_interval=settings.ping_interval.total_seconds(),
            ping_timeout=settings.ping_timeout.total_seconds(),
            connect_timeout=settings.connect_timeout.total_seconds(),
            max_packet_size=settings.max_packet_size,
            max_poll_packets=settings.max_poll_packets,
            max_send_buffer=settings.max_send_buffer,
            compression_threshold=settings.compression_threshold,
            max_send_delay=settings.max_send_delay.total_seconds(),
            max_address_connections=settings.max_address_connections,
            trusted_proxies=settings.trusted_proxies,
        )

    @property
    def tick(self) -> float:
        """The resolution of the timer wheel: a hundredth of the shortest time-out."""
        shortest = min(self.ping_interval, self.ping_timeout, self.connect_timeout, self.max_send_delay)
        return min(shortest, self.request_timeout) / 100
