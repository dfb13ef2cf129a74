"""The servers behind a node, PostgreSQL and Redis. Built first of all parts, by the composition root."""

from gateway.clocks import ClockSync
from gateway.concurrency.availability import Availability, ServerStatus
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.redis.client import RedisClient
from gateway.services.rooms.log import RoomLog
from gateway.settings import Settings

HEARTBEAT_CONNECTIONS = 2  # connections reserved for heartbeats, which must not wait for other calls


class ServersPart:
    """Not connected yet: the database is opened by the node's first step, Redis by its third."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.database = Database(settings, self.metrics)
        self.redis = RedisClient(settings, self.metrics)
        few = settings.model_copy(update={"redis_pool_size": HEARTBEAT_CONNECTIONS})
        self.heartbeat_redis = RedisClient(few, self.metrics, "heartbeats", self.redis.refusal)
        self.availability = Availability({"database": self._database_status, "redis": self.redis.status})
        self.log = RoomLog(self.database)
        self.clocks = ClockSync({"database": self.database.time, "redis": self.redis.time}, self.metrics)

    async def _database_status(self) -> ServerStatus:
        return "up" if await self.database.ping() else "down"
