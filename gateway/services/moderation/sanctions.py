"""Imposes, replaces and lifts mutes and bans. Called by `/chat` and the HTTP edge."""

import asyncio
import time
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from gateway.clocks import iso
from gateway.errors import Conflict
from gateway.keys import chat_room
from gateway.metrics import Metrics
from gateway.postgres.database import Database
from gateway.protocol.payloads.moderation import BanAck, BanUser, MuteUser, Sanctioned, until
from gateway.protocol.payloads.records import ChangeSanction, SanctionView
from gateway.protocol.powers import Power
from gateway.realtime.notices import NoticeSender, UserBanned, UserMuted, UserUnbanned
from gateway.security.principal import Principal
from gateway.security.sessions.devices import SURE
from gateway.security.sessions.guest_ids import PREFIX
from gateway.services.audit.audit_log import AuditLog
from gateway.services.moderation.banned_devices import BannedDevices
from gateway.services.moderation.clears import Clears
from gateway.services.moderation.permissions import Permissions
from gateway.services.moderation.sanction_list import SanctionList
from gateway.services.rooms.log import RoomLog
from models.main.moderation import ModerationAction, SanctionKind

# Ends an expired sanction, so that the next one is a new row.
END = """
    UPDATE sanctions SET lifted_at = ends_at
    WHERE subject_id = $1 AND kind = $2 AND stream_key IS NOT DISTINCT FROM $3
        AND lifted_at IS NULL AND ends_at <= clock_timestamp()
"""

# Sanctions begin and end by the clock of the database.
IMPOSE = """
    INSERT INTO sanctions (id, kind, stream_key, subject_id, reason, created_by, created_at, ends_at)
    SELECT gen_random_uuid(), $1, $2, $3, $4, $5, moment, moment + $6 * interval '1 second'
    FROM clock_timestamp() AS moment
    ON CONFLICT (subject_id, kind, coalesce(stream_key, '')) WHERE lifted_at IS NULL DO UPDATE SET
        reason = excluded.reason, created_by = excluded.created_by,
        created_at = excluded.created_at, ends_at = excluded.ends_at
    RETURNING id, ends_at
"""

# The sanctions that guests of the same device have inherited from the `named` one. The parameters are the prefixes of
# devices ($4) and of guests' ids ($5).
INHERITED = """inherited AS (
        SELECT s.id FROM named n
        JOIN banned_devices mine ON mine.sanction_id = n.id AND starts_with(mine.device, $4)
        JOIN banned_devices d ON d.device = mine.device
        JOIN sanctions s ON s.id = d.sanction_id
        WHERE s.kind = n.kind AND s.stream_key IS NOT DISTINCT FROM n.stream_key AND s.lifted_at IS NULL
            AND starts_with(s.subject_id, $5)
    )"""

# Changes a sanction and the inherited ones.
CHANGE = f"""
    WITH named AS (
        SELECT * FROM sanctions
        WHERE id = $1 AND lifted_at IS NULL AND (ends_at IS NULL OR ends_at > clock_timestamp())
    ), {INHERITED}
    UPDATE sanctions SET ends_at = clock_timestamp() + $2 * interval '1 second', reason = coalesce($3, reason)
    WHERE id IN (SELECT id FROM named UNION SELECT id FROM inherited)
    RETURNING subject_id, ends_at, reason
"""  # noqa: S608  no values of clients

# Lifts a sanction and the inherited ones.
LIFT = f"""
    WITH named AS (
        SELECT * FROM sanctions
        WHERE subject_id = $1 AND kind = $2 AND stream_key IS NOT DISTINCT FROM $3 AND lifted_at IS NULL
            AND (ends_at IS NULL OR ends_at > clock_timestamp()) AND ($7::uuid IS NULL OR id = $7)
    ), {INHERITED}
    UPDATE sanctions SET lifted_at = clock_timestamp(), lifted_by = $6
    WHERE id IN (SELECT id FROM named UNION SELECT id FROM inherited)
    RETURNING subject_id, (SELECT host_id::text FROM streams WHERE key = stream_key) AS host_id
"""  # noqa: S608  no values of clients

# The transactions of this database that store messages: each has locked the table before it checks sanctions.
STORING = """
    SELECT coalesce(array_agg(virtualtransaction), '{}') AS answer FROM pg_locks
    WHERE locktype = 'relation' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND relation = 'messages'::regclass AND mode = 'RowExclusiveLock' AND granted
"""
STILL_STORING = f"SELECT (SELECT answer FROM ({STORING}) now) && $1::text[] AS answer"  # noqa: S608  no values of clients

LOOK = 0.005  # s between two checks whether these transactions have ended
LONGEST = 0.5  # s that a ban waits for them at most

# The streams in which a sender has written, found one after the other, each by one look-up in the index on senders and
# streams. Comparing both columns as one row leaves PostgreSQL no other index.
WROTE_IN = """
    WITH RECURSIVE wrote (sender, key) AS (
        (SELECT sender_id, stream_key FROM messages WHERE (sender_id, stream_key) > ($1, '')
        ORDER BY sender_id, stream_key LIMIT 1)
        UNION ALL
        SELECT next.* FROM wrote w CROSS JOIN LATERAL (
            SELECT m.sender_id, m.stream_key FROM messages m WHERE (m.sender_id, m.stream_key) > ($1, w.key)
            ORDER BY m.sender_id, m.stream_key LIMIT 1
        ) next WHERE w.sender = $1
    )
    SELECT key FROM wrote w WHERE sender = $1 AND (
        SELECT 1 FROM messages m
        WHERE (m.sender_id, m.stream_key) >= ($1, w.key) AND (m.sender_id, m.stream_key) <= ($1, w.key)
            AND m.deleted_at IS NULL LIMIT 1
    ) IS NOT NULL ORDER BY key
"""


class _Imposed(NamedTuple):
    id: UUID
    ends_at: datetime | None


class _Target(NamedTuple):
    live_id: str | None
    user_id: str
    reason: str | None = None


class Sanctions:
    """Changes sanctions. Raises Forbidden, also for subjects who cannot be sanctioned, NotFound, and Unavailable.

    A subject has one sanction of a kind in a room: a new one replaces it. When a call returns, its effect holds for all
    later messages, connects and joins. A notice to all nodes applies it to open sockets of the subject.
    """

    def __init__(
        self,
        database: Database,
        log: RoomLog,
        permissions: Permissions,
        audit_log: AuditLog,
        devices: BannedDevices,
        clearing: Clears,
        sanctions: SanctionList,
        notices: NoticeSender,
        metrics: Metrics,
    ) -> None:
        self._database = database
        self._log = log
        self._permissions = permissions
        self._audit_log = audit_log
        self._devices = devices
        self._clearing = clearing
        self._sanctions = sanctions
        self._notices = notices
        self._metrics = metrics

    async def mute(self, principal: Principal, request: MuteUser) -> Sanctioned:
        """Mute a user or guest in a room: they can read and not write."""
        imposed = await self._impose(principal, Power.MUTE, request)
        ends_at = until(imposed.ends_at)
        await self._notices.notify(UserMuted(request.user_id, request.live_id, ends_at))
        return Sanctioned(live_id=request.live_id, user_id=request.user_id, until=ends_at, sanction_id=str(imposed.id))

    async def unmute(self, principal: Principal, request: MuteUser) -> Sanctioned:
        """Lift a mute; do nothing without one."""
        await self._lift(principal, Power.MUTE, request)
        return Sanctioned(live_id=request.live_id, user_id=request.user_id, until=None)

    async def ban(self, principal: Principal, request: BanUser) -> BanAck:
        """Ban a user or guest from a room, or everywhere; `deleted` is the number of deleted messages."""
        imposed = await self._impose(principal, Power.BAN, request)
        ends_at = until(imposed.ends_at)
        await self._notices.notify(UserBanned(request.user_id, request.live_id, ends_at, request.reason))
        if request.live_id is None:
            await self._settle()
        deleted = await self._clear(principal, request) if request.delete_messages else 0
        return BanAck(
            live_id=request.live_id,
            user_id=request.user_id,
            until=ends_at,
            sanction_id=str(imposed.id),
            deleted=deleted,
        )

    async def unban(self, principal: Principal, request: BanUser) -> Sanctioned:
        """Lift a ban; do nothing without one. A ban everywhere and a ban from a room are two bans."""
        await self._lift(principal, Power.BAN, request)
        return Sanctioned(live_id=request.live_id, user_id=request.user_id, until=None)

    async def lift(self, principal: Principal, sanction_id: str) -> SanctionView:
        """Lift a sanction by its id; do nothing if it is no longer in force.

        It takes the permission to impose it. Raises NotFound for an unknown id.
        """
        sanction = await self._sanctions.get(sanction_id)
        target = _Target(sanction.live_id, sanction.user_id)
        await self._lift(principal, Power(sanction.kind), target, UUID(sanction.id))
        return await self._sanctions.get(sanction_id)

    async def change(self, principal: Principal, sanction_id: str, request: ChangeSanction) -> SanctionView:
        """Change the end of a sanction in force; seconds count from now. It takes the permission to impose it.

        Raises NotFound for an unknown id, and Conflict for one that is no longer in force.
        """
        sanction = await self._sanctions.get(sanction_id)
        power, target = Power(sanction.kind), _Target(sanction.live_id, sanction.user_id, request.reason)
        async with self._database.guard("chat.change_sanction"), self._database.transaction():
            await self._allow(principal, power, target)
            rows = await self._database.query(CHANGE, UUID(sanction.id), request.seconds, request.reason, SURE, PREFIX)
            if not rows:
                raise Conflict("The sanction is no longer in force")
            ends_at = until(rows[0]["ends_at"])
            details = {"kind": sanction.kind, "until": iso(ends_at), "before": iso(sanction.until)}
            await self._record(ModerationAction.CHANGE_SANCTION, principal, target, details)
        for row in rows:
            if power is Power.MUTE:
                await self._notices.notify(UserMuted(row["subject_id"], target.live_id, ends_at))
            else:
                await self._notices.notify(UserBanned(row["subject_id"], target.live_id, ends_at, row["reason"]))
        return await self._sanctions.get(sanction_id)

    # --- the steps ----------------------------------------------------------------------------------------------------

    async def _impose(self, principal: Principal, power: Power, request: MuteUser | BanUser) -> _Imposed:
        kind = SanctionKind(power)
        names = await self._devices.of(request.user_id)
        async with self._database.guard(f"chat.{power.lower()}"), self._database.transaction():
            await self._allow(principal, power, request)
            await self._database.query(END, request.user_id, kind, request.live_id)
            rows = await self._database.query(
                IMPOSE, kind, request.live_id, request.user_id, request.reason, UUID(principal.user_id), request.seconds
            )
            imposed = _Imposed(rows[0]["id"], rows[0]["ends_at"])
            await self._devices.bind(imposed.id, kind, names)
            details = {"until": iso(until(imposed.ends_at)), "devices": len(names)}
            await self._record(ModerationAction(power), principal, request, details)
        self._metrics.sanctions.labels(power.lower()).inc()
        return imposed

    async def _lift(
        self, principal: Principal, power: Power, request: MuteUser | BanUser | _Target, sanction_id: UUID | None = None
    ) -> None:
        """Lift the sanction in force, or only `sanction_id`; notify the nodes for each subject."""
        action = ModerationAction(f"UN{power}")
        async with self._database.guard(f"chat.{action.lower()}"), self._database.transaction():
            await self._allow(principal, power, request)
            kind, lifter = SanctionKind(power), UUID(principal.user_id)
            rows = await self._database.query(
                LIFT, request.user_id, kind, request.live_id, SURE, PREFIX, lifter, sanction_id
            )
            if rows:
                await self._record(action, principal, request, {})
        if rows:
            self._metrics.sanctions.labels(action.lower()).inc()
        for row in rows:
            if power is Power.MUTE:
                await self._notices.notify(UserMuted(row["subject_id"], request.live_id, None, row["host_id"]))
            else:
                await self._notices.notify(UserUnbanned(row["subject_id"], request.live_id, row["host_id"]))

    async def _allow(self, principal: Principal, power: Power, request: MuteUser | BanUser | _Target) -> None:
        if request.live_id is not None:
            await self._log.lock(
                chat_room(request.live_id)
            )  # a message is stored before this change, or checked after it
        await self._permissions.require(principal, power, request.live_id)
        await self._permissions.require_over(request.user_id, request.live_id)

    async def _settle(self) -> None:
        """Wait for the transactions that began to store before a ban everywhere, because it locks no room."""
        end = time.monotonic() + LONGEST
        storing = await self._query_storing(STORING)
        while storing and time.monotonic() < end:
            if not await self._query_storing(STILL_STORING, storing):
                return
            await asyncio.sleep(LOOK)

    async def _query_storing(self, statement: str, *values: Any) -> Any:
        async with self._database.guard("chat.settle"):
            return (await self._database.query(statement, *values))[0]["answer"]

    async def _record(
        self,
        action: ModerationAction,
        principal: Principal,
        request: MuteUser | BanUser | _Target,
        details: dict[str, Any],
    ) -> None:
        await self._audit_log.record(
            action,
            principal,
            live_id=request.live_id,
            subject_id=request.user_id,
            reason=request.reason,
            details=details,
        )

    async def _clear(self, principal: Principal, request: BanUser) -> int:
        rooms = [request.live_id]
        if request.live_id is None:
            async with self._database.guard("chat.wrote_in"):
                rooms = [row["key"] for row in await self._database.query(WROTE_IN, request.user_id)]
        return sum(
            [await self._clearing.clear_of(principal, room, request.user_id, request.reason) for room in rooms if room]
        )
