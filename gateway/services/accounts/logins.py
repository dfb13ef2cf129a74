"""The caller's own sessions: list and end them. The base of the accounts and the guests service."""

from gateway.errors import NotFound
from gateway.protocol.payloads.accounts import SessionList, SessionView
from gateway.security.principal import Principal
from gateway.services.accounts.sessions import Sessions


class Logins:
    """Manages sessions of users and guests. Raises Unavailable while Redis is away."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions

    async def is_current_token(self, refresh_token: str) -> bool:
        """Return whether this is the current refresh token of a session. The token stays valid."""
        return await self._sessions.holder(refresh_token) is not None

    async def logout(self, principal: Principal | None, refresh_token: str | None = None) -> None:
        """End the session of the caller, or, if the access token has expired, that of the refresh token."""
        if principal is not None:
            await self._sessions.end(principal.user_id, principal.session_id)
        elif refresh_token is not None and (grant := await self._sessions.holder(refresh_token)) is not None:
            await self._sessions.end(grant.user_id, grant.session_id)

    async def logout_all(self, principal: Principal) -> None:
        """End all sessions of the caller, this one included."""
        await self._sessions.end_all(principal.user_id)

    async def sessions(self, principal: Principal) -> SessionList:
        """Return the caller's sessions, last used first."""
        return SessionList(
            items=[
                SessionView(
                    id=record.session_id,
                    device=record.device,
                    created_at=record.created_at,
                    last_used_at=record.last_used_at,
                    current=record.session_id == principal.session_id,
                )
                for record in await self._sessions.list(principal.user_id)
            ]
        )

    async def end_session(self, principal: Principal, session_id: str) -> None:
        """End one session of the caller. Raises NotFound if there is no such session."""
        if not await self._sessions.end(principal.user_id, session_id):
            raise NotFound("There is no such session")
