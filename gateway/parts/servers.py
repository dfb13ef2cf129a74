"""The servers behind a node, PostgreSQL and Redis. Built first of all parts, by the composition root."""

from gateway.clocks import ClockSync
from gateway.concurrency.availability import Availability, ServerStatus
from gateway.metrics import Metrics
from gateway.postgres.connections import Databases
from gateway.postgres.databases import ANALYTICS
from gateway.redis.client import RedisClient
from gateway.services.analytics.facts import Facts
from gateway.services.audit.audit_log import AuditLog
from gateway.services.rooms.log import RoomLog
from gateway.settings import Settings

HEARTBEAT_CONNECTIONS = 2  # connections reserved for heartbeats, which must not wait for other calls


class ServersPart:
    """Not connected yet: the databases are opened by the node's first step, Redis by its third."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.databases = Databases(settings, self.metrics)
        self.database = self.databases.main
        self.redis = RedisClient(settings, self.metrics)
        few = settings.model_copy(update={"redis_pool_size": HEARTBEAT_CONNECTIONS})
        self.heartbeat_redis = RedisClient(few, self.metrics, "heartbeats", self.redis.refusal)
        self.availability = Availability(
            {"database": self._probe_database, "redis": self.redis.status}, hurried=("redis",)
        )
        self.log = RoomLog(self.database)
        self.facts = Facts(settings)
        self.audit_log = AuditLog(self.database, self.facts)
        if settings.migrate_at_start:
            self.databases.before_reconnect(ANALYTICS.name, self._migrate)
        self.clocks = ClockSync({"database": self.database.time, "redis": self.redis.time}, self.metrics)

    async def _migrate(self) -> None:
        """Migrate a database that was unavailable when the node started."""
        from gateway.postgres import migrations  # here, because it imports a lot

        await migrations.migrate_optional(self.settings)

    async def _probe_database(self) -> ServerStatus:
        return "up" if await self.database.ping() else "down"

    @property
    def database_status(self) -> ServerStatus:
        """The status of the database by the last probe, or by a call that has failed since."""
        return "down" if self.database.watch.away else self.availability.status("database")
