"""Searches names and titles by their normalised form in the database. Called by the services that list rows."""

from typing import TypeVar

from pypika_tortoise.terms import Function as Call
from tortoise.expressions import Function, RawSQL
from tortoise.models import Model
from tortoise.queryset import QuerySet

from gateway.postgres.client import custom_plans
from gateway.postgres.database import Database

FORM = "SELECT search_form($1) AS form"

NEWEST = 2000  # rows that are read before the index is used: 0.3 ms
NEWEST_COMPUTED = 500  # the same where the form of each row is computed: 1.5 ms

M = TypeVar("M", bound=Model)


class _Matches(Call):
    def __init__(self, form: object, searched: str) -> None:
        super().__init__("form_matches", form, searched)


class _FormMatches(Function):
    database_func = _Matches


async def containing(
    database: Database, rows: QuerySet[M], text: str, order: tuple[str, ...], limit: int, column: str | None = None
) -> list[M]:
    """Return the first `limit` of `rows` that contain a text, ignoring case, width and marks.

    `order` is the order of an index, newest first. The newest rows are read first, since a common text fills the page
    from them. A rare text is found by an index. Tables need a generated column `search_form`; for others pass `column`,
    whose form is computed for each row (3 µs). Call it within `database.guard`.
    """
    [searched] = await database.query(FORM, text)
    key, table = rows.model._meta.pk_attr, rows.model._meta.db_table  # noqa: SLF001
    form = f'"{table}"."search_form"' if column is None else f'search_form("{table}"."{column}")'
    formed = rows.annotate(searched=RawSQL(form))

    with custom_plans():
        newest = formed.order_by(*order).limit(NEWEST if column is None else NEWEST_COMPUTED)
        keys = await _among(database, newest, searched["form"], key, order, limit)
        if len(keys) == limit or not searched["form"]:
            found = await rows.model.filter(pk__in=keys).order_by(*order)
            if len(found) == len(keys):
                return found
            # One was deleted since. A page that is short for that would seem to be the last.
            return await containing(database, rows, text, order, limit, column)
        matching = formed.annotate(matches=_FormMatches(RawSQL(form), searched["form"])).filter(matches=True)
        return await matching.filter(searched__contains=searched["form"]).order_by(*order).limit(limit)


async def _among(
    database: Database, newest: QuerySet[M], form: str, key: str, order: tuple[str, ...], limit: int
) -> list[object]:
    """Return the keys of the first `limit` of `newest` whose form `searched` contains `form`.

    `newest` is a table of the statement: a condition on its keys would look up each of its rows once more.
    """
    values = newest.values(*dict.fromkeys((key, "searched", *(field.removeprefix("-") for field in order))))
    values.sql()  # makes its query
    statement, parameters = values.query.get_parameterized_sql()
    sorting = ", ".join(f"{field[1:]} DESC" if field.startswith("-") else field for field in order)
    text, most = len(parameters) + 1, len(parameters) + 2
    rows = await database.query(
        f"SELECT {key} FROM ({statement}) newest WHERE strpos(searched, ${text}) > 0 ORDER BY {sorting} LIMIT ${most}",  # noqa: S608  names of columns
        *parameters,
        form,
        limit,
    )
    return [row[key] for row in rows]
