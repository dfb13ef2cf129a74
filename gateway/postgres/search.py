"""Search in names and titles, in the form that the database keeps of them. Called by the services that list rows."""

from typing import TypeVar

from tortoise.expressions import RawSQL
from tortoise.models import Model
from tortoise.queryset import QuerySet

from gateway.postgres.database import Database

FORM = "SELECT search_form($1) AS form"

M = TypeVar("M", bound=Model)


async def containing(database: Database, rows: QuerySet[M], text: str) -> QuerySet[M]:
    """Return those of `rows` that contain a text, however either was typed: case, width, composition, marks.

    For tables with a generated column `search_form`; within `database.guard`.
    """
    [asked] = await database.query(FORM, text)
    return rows.annotate(searched=RawSQL(f'"{rows.model.describe()["table"]}"."search_form"')).filter(
        searched__contains=asked["form"]
    )
