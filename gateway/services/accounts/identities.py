"""Who users are, as every connect and request asks. Called by the authenticator, which remembers it for a moment."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from gateway.concurrency.batcher import Batcher
from gateway.errors import Unavailable
from gateway.postgres.database import Database
from gateway.security.principal import Role
from gateway.security.tokens.authenticator import Identity
from models.main.user import UserStatus

WHO = "SELECT id::text, username, role, status, must_change_password FROM users WHERE id = ANY($1::uuid[])"

TOGETHER = 500  # users asked about in one statement
WAITING = 10_000  # that wait for an answer; more would wait for too long


class Identities:
    """Who comes at the same time is asked about together: when a node dies, thousands are back at once."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._asking: Batcher[UUID, Identity | None] = Batcher(
            "identities", self._who, most=TOGETHER, waiting=WAITING, unavailable=Unavailable
        )

    async def identity(self, user_id: str) -> Identity | None:
        """Return the identity of a user for the authenticator; None if there is no such user. Raises Unavailable."""
        try:
            key = UUID(user_id)
        except ValueError:
            return None
        return await self._asking.call(key)

    async def close(self) -> None:
        """Stop."""
        await self._asking.close()

    async def _who(self, user_ids: list[UUID]) -> list[Identity | None]:
        async with self._database.guard("identities"):
            rows = await self._database.query(WHO, user_ids)
        found = {UUID(row["id"]): _identity(row) for row in rows}
        return [found.get(user_id) for user_id in user_ids]


def _identity(row: Mapping[str, Any]) -> Identity:
    must_change = bool(row["must_change_password"])
    # Somebody else knows the password: it opens nothing that a member of staff may do.
    role = Role.USER if must_change else Role(row["role"])
    return Identity(row["username"], role, row["status"] == UserStatus.SUSPENDED, must_change)
