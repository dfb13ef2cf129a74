"""`/webhooks`: signed messages of other servers, such as the media server's reports of streams."""

from gateway.http.routes import CONFLICT, NOT_FOUND, WRITES, Call, Route
from gateway.protocol.payloads.streaming import MediaEvent
from gateway.security.webhooks import MESSAGE_ID, WebhookSignature
from gateway.services.streams.streams import Streams


class Webhooks:
    """The routes for other servers. A repeated message has no further effect."""

    def __init__(self, streams: Streams, signature: WebhookSignature) -> None:
        self._streams = streams
        self._signature = signature

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        return [
            Route(
                "POST",
                "/webhooks/media",
                self.media,
                body=MediaEvent,
                limit=WRITES,
                signed=self._signature.verify,
                raises=NOT_FOUND | CONFLICT,
            )
        ]

    async def media(self, call: Call[MediaEvent, None]) -> None:
        """Report that the media server receives a stream, or no longer receives it."""
        await self._streams.report(call.request.headers[MESSAGE_ID], call.body)
