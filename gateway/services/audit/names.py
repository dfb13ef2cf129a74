"""Reads the names of users and guests. Used by the services whose lists have names."""

from collections.abc import Iterable
from contextlib import suppress
from uuid import UUID

from gateway.postgres.database import Database
from gateway.security.sessions.guest_ids import is_guest, name_of

NAMES = "SELECT id::text, username FROM users WHERE id = ANY ($1)"


async def names_of(database: Database, ids: Iterable[str | None]) -> dict[str, str]:
    """Return the names of people by id; unknown ids are left out. Call it within `database.guard`."""
    names: dict[str, str] = {}
    users = set()
    for person in filter(None, ids):
        if is_guest(person):
            names[person] = name_of(person)
        else:
            with suppress(ValueError):
                users.add(UUID(person))
    if users:
        names |= {row["id"]: row["username"] for row in await database.query(NAMES, list(users))}
    return names
