"""Who users are, as every connect and request asks: cached for all nodes. Called by the authenticator."""

from functools import partial

from gateway.connections.cache import Cache
from gateway.connections.database import Database
from gateway.connections.redis import Redis
from gateway.metrics import Metrics
from gateway.security.authenticator import Identity
from gateway.security.principal import Role
from gateway.services.accounts import find

LIFETIME = 60.0  # s


class Identities:
    """Name, role and standing of users. Raises Unavailable.

    A change of standing that Redis cannot be told leaves its caller with an error, since their sessions cannot be ended
    then; made again, it is told again.
    """

    def __init__(self, database: Database, redis: Redis, metrics: Metrics) -> None:
        self._database = database
        self._cache: Cache[Identity | None] = Cache(redis, metrics, "identities", Identity | None, LIFETIME)

    async def identity(self, user_id: str) -> Identity | None:
        """What the authenticator needs to know of a user; None if there is no such user."""
        return await self._cache.read(user_id, partial(self._load, user_id))

    async def changed(self, user_id: str) -> None:
        """A user has another name, role or standing: after the commit, before anybody is told. Never raises."""
        await self._cache.drop(user_id)

    async def close(self) -> None:
        """Ask nothing any more."""
        await self._cache.close()

    async def _load(self, user_id: str) -> Identity | None:
        user = await find(self._database, user_id)
        return None if user is None else Identity(user.username, Role(user.role), user.suspended)
