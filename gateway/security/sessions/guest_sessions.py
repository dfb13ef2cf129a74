"""The sessions of guests: in Redis, in PostgreSQL while Redis is away, and back. Called by the guests service.

A session is in one of the two. Where Redis does not have one, PostgreSQL is asked, and what it has is moved at once;
what nobody asks for is moved by a sweep, which also deletes what has run out.
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

SWEEP = 5.0  # s between two looks at what is in PostgreSQL; nearly always nothing
BATCH = 200  # rows moved or deleted in one step


class GuestSessions:
    """Does for guests what RefreshTokens does for users. Raises Unavailable when neither server can tell."""

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
        """Begin to move what was left in PostgreSQL."""
        self._sweeper = asyncio.get_running_loop().create_task(self._run(), name="guest-sessions")

    async def close(self) -> None:
        """Stop."""
        await cancel(self._sweeper)

    # --- their life -----------------------------------------------------------------------------------------------

    async def use(self, bearer: Bearer) -> None:
        """A guest's access token was shown: their session lives on from now. Raises AuthRequired(TOKEN_REVOKED).

        While Redis is away only the sessions that are in PostgreSQL can be vouched for.
        """
        guest_id, session_id = bearer.user_id, bearer.session_id
        try:
            await self._revocations.check(bearer)
        except Unavailable:
            if not await self._stored.touch(guest_id, session_id):
                raise
            return
        # The token is good by itself. A session that cannot be kept alive now is kept alive by its next use.
        with suppress(Unavailable):
            try:
                if not await self._tokens.touch(guest_id, session_id):
                    await self._bring_back(session_id)
            except Unavailable:
                await self._stored.touch(guest_id, session_id)

    async def standing(self, bearers: Sequence[Bearer]) -> list[bool]:
        """Return which of the sessions of these stand. Their guests have live sockets, so they live on from now."""
        try:
            found = await self._tokens.touch_all(bearers)
        except Unavailable:
            found = [await self._stored.touch(bearer.user_id, bearer.session_id) for bearer in bearers]
            if not all(found):
                raise
            return found
        # The sweep may not have brought it back to Redis yet.
        return [
            here or await self._stored.touch(bearer.user_id, bearer.session_id)
            for here, bearer in zip(found, bearers, strict=True)
        ]

    async def save(self, user_id: str, device: str) -> Grant:
        """Open a session and give it its first token."""
        try:
            return await self._tokens.save(user_id, device)
        except Unavailable:
            return await self._stored.save(user_id, device)

    async def look_up(self, token: str) -> Grant | None:
        """Whose token this is, if it is the current one of a live session."""
        try:
            found = await self._tokens.look_up(token)
        except Unavailable:
            return await self._stored.look_up(token)
        return found or await self._stored.look_up(token)

    async def rotate(self, token: str) -> Grant:
        """Spend a token for its successor. Raises AuthRequired, ReplayedError."""
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
        """End one session, wherever it is; False if there is none."""
        found = await self._tokens.delete(user_id, session_id)
        return await self._stored.delete(user_id, session_id) or found

    async def delete_all(self, user_id: str, keep: str | None = None) -> list[str]:
        """End all sessions of a guest except `keep`. Answers the ids of the ended ones."""
        return [*await self._tokens.delete_all(user_id, keep), *await self._stored.delete_all(user_id, keep)]

    async def sessions(self, user_id: str) -> list[SessionRecord]:
        """The live sessions of a guest, last used first."""
        try:
            return await self._tokens.sessions(user_id)
        except Unavailable:
            return await self._stored.sessions(user_id)

    # --- the way back ---------------------------------------------------------------------------------------------

    async def _bring_back(self, session_id: str) -> None:
        async with self._stored.handed_over(session_id) as row:
            if row is not None:
                await self._tokens.restore(row)

    async def tidy(self) -> None:
        """Delete what has run out and move what is left to Redis, each up to a bound. Raises Unavailable."""
        await self._stored.forget_expired(BATCH)
        async with self._stored.some_handed_over(BATCH) as rows:
            for row in rows:
                await self._tokens.restore(row)
        if rows:
            log.info("sessions of guests are back in redis", count=len(rows))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._sweep)
            try:
                await self.tidy()
            except Exception as error:
                # Whatever it is, they stay where they are, and it will be the same in a moment.
                self._outage.failed(reason=type(error).__name__)
            else:
                self._outage.worked()
