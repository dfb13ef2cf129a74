"""`/webhooks`: signed messages of other servers. The media server says which streams it receives."""

from typing import Protocol

from gateway.http.routes import WRITES, Call, Route
from gateway.protocol.streaming import MediaEvent
from gateway.security.webhooks import MESSAGE_ID, WebhookSignature


class StreamService(Protocol):
    """The streams."""

    async def report(self, message_id: str, event: MediaEvent) -> None:
        """Raises NotFound, Conflict for what a stream's status does not allow, Unavailable."""


class Webhooks:
    """The routes of other servers. A message may come twice: it has its effect once."""

    def __init__(self, streams: StreamService, signature: WebhookSignature) -> None:
        self._streams = streams
        self._signature = signature

    def routes(self) -> list[Route]:
        """The table."""
        return [
            Route("POST", "/webhooks/media", self.media, body=MediaEvent, limit=WRITES, signed=self._signature.verify)
        ]

    async def media(self, call: Call[MediaEvent, None]) -> None:
        """The media server has begun to receive a stream, or no longer receives it."""
        await self._streams.report(call.request.headers[MESSAGE_ID], call.body)
