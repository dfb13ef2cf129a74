"""Search in names and titles, in the form that the database keeps of them. Called by the services that list rows."""

from typing import TypeVar

from tortoise.expressions import RawSQL
from tortoise.models import Model
from tortoise.queryset import QuerySet

from gateway.postgres.database import Database

FORM = "SELECT search_form($1) AS form"

M = TypeVar("M", bound=Model)


async def containing(database: Database, rows: QuerySet[M], text: str, column: str | None = None) -> QuerySet[M]:
    """Return those of `rows` that contain a text, however either was typed: case, width, composition, marks.

    For tables with a generated column `search_form`; with `column` for others, whose form is computed for each row
    (20 µs). Within `database.guard`.
    """
    [asked] = await database.query(FORM, text)
    table = rows.model.describe()["table"]
    form = f'"{table}"."search_form"' if column is None else f'search_form("{table}"."{column}")'
    return rows.annotate(searched=RawSQL(form)).filter(searched__contains=asked["form"])
