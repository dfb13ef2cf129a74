"""Lists the members of a chat room for its staff. Called by the HTTP edge."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from gateway.keys import chat_room
from gateway.postgres.database import Database
from gateway.protocol import cursors
from gateway.protocol.payloads.people import MemberPage, MemberView
from gateway.protocol.queries import MemberQuery
from gateway.realtime.presence.presence import Presence
from gateway.security.principal import Principal, Role
from gateway.security.sessions.guest_ids import name_of
from gateway.services.rooms.hosting import require_staff

MOST = 20_000  # people of a room that are read, sorted and filtered for a page

NAMES = "SELECT id::text, username, role FROM users WHERE id = ANY ($1)"


class _Member(NamedTuple):
    """A member. Only the members of a page become payloads, because there are up to MOST."""

    name: str
    id: str
    role: str


class Members:
    """Lists members. Raises Forbidden unless the caller is staff, NotFound for an unknown stream, and Unavailable."""

    def __init__(self, database: Database, presence: Presence) -> None:
        self._database = database
        self._presence = presence

    async def page(self, principal: Principal, key: str, request: MemberQuery) -> MemberPage:
        """Return a page of the members, sorted by name. If there are more than MOST, the list is incomplete.

        Raises InvalidPayload for an invalid cursor.
        """
        after = None if request.cursor is None else cursors.decode(request.cursor, tuple[str, str])
        async with self._database.guard("members.page"):
            await require_staff(self._database, principal, key)
        room = chat_room(key)
        ids, census = await self._presence.people_of(room, MOST), await self._presence.census(room)
        members = sorted(await self._named(ids), key=_place)
        if request.search is not None:
            text = request.search.casefold()
            members = [member for member in members if text in member.name.casefold()]
        if after is not None:
            members = [member for member in members if _place(member) > after]
        page, cursor = cursors.page(members, request.limit, _place)
        items = [
            MemberView(user_id=member.id, username=member.name, role=member.role, guest=member.role == Role.GUEST)
            for member in page
        ]
        return MemberPage(items=items, total=census.count, next_cursor=cursor)

    async def _named(self, ids: Sequence[str]) -> list[_Member]:
        users, guests = [], []
        for person in ids:
            try:
                users.append(UUID(person))
            except ValueError:
                guests.append(_Member(name_of(person), person, Role.GUEST))
        async with self._database.guard("members.names"):
            rows: list[dict[str, Any]] = await self._database.query(NAMES, users) if users else []
        return guests + [_Member(row["username"], row["id"], row["role"]) for row in rows]


def _place(member: _Member) -> tuple[str, str]:
    return member.name.casefold(), member.id
