"""Sessions of users and guests: open, refresh and list them, and end them on all nodes. Called by accounts."""

import re
from typing import Protocol

import structlog

from gateway.errors import AuthRequired, Code
from gateway.realtime.notices import NoticeSender, ProfileChanged, Revoked
from gateway.security.sessions.refresh_tokens import Grant, ReplayedError, SessionRecord
from gateway.security.tokens.revocations import Revocations

log = structlog.get_logger()

_SESSION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class RefreshTokenStore(Protocol):
    """Stores sessions and their refresh tokens."""

    async def save(self, user_id: str, device: str) -> Grant: ...
    async def look_up(self, token: str) -> Grant | None: ...
    async def rotate(self, token: str) -> Grant: ...
    async def delete(self, user_id: str, session_id: str) -> bool: ...
    async def delete_all(self, user_id: str, keep: str | None = None) -> list[str]: ...
    async def sessions(self, user_id: str) -> list[SessionRecord]: ...


class Sessions:
    """Ends sessions in three steps: revoke, notify the nodes, delete. After a failure, the same call repeats all steps.

    Raises Unavailable while Redis is away.
    """

    def __init__(self, refresh_tokens: RefreshTokenStore, revocations: Revocations, notices: NoticeSender) -> None:
        self._refresh_tokens = refresh_tokens
        self._revocations = revocations
        self._notices = notices

    async def open(self, user_id: str, device: str) -> Grant:
        """Open a session; `device` is the user agent, by which the user recognises it."""
        return await self._refresh_tokens.save(user_id, device)

    async def rotate(self, token: str) -> Grant:
        """Exchange a refresh token for the next one.

        Raises AuthRequired. Reuse of a token ends its session. A session that was revoked but not deleted, because
        Redis failed in between, is deleted now.
        """
        try:
            grant = await self._refresh_tokens.rotate(token)
        except ReplayedError as replayed:
            log.warning("a refresh token was used twice, its session ends", user_id=replayed.user_id)
            await self.end(replayed.user_id, replayed.session_id)
        else:
            if not await self._revocations.session_revoked(grant.user_id, grant.session_id):
                return grant
            await self._refresh_tokens.delete(grant.user_id, grant.session_id)
        raise AuthRequired("Token has been revoked", Code.TOKEN_REVOKED)

    async def holder(self, token: str) -> Grant | None:
        """Return the session whose current refresh token this is; None for any other token."""
        return await self._refresh_tokens.look_up(token)

    async def list(self, user_id: str) -> list[SessionRecord]:
        """Return the live sessions of a user, last used first."""
        return await self._refresh_tokens.sessions(user_id)

    async def end(self, user_id: str, session_id: str) -> bool:
        """End one session of a user; return whether there was one. Its access tokens are revoked in any case."""
        if not _SESSION_ID.fullmatch(session_id):
            return False
        await self._revocations.revoke_sessions(user_id, [session_id])
        await self._notices.notify(Revoked(user_id, session_id=session_id))
        return await self._refresh_tokens.delete(user_id, session_id)

    async def end_all(self, user_id: str, keep: str | None = None) -> None:
        """End all sessions of a user, except `keep`."""
        before = await self._revocations.revoke_user(user_id, keep)
        await self._notices.notify(Revoked(user_id, before=before, keep_session_id=keep))
        ended = await self._refresh_tokens.delete_all(user_id, keep)
        # A concurrent refresh may have signed a token after `before`: revoking its session covers that token.
        await self._revocations.revoke_sessions(user_id, ended)

    async def announce_change(self, user_id: str) -> None:
        """Notify all nodes that the name, role or status of an account has changed. Never raises."""
        await self._notices.notify(ProfileChanged(user_id))
