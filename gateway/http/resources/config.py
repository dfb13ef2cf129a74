"""`/config`: the public configuration of the shop. Needs no login."""

from gateway import __version__
from gateway.http.routes import READS, Call, Route
from gateway.postgres.databases import ANALYTICS
from gateway.protocol.payloads.accounts import ShopConfig
from gateway.settings import Settings


class Config:
    """The route of the shop's configuration."""

    def __init__(self, settings: Settings) -> None:
        self._config = ShopConfig(
            version=__version__,
            currency=settings.currency,
            locale=settings.locale,
            analytics=ANALYTICS.configured(settings),
            image_origins=list(settings.image_origins),
        )

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        return [Route("GET", "/config", self.config, answer=ShopConfig, limit=READS)]

    async def config(self, _call: Call[None, None]) -> ShopConfig:
        """Return the versions of gateway and protocol, currency, locale, and what pages show."""
        return self._config
