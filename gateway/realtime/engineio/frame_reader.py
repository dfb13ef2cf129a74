"""The queue that aiohttp's compiled websocket reader fills with messages. Used by all websockets."""

from typing import Any

from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue


class FrameQueue(WebSocketDataQueue):
    """Holds complete messages; replaces aiohttp's queue per connection and the task that waits for it.

    Parsing is synchronous and its messages are taken immediately, so all connections share one queue without a limit.
    The reader accepts unmasked frames from clients, which RFC 6455 forbids: masks protect proxies against scripts in a
    browser, not this server.
    """

    def __init__(self) -> None:
        # The base's __init__ would create the queue that this class replaces.
        self.messages: list[tuple[WSMsgType, Any, Any]] = []
        self.error: BaseException | None = None

    def feed_data(self, data: Any, size: int) -> None:  # noqa: ARG002
        """Add a complete message: its type, its content, and the reason of a close."""
        self.messages.append(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:  # noqa: ARG002
        """Store the error that ended the parsing."""
        self.error = exc

    def take(self) -> tuple[list[tuple[WSMsgType, Any, Any]], BaseException | None]:
        """Return and remove the complete messages of the last feed, and the error that ended the parsing, if any."""
        found = self.messages, self.error
        self.messages, self.error = [], None
        return found


frame_queue = FrameQueue()
