"""Search in names and titles, in the form that the database keeps of them. Called by the services that list rows."""

from typing import TypeVar

from pypika_tortoise.terms import Function as Call
from tortoise.expressions import Function, RawSQL, Subquery
from tortoise.models import Model
from tortoise.queryset import QuerySet

from gateway.postgres.client import custom_plans
from gateway.postgres.database import Database

FORM = "SELECT search_form($1) AS form"

NEWEST = 2000  # rows that are looked through before the index is asked: a few ms

M = TypeVar("M", bound=Model)


class _Matches(Call):
    def __init__(self, form: object, asked: str) -> None:
        super().__init__("form_matches", form, asked)


class _FormMatches(Function):
    database_func = _Matches


async def containing(
    database: Database, rows: QuerySet[M], text: str, order: tuple[str, ...], limit: int, column: str | None = None
) -> list[M]:
    """Return the first `limit` of `rows` that contain a text, however either was typed: case, width, marks.

    `order` is that of an index, from the newest on. The newest rows are looked through first: a common text fills the
    page from them. A rare one is found by an index. For tables with a generated column `search_form`; with `column`
    for others, whose form is computed for each row that is looked at (20 µs). Within `database.guard`.
    """
    [asked] = await database.query(FORM, text)
    table = rows.model.describe()["table"]
    form = f'"{table}"."search_form"' if column is None else f'search_form("{table}"."{column}")'

    async def page(some: QuerySet[M]) -> list[M]:
        found = some.annotate(searched=RawSQL(form)).filter(searched__contains=asked["form"])
        return await found.order_by(*order).limit(limit)

    with custom_plans():
        newest = Subquery(rows.order_by(*order).limit(NEWEST).values(rows.model._meta.pk_attr))  # noqa: SLF001
        found = await page(rows.model.filter(pk__in=newest))
        if len(found) == limit or not asked["form"]:
            return found
        return await page(rows.annotate(matches=_FormMatches(RawSQL(form), asked["form"])).filter(matches=True))
