"""Reads and compares the objects of databases, from PostgreSQL's catalog. Called by commands, plans and drift."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import asyncpg

STATEMENT = (Path(__file__).parent / "catalog.sql").read_text()


class Key(NamedTuple):
    """An object: `kind` as in catalog.sql, and its name, qualified by the table that it belongs to."""

    kind: str
    name: str


class Part(NamedTuple):
    """The definition of an object, and the table that it belongs to."""

    text: str
    owner: str | None


Catalog = Mapping[Key, Part]


@dataclass(frozen=True)
class Difference:
    """An object that is missing, unknown or defined in another way."""

    verdict: Literal["missing", "unknown", "differs"]
    key: Key
    want: Part | None
    have: Part | None

    def __str__(self) -> str:
        return f"{self.verdict:<8} {self.key.kind} {self.key.name}"

    def describe(self) -> dict[str, Any]:
        """Return the difference for JSON."""
        want, have = (part and part.text for part in (self.want, self.have))
        return {"verdict": self.verdict, "kind": self.key.kind, "name": self.key.name, "want": want, "have": have}


async def read(connection: Any) -> dict[Key, Part]:
    """Return the catalog of a database in one snapshot."""
    within = connection.is_in_transaction()
    async with connection.transaction(**{} if within else {"isolation": "repeatable_read", "readonly": True}):
        await connection.execute("SET LOCAL search_path = public")  # so that names are printed without a schema
        rows = await connection.fetch(STATEMENT)
    return {Key(row["kind"], row["name"]): Part(row["text"], row["owner"]) for row in rows}


def compare(want: Catalog, have: Catalog) -> Iterator[Difference]:
    """Yield each object that differs, without the parts of a missing or unknown table."""
    for key in sorted(want.keys() | have.keys()):
        wanted, found = want.get(key), have.get(key)
        if wanted is None or found is None:
            part = wanted or found
            whole = Key("table", part.owner) if part is not None and part.owner else None
            if whole is None or (whole in want) == (whole in have):
                yield Difference("missing" if found is None else "unknown", key, wanted, found)
        elif wanted.text != found.text:
            yield Difference("differs", key, wanted, found)


async def differences(want: Catalog, have: Catalog, scratch: Any) -> list[Difference]:
    """Return the differences of `compare`, without equivalent texts; `scratch` is connected to a database like `want`.

    PostgreSQL prints some expressions in another way after each dump and restore: `IN` becomes `= ANY` with casts. So
    the wanted objects are created again from their texts, and their new texts are equivalent.
    """
    found = list(compare(want, have))
    parts = {item.key: item.want for item in found if item.verdict == "differs" and item.want is not None}
    for _ in range(2):  # restored once, or twice
        parts = await _reprinted(scratch, parts) if parts else {}
        same = {key for key, part in parts.items() if part.text == have[key].text}
        found = [item for item in found if item.key not in same]
        parts = {key: part for key, part in parts.items() if key not in same}
    return found


async def _reprinted(scratch: Any, parts: Mapping[Key, Part]) -> dict[Key, Part]:
    """Return how PostgreSQL prints objects that are created again from their own texts."""
    transaction = scratch.transaction()
    await transaction.start()
    try:
        made = []
        for key, part in parts.items():
            try:
                async with scratch.transaction():
                    for statement in _remake(key, part):
                        await scratch.execute(statement)
                        made.append(key)
            except asyncpg.PostgresError:
                continue
        printed = await read(scratch)
    finally:
        await transaction.rollback()
    return {key: printed[key] for key in made if key in printed}


def _remake(key: Key, part: Part) -> tuple[str, ...]:
    """Return statements that create an object again; none for kinds whose texts do not change."""
    name, table = _last(key.name), part.owner
    match key.kind:
        case "constraint":
            return (
                f"ALTER TABLE {table} DROP CONSTRAINT {name}",
                f"ALTER TABLE {table} ADD CONSTRAINT {name} {part.text}",
            )
        case "index":
            return f"DROP INDEX {key.name}", part.text.removesuffix(" INVALID")
        case "trigger":
            return f"DROP TRIGGER {name} ON {table}", part.text.removesuffix(" DISABLED")
        case "view":
            return f"DROP VIEW {key.name}", f"CREATE {part.text.replace('VIEW AS', f'VIEW {key.name} AS', 1)}"
        case "column":
            column = part.text.partition(" COMMENT ")[0]
            return f"ALTER TABLE {table} DROP COLUMN {name} CASCADE", f"ALTER TABLE {table} ADD COLUMN {name} {column}"
    return ()


def _last(name: str) -> str:
    """Return the last part of a qualified name, including quotes."""
    if not name.endswith('"'):
        return name.rpartition(".")[2]
    return name[name.rindex('."') + 1 :] if '."' in name else name
