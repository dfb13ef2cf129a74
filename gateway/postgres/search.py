"""Searches names and titles by their normalised form in the database. Called by the services that list rows."""

from typing import TypeVar

from pypika_tortoise.terms import Function as Call
from tortoise.expressions import Function, RawSQL, Subquery
from tortoise.models import Model
from tortoise.queryset import QuerySet

from gateway.postgres.client import custom_plans
from gateway.postgres.database import Database

FORM = "SELECT search_form($1) AS form"

NEWEST = 2000  # rows that are read before the index is used: a few ms

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
    whose form is computed for each row (20 µs). Call it within `database.guard`.
    """
    [searched] = await database.query(FORM, text)
    table = rows.model.describe()["table"]
    form = f'"{table}"."search_form"' if column is None else f'search_form("{table}"."{column}")'

    async def page(some: QuerySet[M]) -> list[M]:
        found = some.annotate(searched=RawSQL(form)).filter(searched__contains=searched["form"])
        return await found.order_by(*order).limit(limit)

    with custom_plans():
        newest = Subquery(rows.order_by(*order).limit(NEWEST).values(rows.model._meta.pk_attr))  # noqa: SLF001
        found = await page(rows.model.filter(pk__in=newest))
        if len(found) == limit or not searched["form"]:
            return found
        return await page(rows.annotate(matches=_FormMatches(RawSQL(form), searched["form"])).filter(matches=True))
