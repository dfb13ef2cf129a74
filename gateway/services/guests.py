"""People without an account: let in, kept, let out. Called by the HTTP edge."""

from datetime import timedelta

import structlog

from gateway.errors import AuthRequired, RateLimited, Unavailable
from gateway.metrics import Metrics
from gateway.protocol.identity import Session, UserView
from gateway.security import guests
from gateway.security.client_address import limit_subject
from gateway.security.limits import Limiter
from gateway.security.principal import Principal, Role
from gateway.security.refresh_tokens import Grant
from gateway.services.accounts import Tokens
from gateway.services.logins import Logins
from gateway.services.sessions import Sessions
from models.user import UserStatus

log = structlog.get_logger()

SCOPE = "guest"


class Guests(Logins):
    """Raises AuthRequired, RateLimited, and Unavailable when neither Redis nor PostgreSQL is there."""

    def __init__(
        self,
        sessions: Sessions,
        tokens: Tokens,
        limiter: Limiter,
        metrics: Metrics,
        access_lifetime: timedelta,
        rate: tuple[int, float],
    ) -> None:
        super().__init__(sessions)
        self._tokens = tokens
        self._limiter = limiter
        self._metrics = metrics
        self._expires_in = int(access_lifetime.total_seconds())
        self._rate = rate  # how many new guests of one address, in how many seconds

    async def enter(self, refresh_token: str | None, address: str, device: str) -> Session:
        """Let a guest in. Who shows a guest's refresh token that is good goes on as the guest they are.

        `device` is the user agent. Raises RateLimited when too many new guests came from the address.
        """
        if refresh_token is not None and guests.is_guest(refresh_token):
            try:
                return await self.refresh(refresh_token)
            except (AuthRequired, Unavailable) as error:
                log.debug("a guest begins anew", code=error.code)
        try:
            await self._limiter.charge(SCOPE, limit_subject(address), *self._rate)
        except RateLimited:
            self._metrics.limited.labels(SCOPE).inc()
            raise
        return self._session(await self._sessions.open(guests.new_id(), device))

    async def refresh(self, refresh_token: str) -> Session:
        """Fresh tokens for a session. The refresh token is spent; one that was spent earlier ends its session."""
        return self._session(await self._sessions.rotate(refresh_token))

    async def me(self, principal: Principal) -> UserView:
        """The guest, seen as a user without an e-mail address."""
        return _view(principal.user_id)

    def _session(self, grant: Grant) -> Session:
        return Session(
            access_token=self._tokens.issue_access(grant.user_id, Role.GUEST, grant.session_id),
            refresh_token=grant.token,
            expires_in=self._expires_in,
            user=_view(grant.user_id),
        )


def _view(guest_id: str) -> UserView:
    return UserView(
        id=guest_id,
        email=None,
        username=guests.name_of(guest_id),
        role=Role.GUEST.value,
        status=UserStatus.ACTIVE.value,
        created_at=guests.made_at(guest_id),
    )
