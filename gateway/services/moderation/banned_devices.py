"""Who was muted or banned does not come back as a new guest of the same device. Called by guests and sanctions."""

from collections.abc import Sequence
from typing import Any, Protocol
from uuid import UUID

import structlog

from gateway.errors import Code, Unavailable
from gateway.postgres.database import Database
from gateway.protocol.moderation import until
from gateway.security.sessions.devices import LIKELY, SURE, Device
from gateway.services.chat.refusals import refusal
from models.moderation import SanctionKind

log = structlog.get_logger()

# What is only likely to be the device is shared by neighbours: it counts for a while, and for bans alone.
BIND = """
    INSERT INTO banned_devices (sanction_id, device, ends_at)
    SELECT $1, name, CASE WHEN starts_with(name, $3) THEN clock_timestamp() + interval '24 hours' END
    FROM unnest($2::text[]) AS name
    ON CONFLICT (sanction_id, device) DO UPDATE SET ends_at = excluded.ends_at
"""

IN_FORCE = """
    SELECT DISTINCT ON (s.kind, s.stream_key) s.id, s.kind, s.stream_key, s.ends_at
    FROM banned_devices d JOIN sanctions s ON s.id = d.sanction_id
    WHERE d.device = ANY($1) AND (d.ends_at IS NULL OR d.ends_at > clock_timestamp())
        AND s.lifted_at IS NULL AND (s.ends_at IS NULL OR s.ends_at > clock_timestamp())
    ORDER BY s.kind, s.stream_key, s.ends_at DESC NULLS FIRST
"""

INHERIT = """
    WITH inherited AS (
        INSERT INTO sanctions (id, kind, stream_key, subject_id, reason, created_by, created_at, ends_at)
        SELECT gen_random_uuid(), s.kind, s.stream_key, $2, s.reason, s.created_by, s.created_at, s.ends_at
        FROM sanctions s WHERE s.id = ANY($1) RETURNING id, kind, stream_key
    )
    INSERT INTO banned_devices (sanction_id, device)
    SELECT i.id, d.device FROM inherited i
    JOIN sanctions s ON s.id = ANY($1) AND s.kind = i.kind AND s.stream_key IS NOT DISTINCT FROM i.stream_key
    JOIN banned_devices d ON d.sanction_id = s.id AND starts_with(d.device, $4)
    UNION SELECT i.id, name FROM inherited i, unnest($3::text[]) AS name WHERE starts_with(name, $4)
"""


class Names(Protocol):
    """What devices are called."""

    def of(self, device: Device) -> list[str]: ...
    def any_of(self, device: Device) -> list[str]: ...


class Book(Protocol):
    """Knows from where people came. Raises Unavailable."""

    async def note(self, user_id: str, device: Device) -> None: ...
    async def of(self, user_id: str) -> Sequence[str]: ...


class BannedDevices:
    """Everybody comes in from a device; what was imposed on somebody is on their devices, too."""

    def __init__(self, database: Database, names: Names, book: Book) -> None:
        self._database = database
        self._names = names
        self._book = book

    async def seen(self, user_id: str, device: Device) -> None:
        """Somebody came in. Never raises: while Redis is away it is not noted."""
        try:
            await self._book.note(user_id, device)
        except Unavailable:
            log.warning("a device was not noted")

    async def of(self, subject_id: str) -> Sequence[str]:
        """The names of somebody's devices; none while Redis is away."""
        try:
            return await self._book.of(subject_id)
        except Unavailable:
            log.warning("somebody is sanctioned without their devices", subject=subject_id)
            return []

    async def bind(self, sanction_id: UUID, kind: SanctionKind, names: Sequence[str]) -> None:
        """Impose on devices what was imposed on somebody; within that transaction."""
        counting = [name for name in names if kind is SanctionKind.BAN or name.startswith(SURE)]
        await self._database.query(BIND, sanction_id, counting, LIKELY)

    async def receive(self, guest_id: str, device: Device) -> None:
        """A new guest inherits what is on their device. Raises BANNED if that is a ban everywhere, and Unavailable."""
        async with self._database.guard("guests.receive"):
            found = await self._database.query(IN_FORCE, self._names.any_of(device))
            for sanction in found:
                if sanction["kind"] == SanctionKind.BAN and sanction["stream_key"] is None:
                    raise refusal(Code.BANNED, until=until(sanction["ends_at"]))
            if found:
                await self._database.query(INHERIT, _ids(found), guest_id, self._names.of(device), SURE)


def _ids(rows: Sequence[dict[str, Any]]) -> list[UUID]:
    return [row["id"] for row in rows]
