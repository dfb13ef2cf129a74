"""Measures the sizes of tables for the metrics. Run by every node, rarely; the query takes a few milliseconds."""

from gateway.metrics import Metrics
from gateway.postgres.database import Database

# The estimate of the last VACUUM or ANALYZE; without one, the rows inserted since the server started.
SIZES = """
    SELECT c.relname AS name, CASE WHEN c.reltuples < 0 THEN s.n_live_tup ELSE c.reltuples END::float8 AS rows,
        pg_total_relation_size(c.oid) AS bytes
    FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
    WHERE s.schemaname = current_schema()
"""


class TableSizes:
    """Measures the estimated rows of each table, and its bytes with indexes and TOAST."""

    def __init__(self, database: Database, metrics: Metrics) -> None:
        self._database = database
        self._metrics = metrics

    async def measure(self) -> None:
        """Set the gauges. Raises Unavailable."""
        async with self._database.guard("table_sizes"):
            tables = await self._database.query(SIZES)
        for table in tables:
            self._metrics.table_rows.labels(table["name"]).set(table["rows"])
            self._metrics.table_bytes.labels(table["name"]).set(table["bytes"])
