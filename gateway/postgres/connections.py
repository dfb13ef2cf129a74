"""The connections of one process to all configured databases. Built by composition roots; used by routes."""

from collections.abc import Awaitable, Callable

from gateway.errors import Unavailable
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.postgres.databases import MAIN, configured, find
from gateway.settings import Settings


class Databases:
    """The main database, without which the process does not start, and others that may be unavailable."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self._interval = settings.check_interval.total_seconds()
        self._databases = {spec.name: Database(settings, metrics, spec) for spec in configured(settings)}
        self.main = self._databases[MAIN.name]

    def __contains__(self, name: str) -> bool:
        """Return whether a database has a URL in the settings."""
        return name in self._databases

    async def open(self) -> None:
        """Connect. Raises Unavailable if the main database is."""
        for name, database in self._databases.items():
            await database.open(required=name == MAIN.name)

    async def close(self) -> None:
        """Drop all connections."""
        for database in self._databases.values():
            await database.close()

    def client_sync(self, name: str) -> Database:
        """Return a database, whether it answers or not. Raises Unavailable if there is none of this name."""
        spec = find(name)
        if name not in self._databases:
            raise Unavailable(spec.title)
        return self._databases[name]

    async def client(self, name: str, interval: float | None = None) -> Database:
        """Return a database that has answered within `interval` s, DATABASE_CHECK_INTERVAL unless given.

        It is probed if necessary. Later statements are not repeated. Raises Unavailable if it is away: at once while
        that is known, since a probe of a frozen server takes as long as the time-out.
        """
        database = self.client_sync(name)
        if database.watch.away or not await database.watch.check(self._interval if interval is None else interval):
            raise Unavailable(find(name).title)
        return database

    def before_reconnect(self, name: str, act: Callable[[], Awaitable[object]]) -> None:
        """Call `act` each time a database answers again, before it is used."""
        if name in self._databases:
            self._databases[name].watch.before_return(act)

    def on_reconnect(self, name: str, act: Callable[[], Awaitable[object]]) -> None:
        """Call `act` each time a database answers again, after the `before_reconnect` calls."""
        if name in self._databases:
            self._databases[name].watch.on_return(act)
