"""`/webhooks`: signed messages of other servers. The media server says which streams it receives."""

from gateway.http.routes import WRITES, Call, Route
from gateway.protocol.streaming import MediaEvent
from gateway.security.webhooks import MESSAGE_ID, WebhookSignature
from gateway.services.streams.streams import Streams


class Webhooks:
    """The routes of other servers. A message may come twice: it has its effect once."""

    def __init__(self, streams: Streams, signature: WebhookSignature) -> None:
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
