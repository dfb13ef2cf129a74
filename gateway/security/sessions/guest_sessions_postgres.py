"""The sessions of guests in PostgreSQL, made while Redis is unavailable. Called by guest_sessions.py."""

import hmac
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from gateway.clocks import now
from gateway.errors import AuthRequired
from gateway.postgres.database import Database
from gateway.security.sessions.refresh_tokens import (
    GRACE,
    Grant,
    ReplayedError,
    SessionRecord,
    device_text,
    fingerprint,
    first,
    ids,
    successor,
)
from models.main.guest import GuestSession

MAX_SPENT = 1000  # of one session, as in Redis


class StoredGuestSessions:
    """Has the methods of GuestTokens. Raises Unavailable."""

    def __init__(
        self, database: Database, lifetime: timedelta, grace: timedelta = GRACE, unused: timedelta | None = None
    ) -> None:
        self._database = database
        self._lifetime = lifetime
        self._unused = unused or lifetime
        self._grace = grace

    async def save(self, guest_id: str, device: str) -> Grant:
        """Open a session and return its first token."""
        grant, moment = first(guest_id), now()
        async with self._database.guard("guests.save"):
            await GuestSession.create(
                session_id=grant.session_id,
                guest_id=guest_id,
                device=device_text(device),
                current=fingerprint(grant.token),
                created_at=moment,
                used_at=moment,
                expires_at=moment + self._unused,
            )
        return grant

    async def touch(self, guest_id: str, session_id: str) -> bool:
        """Extend a session; return False if it is not here."""
        moment = now()
        async with self._database.guard("guests.touch"):
            live = GuestSession.filter(session_id=session_id, guest_id=guest_id, expires_at__gt=moment)
            return bool(await live.update(used_at=moment, expires_at=moment + self._lifetime))

    async def look_up(self, token: str) -> Grant | None:
        """Return the session of a token, if it is the current token of a session that is here."""
        try:
            guest_id, session_id = ids(token)
        except AuthRequired:
            return None
        async with self._database.guard("guests.look_up"):
            row = await GuestSession.get_or_none(session_id=session_id, guest_id=guest_id, expires_at__gt=now())
        if row is None or not hmac.compare_digest(row.current, fingerprint(token)):
            return None
        return Grant(guest_id, session_id, token)

    async def rotate(self, token: str) -> Grant | None:
        """Exchange a token for its successor; return None if its session is not here.

        Raises AuthRequired for a token that its session never had, ReplayedError for one that was used earlier.
        """
        guest_id, session_id = ids(token)
        async with self._database.guard("guests.rotate"), self._database.transaction():
            live = GuestSession.filter(session_id=session_id, guest_id=guest_id, expires_at__gt=now())
            row = await live.select_for_update().first()
            if row is None:
                return None
            salt = self._salt(row, token) or await self._spend(row, token)
            if salt is not None:
                return Grant(guest_id, session_id, successor(guest_id, session_id, token, salt))
            replayed = fingerprint(token) in row.spent
            if replayed:
                await row.delete()
        if replayed:
            raise ReplayedError(guest_id, session_id)
        raise AuthRequired("Invalid token")

    def _salt(self, row: GuestSession, token: str) -> str | None:
        """Return the salt for concurrent callers with the same token, within the grace time; else None."""
        just_now = row.rotated_at is not None and now() < row.rotated_at + self._grace
        return row.salt if just_now and row.spent[-1:] == [fingerprint(token)] else None

    async def _spend(self, row: GuestSession, token: str) -> str | None:
        if row.current != fingerprint(token):
            return None
        salt, moment = secrets.token_hex(32), now()
        row.spent = [*row.spent, row.current][-MAX_SPENT:]
        row.current = fingerprint(successor(row.guest_id, row.session_id, token, salt))
        row.salt, row.rotated_at, row.used_at, row.expires_at = salt, moment, moment, moment + self._lifetime
        await row.save()
        return salt

    async def delete(self, guest_id: str, session_id: str) -> bool:
        """End one session; return False if it is not here."""
        async with self._database.guard("guests.delete"):
            return bool(await GuestSession.filter(session_id=session_id, guest_id=guest_id).delete())

    async def delete_all(self, guest_id: str, keep: str | None = None) -> list[str]:
        """End the sessions of a guest that are here, except `keep`; return the ids of those that ended."""
        ended = [row.session_id for row in await self._rows(guest_id) if row.session_id != keep]
        async with self._database.guard("guests.delete"):
            await GuestSession.filter(session_id__in=ended).delete()
        return ended

    async def sessions(self, guest_id: str) -> list[SessionRecord]:
        """Return the sessions of a guest that are here, last used first."""
        return [
            SessionRecord(row.session_id, row.device, row.created_at, row.used_at) for row in await self._rows(guest_id)
        ]

    async def _rows(self, guest_id: str) -> list[GuestSession]:
        async with self._database.guard("guests.sessions"):
            return await GuestSession.filter(guest_id=guest_id, expires_at__gt=now()).order_by("-used_at")

    @asynccontextmanager
    async def handed_over(self, session_id: str) -> AsyncIterator[GuestSession | None]:
        """Lock a session, if it is here, for the block; delete it at the end unless the block raises."""
        async with self._database.guard("guests.move"), self._database.transaction():
            row = await GuestSession.filter(session_id=session_id, expires_at__gt=now()).select_for_update().first()
            yield row
            if row is not None:
                await row.delete()

    @asynccontextmanager
    async def some_handed_over(self, limit: int) -> AsyncIterator[list[GuestSession]]:
        """Do the same as `handed_over` for up to `limit` sessions that are not locked."""
        async with self._database.guard("guests.move"), self._database.transaction():
            live = GuestSession.filter(expires_at__gt=now()).order_by("expires_at").limit(limit)
            rows = await live.select_for_update(skip_locked=True)
            yield rows
            await GuestSession.filter(session_id__in=[row.session_id for row in rows]).delete()

    async def delete_expired(self, limit: int) -> None:
        """Delete up to `limit` expired sessions."""
        async with self._database.guard("guests.expire"):
            await self._database.query(
                "DELETE FROM guest_sessions WHERE session_id IN (SELECT session_id FROM guest_sessions"
                " WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2 FOR UPDATE SKIP LOCKED)",
                now(),
                limit,
            )
