"""Changes single values for the data browser, each with a line in a file of changes. Called by server.py.

A change bypasses the services: it sends no event and updates no room log and no cache. So columns and tables that
clients rely on cannot be changed, `version` is raised as a service would, and a line in the file precedes each commit.
"""

import getpass
import hashlib
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from gateway.data.studio.tables import MIGRATIONS, Column, Mistake, Question, Table, conditions, quoted

# Tables that clients, other tables and migrations rely on.
KEPT_TABLES = MIGRATIONS | {"rooms", "room_events", "moderation_log", "outbox", "applied_events", "chat_cursors"}
KEPT_COLUMNS = {"version", "seq", "epoch", "created_at", "updated_at"}  # that the gateway counts or dates


class Change(NamedTuple):
    """A new value of one column of one row. `state` is the `state_of` the value that was shown."""

    column: str
    state: str
    value: str | None


def editable(table: Table, column: Column) -> bool:
    """Return whether a value of this column may be changed."""
    return (
        table.kind in ("r", "p")
        and bool(table.key)
        and table.name not in KEPT_TABLES
        and column.name not in KEPT_COLUMNS
        and not (column.key or column.secret or column.generated)
    )


def state_of(value: str | None) -> str:
    """Return a digest that identifies a value."""
    return "NULL" if value is None else hashlib.sha256(value.encode()).hexdigest()


class ChangeLog:
    """A file with one line of JSON for each change: the time, the user of this machine, the row, both values."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def note(self, database: str, table: str, row: Mapping[str, str], change: Change, before: str | None) -> None:
        """Append a change, and return when it is on the disk. Raises OSError."""
        entry = {
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "user": getpass.getuser(),
            "database": database,
            "table": table,
            "row": dict(row),
            "column": change.column,
            "from": before,
            "to": change.value,
        }
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, json.dumps(entry, ensure_ascii=False).encode() + b"\n")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


async def apply(
    connection: Any, database: str, table: Table, question: Question, change: Change, log: ChangeLog
) -> None:
    """Change a value of the row that the filters select by its whole key.

    Raises Mistake for a column that may not be changed, a row that does not exist and a value that has changed since it
    was shown, and asyncpg's errors for a value that the table refuses.
    """
    column = table.column(change.column)
    if not editable(table, column):
        raise Mistake(f"{column.name} cannot be changed here")
    wanted = sorted((part.name, "is") for part in table.key)
    if question.search or sorted((one.column, one.comparison) for one in question.filters) != wanted:
        raise Mistake("a change is of one row, named by its key")
    values: list[str] = []
    where = " AND ".join(conditions(table, question, values))
    source, name = quoted(table.name), quoted(column.name)
    async with connection.transaction():
        await connection.execute("SET TRANSACTION READ WRITE")
        row = await connection.fetchrow(f"SELECT {name}::text FROM {source} WHERE {where} FOR UPDATE", *values)  # noqa: S608
        if row is None or state_of(row[0]) != change.state:
            raise Mistake("the value has changed since it was shown: load the row again")
        names = {one.name for one in table.columns}
        also = ', "version" = "version" + 1' if "version" in names else ""
        also += ', "updated_at" = clock_timestamp()' if "updated_at" in names else ""
        statement = f"UPDATE {source} SET {name} = ${len(values) + 1}::text::{column.type}{also} WHERE {where}"  # noqa: S608
        await connection.execute(statement, *values, change.value)
        log.note(database, table.name, {one.column: one.value for one in question.filters}, change, row[0])
