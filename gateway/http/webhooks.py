"""`/webhooks`: what other servers tell us, signed. The media server says which streams it has and has no more."""

from typing import Protocol

from gateway.http.routes import WRITES, Call, Route
from gateway.protocol.streaming import MediaEvent, StreamView
from gateway.security.principal import Principal
from gateway.security.webhooks import WebhookSignature


class StreamService(Protocol):
    """The streams. Raises NotFound, Conflict for what a stream's life does not allow, Unavailable."""

    async def start(self, principal: Principal | None, key: str) -> StreamView: ...
    async def stop(self, principal: Principal | None, key: str) -> StreamView: ...


class Webhooks:
    """The routes of other servers. A message may come twice: what it says is done once."""

    def __init__(self, streams: StreamService, signature: WebhookSignature) -> None:
        self._streams = streams
        self._signature = signature

    def routes(self) -> list[Route]:
        """The table."""
        return [
            Route("POST", "/webhooks/media", self.media, body=MediaEvent, limit=WRITES, signed=self._signature.verify)
        ]

    async def media(self, call: Call[MediaEvent, None]) -> None:
        """The media server has begun to receive a stream, or receives it no more."""
        run = self._streams.start if call.body.type == "stream.started" else self._streams.stop
        await run(None, call.body.data.stream_key)
