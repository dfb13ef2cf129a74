"""The queue into which aiohttp's compiled websocket reader puts messages. Used by all websockets."""

from typing import Any

from aiohttp import WSMsgType
from aiohttp._websocket.reader import WebSocketDataQueue


class FrameQueue(WebSocketDataQueue):
    """Complete messages, instead of a queue per connection that a task waits on.

    Parsing is synchronous and its messages are taken at once, so one queue serves all connections. It has no limit. The
    reader accepts unmasked frames from clients, which RFC 6455 forbids: masks protect proxies against scripts in a
    browser, not this server.
    """

    def __init__(self) -> None:
        # Not the base's __init__: it makes the queue that we do without.
        self.messages: list[tuple[WSMsgType, Any, Any]] = []
        self.error: BaseException | None = None

    def feed_data(self, data: Any, size: int) -> None:  # noqa: ARG002
        """Take a complete message: its type, its content, and the reason of a close."""
        self.messages.append(data)

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:  # noqa: ARG002
        """Note that what arrived is no websocket traffic."""
        self.error = exc

    def take(self) -> tuple[list[tuple[WSMsgType, Any, Any]], BaseException | None]:
        """Return what the last feed brought: complete messages, and the error that ended the parsing."""
        found = self.messages, self.error
        self.messages, self.error = [], None
        return found


frame_queue = FrameQueue()
