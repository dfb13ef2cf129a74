"""Who may moderate what, and whom: the matrix of permissions. Asked by the moderation services, within `database.guard`."""

from collections.abc import Mapping
from enum import StrEnum
from uuid import UUID

from gateway.connections.database import Database
from gateway.errors import Forbidden, NotFound
from gateway.security.guests import is_guest
from gateway.security.principal import Principal, Role

HOST = "SELECT host_id::text AS host FROM streams WHERE key = $1"

USER = "SELECT id, role FROM users WHERE id = $1"


class Power(StrEnum):
    """One thing that moderators do."""

    MUTE = "MUTE"
    BAN = "BAN"
    SETTINGS = "SETTINGS"  # slow mode, freezing, guests
    ANNOUNCE = "ANNOUNCE"
    PIN = "PIN"
    DELETE = "DELETE"
    CLEAR = "CLEAR"


HOSTING = frozenset({Power.MUTE, Power.SETTINGS, Power.ANNOUNCE, Power.PIN})  # of a host in a room of their own

POWERS: Mapping[Role, frozenset[Power]] = {  # in every room
    Role.ADMIN: frozenset(Power),
    Role.MODERATOR: HOSTING,
}


class Authority:
    """Hosts are those whom the stream names, whatever their role."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def require(self, principal: Principal, power: Power, live_id: str | None) -> None:
        """Whether somebody may do this in a room, or for None everywhere. Raises Forbidden, NotFound for no room."""
        host = None if live_id is None else await self._host(live_id)
        hosting = HOSTING if principal.user_id == host else frozenset()
        if power not in POWERS.get(principal.role, hosting):
            raise Forbidden

    async def subject(self, user_id: str, live_id: str | None) -> str:
        """The id of a user or a guest on whom somebody may act: on no administrator, nor in a room on its host.

        Raises Forbidden, and NotFound if there is no such user. Of guests it is not known who there was.
        """
        if is_guest(user_id):
            return user_id
        user_id, role = await self._user(user_id)
        if role == Role.ADMIN:
            raise Forbidden("Nobody can act on an administrator")
        if live_id is not None and user_id == await self._host(live_id):
            raise Forbidden("Nobody can act on the host of the room")
        return user_id

    async def _host(self, live_id: str) -> str:
        for row in await self._database.query(HOST, live_id):
            return str(row["host"])
        raise NotFound("There is no such stream")

    async def _user(self, user_id: str) -> tuple[str, str]:
        try:
            rows = await self._database.query(USER, UUID(user_id))
        except ValueError:
            rows = []
        for row in rows:
            return str(row["id"]), row["role"]
        raise NotFound("There is no such user")
