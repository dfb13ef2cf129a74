"""The records of applied migrations in a database. Used by the migrations.

The table `aerich` has aerich's columns. The table `dorami_migrations` has what aerich omits: the hash of each applied
file, the time and the duration.
"""

import json
from collections.abc import Sequence
from typing import Any

from gateway.postgres.migration_files import Applied, Migration, Status

_TABLES = "SELECT to_regclass('aerich') IS NOT NULL AS aerich, to_regclass('dorami_migrations') IS NOT NULL AS notes"
_NOTES = """
CREATE TABLE IF NOT EXISTS dorami_migrations (
    label varchar(64) NOT NULL,
    version varchar(255) NOT NULL,
    sha256 char(64) NOT NULL,
    applied_at timestamptz,
    seconds double precision,
    PRIMARY KEY (label, version)
)"""
_AERICH = """
CREATE TABLE IF NOT EXISTS aerich (
    id serial PRIMARY KEY, version varchar(255) NOT NULL, app varchar(100) NOT NULL, content jsonb NOT NULL
)"""
_ADOPT = """
INSERT INTO dorami_migrations (label, version, sha256)
SELECT $1, * FROM unnest($2::text[], $3::text[]) ON CONFLICT DO NOTHING"""
_APPLIED = """
SELECT a.version, n.sha256, n.applied_at, n.seconds
FROM aerich a LEFT JOIN dorami_migrations n ON n.label = a.app AND n.version || '.py' = a.version
WHERE a.app = $1 ORDER BY a.id"""
_APPLIED_WITHOUT_NOTES = """
SELECT version, NULL AS sha256, NULL AS applied_at, NULL AS seconds FROM aerich WHERE app = $1 ORDER BY id"""
_INVALID = """
SELECT c.relname FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE NOT i.indisvalid AND c.relnamespace = current_schema()::regnamespace ORDER BY 1"""


class MigrationRecords:
    """The records of one database, on the caller's connection.

    `label` is the name of the database in aerich's table, `files` are all of its migrations.
    """

    def __init__(self, label: str, files: Sequence[Migration]) -> None:
        self._label = label
        self._files = files

    async def prepared(self, db: Any) -> Status:
        """Return the status, after recording the hashes of applied migrations that have none."""
        await db.execute(_NOTES)
        status = await self.status(db)
        hashes = {migration.name: migration.sha256 for migration in self._files}
        unknown = [item.name for item in status.applied if item.sha256 is None and item.name in hashes]
        if unknown:
            await db.execute(_ADOPT, self._label, unknown, [hashes[name] for name in unknown])
        return status

    async def status(self, db: Any) -> Status:
        """Return the applied and pending migrations, and the invalid indexes."""
        tables = await db.fetchrow(_TABLES)
        statement = _APPLIED if tables["notes"] else _APPLIED_WITHOUT_NOTES
        rows = await db.fetch(statement, self._label) if tables["aerich"] else []
        applied = [
            Applied(row["version"].removesuffix(".py"), row["sha256"], row["applied_at"], row["seconds"])
            for row in rows
        ]
        return Status(self._files, applied, await invalid_indexes(db))

    async def add(self, db: Any, migration: Migration, seconds: float | None) -> None:
        """Record a migration as applied; `seconds` is the duration, None if it was not run."""
        models = json.dumps(migration.models())
        await db.execute(_AERICH)  # aerich's own first migrations create the table themselves
        await db.execute(
            "INSERT INTO aerich (version, app, content) VALUES ($1, $2, $3)",
            f"{migration.name}.py",
            self._label,
            models,
        )
        await db.execute(
            "INSERT INTO dorami_migrations VALUES ($1, $2, $3, clock_timestamp(), $4)",
            *(self._label, migration.name, migration.sha256, seconds),
        )

    async def remove(self, db: Any, migration: Migration) -> None:
        """Record a migration as not applied."""
        await db.execute("DELETE FROM aerich WHERE app = $1 AND version = $2", self._label, f"{migration.name}.py")
        await db.execute("DELETE FROM dorami_migrations WHERE label = $1 AND version = $2", self._label, migration.name)


async def invalid_indexes(db: Any) -> list[str]:
    """Return the names of indexes that were not built completely."""
    return [row["relname"] for row in await db.fetch(_INVALID)]
