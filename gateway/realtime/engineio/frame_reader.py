"""Where aiohttp's compiled websocket reader puts what it has read. Used by all websockets."""

from typing import Any

from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue


class FrameQueue(WebSocketDataQueue):
    """Complete messages, instead of a queue per connection that a task waits on.

    Parsing is synchronous and what it found is taken at once, so one inlet serves all connections. It is never over its
    limit: it does not count. The reader accepts unmasked frames from clients, which RFC 6455 forbids; masks protect
    proxies against scripts in a browser, not this server, so that is let be.
    """

    def __init__(self) -> None:
        # Not the base's __init__: it makes the queue that we do without.
        self.messages: list[tuple[WSMsgType, Any, Any]] = []
        self.error: BaseException | None = None

    def feed_data(self, data: Any, size: int) -> None:  # noqa: ARG002
        """A complete message: its type, its content, and the reason of a close."""
        self.messages.append(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:  # noqa: ARG002
        """What arrived is no websocket traffic."""
        self.error = exc

    def take(self) -> tuple[list[tuple[WSMsgType, Any, Any]], BaseException | None]:
        """What the last feed brought: complete messages, and what ended the parsing."""
        found = self.messages, self.error
        self.messages, self.error = [], None
        return found


frame_queue = FrameQueue()
