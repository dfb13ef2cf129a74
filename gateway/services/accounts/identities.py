"""Reads the identities of users, for each connect and request. Called by the authenticator, which caches them."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.concurrency.batcher import Batcher
from gateway.errors import Unavailable
from gateway.postgres.database import Database
from gateway.security.principal import Role
from gateway.security.tokens.authenticator import Identity
from models.main.user import UserStatus

# The array is behind a SELECT, so that PostgreSQL does not see how long it is: it would make a plan for each short one,
# which takes longer than the look-up.
IDENTITIES = """
    SELECT id::text, username, role, status, must_change_password FROM users
    WHERE id = ANY ((SELECT $1::uuid[])::uuid[])
"""

BATCH = 500  # users in one statement
WAITING = 10_000  # requests without an answer; further ones are refused with Unavailable


class Identities:
    """Reads concurrent requests in batches: when a node dies, thousands of clients reconnect at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._reads: Batcher[UUID, Identity | None] = Batcher(
            "identities", self._read, most=BATCH, waiting=WAITING, unavailable=Unavailable
        )

    async def identity(self, user_id: str) -> Identity | None:
        """Return the identity of a user for the authenticator; None if there is no such user. Raises Unavailable."""
        try:
            key = UUID(user_id)
        except ValueError:
            return None
        return await self._reads.call(key)

    async def close(self) -> None:
        """Refuse further requests."""
        await self._reads.close()

    async def _read(self, user_ids: list[UUID]) -> list[Identity | None]:
        async with self._database.guard("identities"):
            rows = await self._database.query(IDENTITIES, user_ids)
        found = {UUID(row["id"]): _identity(row) for row in rows}
        return [found.get(user_id) for user_id in user_ids]


def _identity(row: Mapping[str, Any]) -> Identity:
    must_change = bool(row["must_change_password"])
    # Somebody else knows the password, so it must not give the rights of staff.
    role = Role.USER if must_change else Role(row["role"])
    return Identity(row["username"], role, row["status"] == UserStatus.SUSPENDED, must_change)
