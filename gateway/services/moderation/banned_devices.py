"""Applies sanctions to devices, so that a new guest cannot evade them. Called by guests and sanctions."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import structlog

from gateway.errors import Code, Unavailable
from gateway.postgres.database import Database
from gateway.protocol.payloads.moderation import until
from gateway.security.sessions.devices import LIKELY, SURE, Device, DeviceBook, DeviceNames
from gateway.services.chat.standing_errors import standing_error
from models.main.moderation import SanctionKind

log = structlog.get_logger()

# Neighbours may share a network and a user agent: this pair counts for an hour, and only for bans.
BIND = """
    INSERT INTO banned_devices (sanction_id, device, ends_at)
    SELECT $1, name, CASE WHEN starts_with(name, $3) THEN clock_timestamp() + interval '1 hour' END
    FROM unnest($2::text[]) AS name
    ON CONFLICT (sanction_id, device) DO UPDATE SET ends_at = excluded.ends_at
"""

IN_FORCE = """
    SELECT DISTINCT ON (s.kind, s.stream_key)
        s.id, s.kind, s.stream_key, s.ends_at, starts_with(d.device, $2) AS sure
    FROM banned_devices d JOIN sanctions s ON s.id = d.sanction_id
    WHERE d.device = ANY($1) AND (d.ends_at IS NULL OR d.ends_at > clock_timestamp())
        AND s.lifted_at IS NULL AND (s.ends_at IS NULL OR s.ends_at > clock_timestamp())
    ORDER BY s.kind, s.stream_key, sure DESC, s.ends_at DESC NULLS FIRST
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


# Mutes a guest of a banned network in the rooms of the ban, as long as the network counts.
HUSH = """
    INSERT INTO sanctions (id, kind, stream_key, subject_id, reason, created_by, created_at, ends_at)
    SELECT
        gen_random_uuid(), 'MUTE', s.stream_key, $2, s.reason, s.created_by, s.created_at, least(s.ends_at, d.ends_at)
    FROM sanctions s JOIN banned_devices d ON d.sanction_id = s.id AND d.device = ANY($3)
    WHERE s.id = ANY($1)
    ON CONFLICT (subject_id, kind, coalesce(stream_key, '')) WHERE lifted_at IS NULL DO NOTHING
"""


class BannedDevices:
    """Remembers devices of people, and binds sanctions to them.

    `matches_network`: a ban also counts for new guests with the same network and user agent.
    """

    def __init__(
        self, database: Database, names: DeviceNames, book: DeviceBook, *, matches_network: bool = False
    ) -> None:
        self._database = database
        self._matches_network = matches_network
        self._names = names
        self._book = book

    async def seen(self, user_id: str, device: Device) -> None:
        """Remember a device of a user or guest. Never raises: while Redis is away nothing is remembered."""
        try:
            await self._book.note(user_id, device)
        except Unavailable:
            log.warning("a device was not remembered")

    async def of(self, subject_id: str) -> Sequence[str]:
        """Return the names of the devices of a user or guest; none while Redis is away."""
        try:
            return await self._book.of(subject_id)
        except Unavailable:
            log.warning("somebody is sanctioned without their devices", subject=subject_id)
            return []

    async def bind(self, sanction_id: UUID, kind: SanctionKind, names: Sequence[str]) -> None:
        """Bind a sanction to devices. Call it in the transaction that imposes the sanction."""
        networks = self._matches_network and kind is SanctionKind.BAN
        counting = [name for name in names if networks or name.startswith(SURE)]
        await self._database.query(BIND, sanction_id, counting, LIKELY)

    async def receive(self, guest_id: str, device: Device) -> None:
        """Impose the sanctions of a device on a new guest. Raises BANNED for a ban everywhere, and Unavailable.

        A ban that only matches the network mutes the guest where the ban applies.
        """
        names = [name for name in self._names.any_of(device) if self._matches_network or name.startswith(SURE)]
        if not names:
            return
        async with self._database.guard("guests.receive"):
            found = await self._database.query(IN_FORCE, names, SURE)
            sure, likely = _ids(found, sure=True), _ids(found, sure=False)
            for sanction in found:
                if sanction["sure"] and sanction["kind"] == SanctionKind.BAN and sanction["stream_key"] is None:
                    raise standing_error(Code.BANNED, until=until(sanction["ends_at"]))
            if sure:
                await self._database.query(INHERIT, sure, guest_id, self._names.of(device), SURE)
            if likely:
                await self._database.query(HUSH, likely, guest_id, names)


def _ids(rows: Sequence[dict[str, Any]], *, sure: bool) -> list[UUID]:
    return [row["id"] for row in rows if row["sure"] is sure]
