"""Deletes old rows and measures the size of the database. Built by the composition root."""

from gateway.concurrency.periodic import Periodic
from gateway.errors import Unavailable
from gateway.parts.servers import ServersPart
from gateway.services.analytics.upkeep import OutboxAge
from gateway.services.retention.kinds import kinds
from gateway.services.retention.retention import Retention
from gateway.services.retention.table_sizes import TableSizes

ROUND = 60.0  # s between two sweeps for old rows, which are nearly always few
AGE_PAUSE = 15.0  # s between two measurements of the outbox: the usual pause between two scrapes
SIZE_PAUSE = 600.0  # s between two measurements of the sizes of tables


class UpkeepPart:
    """Background tasks only."""

    def __init__(self, servers: ServersPart) -> None:
        retention = Retention(servers.database, kinds(servers.settings), servers.metrics)
        sizes = TableSizes(servers.database, servers.metrics)
        age = OutboxAge(servers.database, servers.metrics)
        self._rounds = (
            Periodic("outbox age", AGE_PAUSE, age.measure, Unavailable),
            Periodic("retention", ROUND, retention.sweep, Unavailable),
            Periodic("table sizes", SIZE_PAUSE, sizes.measure, Unavailable),
        )

    def start(self) -> None:
        """Start the tasks."""
        for rounds in self._rounds:
            rounds.start()

    async def close(self) -> None:
        """Stop the tasks, even in the middle of a batch."""
        for rounds in self._rounds:
            await rounds.close()
