"""Runs one SQL statement, read-only unless writing is allowed. Used by `execute`, `validate` and plans."""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from gateway.data.report import plain
from gateway.data.stops import Code, Stop

# A read-only transaction allows statements that act outside of it: COPY … TO PROGRAM runs a program. So this lists the
# words with which a statement may begin, not those that are refused.
READING = ("SELECT", "WITH", "VALUES", "TABLE", "EXPLAIN", "SHOW")
CONTROL = {"ABORT", "BEGIN", "COMMIT", "END", "PREPARE", "RELEASE", "ROLLBACK", "SAVEPOINT", "START"}  # transactions
CONTROL |= {"DEALLOCATE", "DISCARD", "LISTEN", "LOAD", "RESET", "SET", "UNLISTEN"}  # sessions
# Strings and comments. A nested comment ends at its inner end, so that too much text is checked and never too little.
UNREAD = re.compile(
    r"(?P<string>\b[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)|--[^\n]*|/\*.*?\*/",
    re.DOTALL,
)
# Functions that act on the server or the session although the transaction is read-only.
ACTING = re.compile(
    r"\b(pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|pg_promote|pg_switch_wal|pg_file_\w+"
    r"|pg_read_(?:binary_)?file|pg_ls_\w+|pg_stat_file|pg_stat_reset\w*|pg_logical_\w+|pg_(?:create|drop|copy)_\w*slot\w*"
    r"|pg_(?:try_)?advisory\w*|lo_\w+|dblink\w*|set_config|pg_notify|pg_log_backend_memory_contexts"
    r"|pg_backup_st\w+|pg_create_restore_point|pg_wal_replay_\w+|query_to_xml\w*|cursor_to_xml\w*)\"?\s*\(",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Answer:
    """The result of a statement: rows, or the number of changed rows."""

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    status: str
    more: bool  # than `rows`


async def execute(connection: Any, statement: str, *, write: bool, limit: int, seconds: float) -> Answer:
    """Run a statement in a transaction of its own, at most `seconds` long, and return at most `limit` rows.

    Raises Stop for a statement that is refused here, asyncpg's errors for one that PostgreSQL refuses.
    """
    words = bare(statement)
    if not words:
        raise Stop("there is no statement", code=Code.USAGE)
    first = words.lstrip("( ").partition(" ")[0].upper()
    if first in CONTROL:
        raise Stop(f"{first} is refused: each statement is a transaction of its own", code=Code.REFUSED)
    if not write and first not in READING:
        raise Stop(f"{first} is refused: this only reads. Say --write to write", code=Code.REFUSED)
    if not write and (acting := ACTING.search(words)):
        raise Stop(f"{acting[1]} is refused: it acts outside of the transaction", code=Code.REFUSED)
    async with connection.transaction(readonly=not write):
        await connection.execute(f"SET LOCAL statement_timeout = {round(seconds * 1000)}")
        await connection.execute("SET LOCAL lock_timeout = '2s'")
        try:
            prepared = await connection.prepare(statement)
        except asyncpg.PostgresSyntaxError as error:
            if "multiple commands" in str(error):
                raise Stop("one statement at a time", code=Code.USAGE) from None
            raise
        columns = tuple(column.name for column in prepared.get_attributes())
        if not columns:
            await prepared.fetch()
            return Answer((), [], prepared.get_statusmsg(), more=False)
        cursor = await prepared.cursor() if first in READING else None
        rows = await (cursor.fetch(limit + 1) if cursor else prepared.fetch())
    found = [tuple(row.values()) for row in rows]
    return Answer(columns, found[:limit], prepared.get_statusmsg() or "", more=len(found) > limit)


def bare(statement: str) -> str:
    """Return the words of a statement: no comments, empty strings, single spaces, no semicolon at the end."""
    return " ".join(without_texts(statement).split()).rstrip("; ")


def without_texts(sql: str) -> str:
    """Return SQL without comments and with empty strings."""
    return UNREAD.sub(lambda found: "''" if found["string"] else " ", sql)


def as_csv(answer: Answer) -> str:
    """Return the rows with a header in the format of RFC 4180; NULL is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.columns)
    writer.writerows(["" if value is None else shown(value) for value in row] for row in answer.rows)
    return text.getvalue().rstrip("\n")


def as_json(answer: Answer) -> list[dict[str, Any]]:
    """Return the rows as objects."""
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def as_table(answer: Answer) -> list[str]:
    """Return the rows with a header, in columns."""
    texts = [["NULL" if value is None else shown(value) for value in row] for row in answer.rows]
    widths = [max(map(width, column)) for column in zip(answer.columns, *texts, strict=True)]
    lines = [_row(answer.columns, widths), "  ".join("-" * size for size in widths)]
    return lines + [_row(row, widths) for row in texts]


def _row(texts: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(text + " " * (size - width(text)) for text, size in zip(texts, widths, strict=True)).rstrip()


def width(text: str) -> int:
    """Return the width of a text in cells of a terminal: Korean letters take two."""
    from rich.cells import cell_len

    return cell_len(text)


def shown(value: Any) -> str:
    """Return a value as text in one line, without control characters."""
    if isinstance(value, dict | list):
        value = json.dumps(value, ensure_ascii=False, default=plain)
    text = value if isinstance(value, str) else plain(value)
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def json_text(answer: Answer) -> str:
    """Return the rows as a JSON array."""
    return json.dumps(as_json(answer), ensure_ascii=False, indent=2, default=plain)
