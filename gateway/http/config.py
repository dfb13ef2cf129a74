"""`/config`: what the shop is set to, for pages that nobody has logged in to yet."""

from gateway import __version__
from gateway.http.routes import READS, Call, Route
from gateway.protocol.identity import ShopConfig
from gateway.settings import Settings


class Config:
    """The route of the shop's configuration."""

    def __init__(self, settings: Settings) -> None:
        self._config = ShopConfig(version=__version__, currency=settings.currency, locale=settings.locale)

    def routes(self) -> list[Route]:
        """The table."""
        return [Route("GET", "/config", self.config, answer=ShopConfig, limit=READS)]

    async def config(self, _call: Call[None, None]) -> ShopConfig:
        """The versions of gateway and protocol, and the currency and language of the shop."""
        return self._config
