"""Shows a person to staff: account, rooms, numbers, sanctions. Called by the HTTP edge."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any
from uuid import UUID

from gateway.errors import NotFound
from gateway.keys import chat_room, products_room, viewers_room
from gateway.postgres.database import Database
from gateway.protocol.payloads.cluster import ConnectionView
from gateway.protocol.payloads.people import PersonCounts, PersonView, Whereabouts
from gateway.protocol.queries import SanctionQuery
from gateway.security.principal import Principal, Role
from gateway.security.sessions import guest_ids
from gateway.services.moderation.sanction_list import SanctionList
from gateway.services.nodes.person_connections import PersonConnections
from gateway.services.rooms.hosting import own_among, scope_of

SHOWN = 20  # sanctions
UNKNOWN = "There is no such person"

ACCOUNT = "SELECT username, email, role, status, suspended_reason, created_at FROM users WHERE id = $1"

# One index look-up for each stream. $3: the host to whose streams the numbers are limited, or NULL.
COUNTS = """
    SELECT coalesce(sum(w.messages), 0)::int AS messages, coalesce(sum(w.deleted), 0)::int AS deleted_messages, (
        SELECT count(*)::int FROM orders o WHERE o.user_id = $2 AND ($3::uuid IS NULL OR EXISTS (
            SELECT FROM order_items i JOIN streams s ON s.key = i.stream_key WHERE i.order_id = o.id AND s.host_id = $3
        ))
    ) AS orders
    FROM streams s CROSS JOIN LATERAL (
        SELECT count(*) AS messages, count(m.deleted_at) AS deleted
        FROM messages m WHERE m.stream_key = s.key AND m.sender_id = $1
    ) w
    WHERE $3::uuid IS NULL OR s.host_id = $3
"""

SANCTIONED = """
    SELECT count(*) FILTER (WHERE kind = 'MUTE')::int AS mutes, count(*) FILTER (WHERE kind = 'BAN')::int AS bans
    FROM sanctions
    WHERE subject_id = $1
        AND ($2::uuid IS NULL OR stream_key IN (SELECT key FROM streams WHERE host_id = $2))
"""


class People:
    """Shows people to administrators and moderators, and to hosts what concerns their own streams.

    Raises Forbidden for everybody else, Unavailable, and NotFound for an unknown user. A host also gets NotFound for
    somebody who is in none of their rooms and has never written, ordered or been sanctioned there.
    """

    def __init__(self, database: Database, connections: PersonConnections, sanctions: SanctionList) -> None:
        self._database = database
        self._connections = connections
        self._sanctions = sanctions

    async def get(self, principal: Principal, person_id: str) -> PersonView:
        """Return a user or a guest; any guest id is accepted."""
        async with self._database.guard("people.get"):
            host = await scope_of(self._database, principal)
            account, number = await self._account(person_id)
            [counts] = await self._database.query(COUNTS, person_id, number, host)
            [sanctioned] = await self._database.query(SANCTIONED, person_id, host)
        found = await self._connections.of(person_id)
        online = _whereabouts(found.items)
        if host is not None:
            async with self._database.guard("people.own"):
                own = await own_among(self._database, host, [stream.stream_key for stream in online])
            online = [stream for stream in online if stream.stream_key in own]
            if not online and not any(counts.values()) and not any(sanctioned.values()):
                raise NotFound(UNKNOWN)
        page = await self._sanctions.page(
            principal, SanctionQuery.model_validate({"userId": person_id, "limit": SHOWN})
        )
        if principal.role is not Role.ADMIN:
            account |= {"email": None, "suspended_reason": None}
        return PersonView(
            id=person_id,
            guest=number is None,
            connections=len(found.items),
            online=online,
            counts=PersonCounts(**counts, **sanctioned),
            sanctions=page.items,
            **account,
        )

    async def _account(self, person_id: str) -> tuple[dict[str, Any], UUID | None]:
        """Return the fields of the account, and its id; None for a guest. Raises NotFound."""
        if guest_ids.is_guest(person_id):
            made = {"username": guest_ids.name_of(person_id), "created_at": guest_ids.made_at(person_id)}
            return made | {"role": "GUEST", "status": "ACTIVE", "email": None, "suspended_reason": None}, None
        with suppress(ValueError):
            number = UUID(person_id)
            if str(number) == person_id:
                for row in await self._database.query(ACCOUNT, number):
                    return dict(row), number
        raise NotFound(UNKNOWN)


def _whereabouts(connections: Iterable[ConnectionView]) -> list[Whereabouts]:
    rooms = {room for connection in connections for room in connection.rooms}
    keys = sorted({room.rpartition(":")[2] for room in rooms if ":" in room})

    def there(namespace: str, name: str) -> bool:
        return f"{namespace} {name}" in rooms

    return [
        Whereabouts(
            stream_key=key,
            chat=there(*chat_room(key)),
            watching=there(*viewers_room(key)),
            products=there(*products_room(key)),
        )
        for key in keys
    ]
