"""Reads tables and rows for the data browser: search, filters, order, references.

Names in SQL come from PostgreSQL's catalog, values are parameters. Columns with secrets are neither read nor compared:
a filter on one would reveal it letter by letter.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

MIGRATIONS = frozenset(("aerich", "dorami_migrations", "dorami_pushed"))  # tables that record migrations
PAGE = 50  # rows
COUNTED = 10_000  # rows; more are not counted
FIRST = 200  # characters of a value in a list

SECRET = re.compile(
    r"passw|secret|token|_hash$|^hash$|salt|device|credential|private|api_?key|^(current|spent)$", re.IGNORECASE
)

TABLES = """
    SELECT c.oid, c.relname::text AS name, c.relkind::text AS kind, obj_description(c.oid, 'pg_class') AS comment,
        CASE WHEN c.reltuples < 0 THEN pg_stat_get_live_tuples(c.oid) ELSE c.reltuples::bigint END AS rows,
        c.relpages * current_setting('block_size')::bigint AS bytes
    FROM pg_class c
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v', 'm', 'f') ORDER BY c.relname
"""
COLUMNS = """
    SELECT a.attrelid AS oid, a.attname::text AS name, format_type(a.atttypid, a.atttypmod) AS type,
        col_description(a.attrelid, a.attnum) AS comment,
        a.attnum = ANY (SELECT unnest(conkey) FROM pg_constraint WHERE conrelid = a.attrelid AND contype = 'p') AS key,
        a.attgenerated <> '' OR a.attidentity <> '' AS generated
    FROM pg_attribute a WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
    ORDER BY a.attrelid, a.attnum
"""
REFERENCES = """
    SELECT k.conrelid AS source, k.confrelid AS target,
        s.attname::text AS source_column, t.attname::text AS target_column
    FROM pg_constraint k
    JOIN pg_attribute s ON s.attrelid = k.conrelid AND s.attnum = k.conkey[1]
    JOIN pg_attribute t ON t.attrelid = k.confrelid AND t.attnum = k.confkey[1]
    WHERE k.contype = 'f' AND cardinality(k.conkey) = 1 AND k.conrelid = ANY ($1::oid[]) ORDER BY k.conname
"""
# How a column is compared with a text; both sides are normalised, since systems compose Korean letters differently.
COMPARISONS = {
    "is": "{column} = {value}::text::{type}",
    "is not": "{column} IS DISTINCT FROM {value}::text::{type}",
    "contains": "normalize({column}::text) ILIKE '%' || normalize({value}::text) || '%'",
    "at least": "{column} >= {value}::text::{type}",
    "at most": "{column} <= {value}::text::{type}",
    "is empty": "{column} IS NULL",
    "is not empty": "{column} IS NOT NULL",
}
WITHOUT_VALUE = ("is empty", "is not empty")


class Mistake(Exception):
    """The request cannot be answered; the text says why."""


class Column(NamedTuple):
    """One column, and the column that its values refer to."""

    name: str
    type: str
    comment: str | None
    key: bool  # a part of the primary key
    generated: bool = False  # by the database
    target: tuple[str, str] | None = None  # a table and its column

    @property
    def secret(self) -> bool:
        """Whether its values are not shown."""
        return SECRET.search(self.name) is not None

    @property
    def searched(self) -> bool:
        """Whether a search looks into it."""
        return not self.secret and (self.type.startswith(("text", "character", "uuid", "json")))


@dataclass(frozen=True)
class Table:
    """One table or view."""

    name: str
    kind: str
    comment: str | None
    rows: int
    bytes: int
    columns: list[Column] = field(default_factory=list)
    referrers: list[tuple[str, str, str]] = field(default_factory=list)  # a table, its column, and ours

    def column(self, name: str) -> Column:
        """Return the column of this name. Raises Mistake if there is none, or its values are secret."""
        for column in self.columns:
            if column.name == name and not column.secret:
                return column
        raise Mistake(f"there is no column {name} that can be compared")

    @property
    def key(self) -> list[Column]:
        """The columns of its primary key, if all may be shown."""
        columns = [column for column in self.columns if column.key]
        return [] if any(column.secret for column in columns) else columns


class Filter(NamedTuple):
    """One comparison."""

    column: str
    comparison: str
    value: str


@dataclass(frozen=True)
class Question:
    """The selection of rows of a table."""

    filters: Sequence[Filter] = ()
    search: str = ""
    order: str = ""  # a column
    descending: bool = False
    page: int = 1


@dataclass(frozen=True)
class Answer:
    """A page of rows: the values by column, as texts; None is NULL."""

    rows: Sequence[Mapping[str, str | None]]
    count: int  # of all matching rows, at most COUNTED + 1
    statement: str  # without its list of columns


async def tables(connection: Any) -> dict[str, Table]:
    """Return all tables and views of a database by name."""
    rows = await connection.fetch(TABLES)
    found = {row["oid"]: Table(*tuple(row)[1:]) for row in rows}
    references = await connection.fetch(REFERENCES, list(found))
    targets = {(row["source"], row["source_column"]): row for row in references if row["target"] in found}
    for oid, name, kind, comment, key, generated in map(tuple, await connection.fetch(COLUMNS, list(found))):
        reference = targets.get((oid, name))
        target = (found[reference["target"]].name, reference["target_column"]) if reference else None
        found[oid].columns.append(Column(name, kind, comment, bool(key), bool(generated), target))
    for row in targets.values():
        found[row["target"]].referrers.append((found[row["source"]].name, row["source_column"], row["target_column"]))
    return {table.name: table for table in found.values()}


async def rows(connection: Any, table: Table, question: Question, *, whole: bool = False) -> Answer:
    """Return a page of the selected rows; with `whole` their values at full length. Raises Mistake."""
    values: list[str] = []
    parts = list(conditions(table, question, values))
    where = f" WHERE {' AND '.join(parts)}" if parts else ""
    order = _order(table, question)
    shown = ", ".join(_shown(column, whole=whole) for column in table.columns) or "1"
    source = quoted(table.name)
    selection = f"FROM {source}{where}{order} LIMIT {PAGE} OFFSET {PAGE * (question.page - 1)}"
    counting = f"SELECT count(*) FROM (SELECT FROM {source}{where} LIMIT {COUNTED + 1}) AS counted"  # noqa: S608
    found = await connection.fetch(f"SELECT {shown} {selection}", *values)
    count = await connection.fetchval(counting, *values)
    names = [column.name for column in table.columns]
    return Answer([dict(zip(names, row, strict=False)) for row in map(tuple, found)], count, f"SELECT … {selection}")


def conditions(table: Table, question: Question, values: list[str]) -> Iterator[str]:
    """Yield the conditions of a selection, and append their parameters to `values`. Raises Mistake."""
    for one in question.filters:
        column = table.column(one.column)
        if one.comparison not in COMPARISONS:
            raise Mistake(f"there is no comparison {one.comparison}")
        value = one.value
        if one.comparison not in WITHOUT_VALUE:
            values.append(_pattern(value) if one.comparison == "contains" else value)
        yield COMPARISONS[one.comparison].format(column=quoted(column.name), type=column.type, value=f"${len(values)}")
    if question.search:
        searched = [column for column in table.columns if column.searched]
        values.append(_pattern(question.search))
        parts = [
            COMPARISONS["contains"].format(column=quoted(column.name), type=column.type, value=f"${len(values)}")
            for column in searched
        ]
        yield f"({' OR '.join(parts) or 'false'})"


def _order(table: Table, question: Question) -> str:
    names = [question.order] if question.order else []
    parts = [f"{quoted(table.column(name).name)}{' DESC' if question.descending else ''} NULLS LAST" for name in names]
    parts += [quoted(column.name) for column in table.key if column.name not in names]
    return f" ORDER BY {', '.join(parts)}" if parts else ""


def _shown(column: Column, *, whole: bool) -> str:
    name = quoted(column.name)
    if column.secret:
        return f"CASE WHEN {name} IS NULL THEN NULL ELSE '••••' END"
    return f"{name}::text" if whole else f"left({name}::text, {FIRST})"


def _pattern(text: str) -> str:
    """Return a text as a part of a LIKE pattern."""
    return re.sub(r"([\\%_])", r"\\\1", text)


def quoted(name: str) -> str:
    """Return a name for SQL."""
    return '"' + name.replace('"', '""') + '"'
