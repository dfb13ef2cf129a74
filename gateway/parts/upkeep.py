"""Deletes old rows and measures the size of the database. Built by the composition root."""

from gateway.concurrency.periodic import Periodic
from gateway.errors import Unavailable
from gateway.parts.servers import ServersPart
from gateway.services.analytics.upkeep import OutboxAge
from gateway.services.retention.kinds import kinds
from gateway.services.retention.retention import Retention
from gateway.services.retention.table_sizes import TableSizes

ROUND = 60.0  # s between two looks for what is due; nearly always little
LOOK = 15.0  # s between two looks at how long facts wait: the usual pause between two scrapes
MEASURE = 600.0  # s between two looks at the sizes of tables


class UpkeepPart:
    """Nobody calls it."""

    def __init__(self, servers: ServersPart) -> None:
        retention = Retention(servers.database, kinds(servers.settings), servers.metrics)
        sizes = TableSizes(servers.database, servers.metrics)
        age = OutboxAge(servers.database, servers.metrics)
        self._rounds = (
            Periodic("outbox age", LOOK, age.measure, Unavailable),
            Periodic("retention", ROUND, retention.sweep, Unavailable),
            Periodic("table sizes", MEASURE, sizes.measure, Unavailable),
        )

    def start(self) -> None:
        """Begin."""
        for rounds in self._rounds:
            rounds.start()

    async def close(self) -> None:
        """Stop, even in the middle of a batch."""
        for rounds in self._rounds:
            await rounds.close()
