"""The sessions of guests: in Redis, or in PostgreSQL during its outages. Called by Sessions and the authenticator.

A session is in one of the two. If it is not in Redis, PostgreSQL is read, and a session found there is moved to Redis
at once. A sweep moves the others and deletes expired ones.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import structlog

from gateway.concurrency.outage import Outage
from gateway.concurrency.tasks import cancel
from gateway.errors import AuthRequired, Unavailable
from gateway.security.principal import Bearer
from gateway.security.sessions.guest_sessions_postgres import StoredGuestSessions
from gateway.security.sessions.guest_sessions_redis import GuestTokens
from gateway.security.sessions.refresh_tokens import Grant, SessionRecord, ids
from gateway.security.tokens.revocations import Revocations

log = structlog.get_logger()

SWEEP = 5.0  # s between two sweeps of PostgreSQL, which nearly always has no sessions
BATCH = 200  # rows moved or deleted in one step


class GuestSessions:
    """Has the methods of RefreshTokens, for guests. Raises Unavailable if neither server can answer."""

    def __init__(
        self, tokens: GuestTokens, stored: StoredGuestSessions, revocations: Revocations, sweep: float = SWEEP
    ) -> None:
        self._tokens = tokens
        self._stored = stored
        self._revocations = revocations
        self._sweep = sweep
        self._outage = Outage("the sessions of guests cannot be moved", "the sessions of guests can be moved again")
        self._sweeper: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the sweep."""
        self._sweeper = asyncio.get_running_loop().create_task(self._run(), name="guest-sessions")

    async def close(self) -> None:
        """Stop the sweep."""
        await cancel(self._sweeper)

    # --- use and renewal ------------------------------------------------------------------------------------------

    async def use(self, bearer: Bearer) -> None:
        """Extend the session of a guest whose access token is used. Raises AuthRequired(TOKEN_REVOKED), Unavailable.

        While Redis is unavailable only sessions in PostgreSQL can be verified.
        """
        guest_id, session_id = bearer.user_id, bearer.session_id
        try:
            await self._revocations.check(bearer)
        except Unavailable:
            if not await self._stored.touch(guest_id, session_id):
                raise
            return
        # The token is valid by itself. A session that cannot be extended now is extended at its next use.
        with suppress(Unavailable):
            try:
                if not await self._tokens.touch(guest_id, session_id):
                    await self._bring_back(session_id)
            except Unavailable:
                await self._stored.touch(guest_id, session_id)

    async def exist(self, bearers: Sequence[Bearer]) -> list[bool]:
        """Return for each bearer whether the session exists, and extend it: these guests have open sockets."""
        try:
            found = await self._tokens.touch_all(bearers)
        except Unavailable:
            found = [await self._stored.touch(bearer.user_id, bearer.session_id) for bearer in bearers]
            if not all(found):
                raise
            return found
        # The sweep may not have moved it to Redis yet.
        return [
            exists or await self._stored.touch(bearer.user_id, bearer.session_id)
            for exists, bearer in zip(found, bearers, strict=True)
        ]

    async def save(self, user_id: str, device: str) -> Grant:
        """Open a session and return its first token."""
        try:
            return await self._tokens.save(user_id, device)
        except Unavailable:
            return await self._stored.save(user_id, device)

    async def look_up(self, token: str) -> Grant | None:
        """Return the session of a token, if it is the current token of a live session."""
        try:
            found = await self._tokens.look_up(token)
        except Unavailable:
            return await self._stored.look_up(token)
        return found or await self._stored.look_up(token)

    async def rotate(self, token: str) -> Grant:
        """Exchange a token for its successor. Raises AuthRequired, ReplayedError, Unavailable."""
        try:
            return await self._tokens.rotate(token)
        except Unavailable:
            grant = await self._stored.rotate(token)
            if grant is None:
                raise
            return grant
        except AuthRequired:
            await self._bring_back(ids(token)[1])
            return await self._tokens.rotate(token)

    async def delete(self, user_id: str, session_id: str) -> bool:
        """End one session, in both servers; return False if there is none."""
        found = await self._tokens.delete(user_id, session_id)
        return await self._stored.delete(user_id, session_id) or found

    async def delete_all(self, user_id: str, keep: str | None = None) -> list[str]:
        """End all sessions of a guest except `keep`; return the ids of those that ended."""
        return [*await self._tokens.delete_all(user_id, keep), *await self._stored.delete_all(user_id, keep)]

    async def sessions(self, user_id: str) -> list[SessionRecord]:
        """Return the live sessions of a guest, last used first."""
        try:
            return await self._tokens.sessions(user_id)
        except Unavailable:
            return await self._stored.sessions(user_id)

    # --- moving to Redis ------------------------------------------------------------------------------------------

    async def _bring_back(self, session_id: str) -> None:
        async with self._stored.handed_over(session_id) as row:
            if row is not None:
                await self._tokens.restore(row)

    async def tidy(self) -> None:
        """Delete expired sessions and move others to Redis, at most BATCH of each. Raises Unavailable."""
        await self._stored.delete_expired(BATCH)
        async with self._stored.some_handed_over(BATCH) as rows:
            for row in rows:
                await self._tokens.restore(row)
        if rows:
            log.info("guest sessions moved to redis", count=len(rows))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._sweep)
            try:
                await self.tidy()
            except Exception as error:
                # Sessions stay where they are until the next sweep.
                self._outage.failed(reason=type(error).__name__)
            else:
                self._outage.worked()
