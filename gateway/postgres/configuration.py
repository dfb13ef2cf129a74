"""Tortoise's configuration of one database: its pool, time-outs and session settings. Used by the database."""

import logging
from typing import Any

from gateway.postgres.client import PostgresClient
from gateway.postgres.databases import MAIN, DatabaseSpec
from gateway.settings import Settings


def configuration(settings: Settings, spec: DatabaseSpec = MAIN) -> dict[str, Any]:
    """Return Tortoise's configuration of one database. Raises SettingsError unless the settings have its URL."""
    # At level DEBUG Tortoise logs every statement with its values: messages, addresses, hashes.
    logging.getLogger("tortoise").setLevel(logging.INFO)
    seconds = settings.database_timeout.total_seconds()
    pool: dict[str, Any] = {
        # With a higher minimum asyncpg itself tries to reconnect to an unavailable server, and logs a traceback each
        # time.
        "init_size": 1,
        "min_size": 0,
        "max_size": settings.database_pool_size,
        "timeout": seconds,
        "command_timeout": seconds,
        "server_settings": {"application_name": f"dorami {settings.node_id or ''}".rstrip()},  # for pg_stat_activity
    }
    if settings.database_pgbouncer:
        pool["statement_cache_size"] = 0
    else:
        # A statement that timed out here must not continue on the server, holding locks.
        limit = int(seconds * 1000)
        pool["server_settings"] |= {
            # A plan that was made for an empty table stays cached while the table grows: it must use the indexes.
            "enable_seqscan": "off",
            "jit": "off",  # compilation takes longer than any statement here
            "statement_timeout": f"{limit}",
            "idle_in_transaction_session_timeout": f"{2 * limit}",  # for a node that was suspended by a signal
        }
    credentials = {"dsn": spec.url(settings), "pool": pool}
    return {
        "connections": {spec.name: {"engine": PostgresClient.__module__, "credentials": credentials}},
        "apps": {spec.label: {"models": [*spec.models()], "default_connection": spec.name}},
        "use_tz": True,
        "timezone": "UTC",
    }
