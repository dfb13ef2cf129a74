"""Checks permissions, and who can be sanctioned. Called by the moderation services, within `database.guard`."""

from contextlib import suppress
from uuid import UUID

from gateway.errors import Code, Forbidden, NotFound, UnknownStream
from gateway.postgres.database import Database
from gateway.protocol.powers import Power
from gateway.security.powers import powers
from gateway.security.principal import STAFF, Principal, Role
from gateway.security.sessions.guest_ids import is_guest
from gateway.services.chat import standing

HOST = "SELECT host_id::text AS host FROM streams WHERE key = $1"

ROLE = "SELECT role FROM users WHERE id = $1"


class Permissions:
    """Checks permissions by role and host. The host of a stream whose role is now USER has none."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def require(self, principal: Principal, power: Power, live_id: str | None) -> None:
        """Check that a user has a power in a room, or, if `live_id` is None, everywhere.

        Raises Forbidden, NotFound for an unknown room, and BANNED or MUTED: a muted moderator must neither send
        announcements nor unmute themselves.
        """
        found = None if live_id is None else await standing.read(self._database, principal, live_id)
        if power not in powers(principal.role, hosting=found is not None and found.hosting):
            raise Forbidden
        if found is not None:
            found.require(Code.BANNED, Code.MUTED)

    async def require_over(self, user_id: str, live_id: str | None) -> None:
        """Check that a user or guest can be sanctioned: not an administrator, and not the host in their own room.

        Raises Forbidden, and NotFound if there is no such user; any guest id is accepted.
        """
        if is_guest(user_id):
            return
        role = await self._role(user_id)
        if role is Role.ADMIN:
            raise Forbidden("An administrator cannot be sanctioned")
        if live_id is not None and user_id == await self._host(live_id) and role in STAFF:
            raise Forbidden("The host of the room cannot be sanctioned there")

    async def _host(self, live_id: str) -> str:
        for row in await self._database.query(HOST, live_id):
            return str(row["host"])
        raise UnknownStream

    async def _role(self, user_id: str) -> Role:
        with suppress(ValueError):
            key = UUID(user_id)
            if str(key) == user_id:  # sanctions are stored and looked up by the canonical form of the id
                for row in await self._database.query(ROLE, key):
                    return Role(row["role"])
        raise NotFound("There is no such user")
