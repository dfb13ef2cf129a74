"""Guests, who have no account: enter, refresh, log out. Called by the HTTP edge."""

from datetime import timedelta

import structlog

from gateway.errors import AuthRequired, RateLimited, Unavailable
from gateway.metrics import Metrics
from gateway.protocol.payloads.accounts import Session, UserView
from gateway.security.browsers.client_address import limit_subjects
from gateway.security.limits.limits import Limiter
from gateway.security.principal import Principal, Role
from gateway.security.sessions import guest_ids
from gateway.security.sessions.devices import Device
from gateway.security.sessions.refresh_tokens import Grant, ids
from gateway.security.tokens.tokens import Tokens
from gateway.services.accounts.logins import Logins
from gateway.services.accounts.sessions import Sessions
from gateway.services.moderation.banned_devices import BannedDevices
from gateway.services.moderation.bans import Bans
from models.main.user import UserStatus

log = structlog.get_logger()

SCOPE = "guest"


class Guests(Logins):
    """Serves guests. Raises AuthRequired, BANNED, RateLimited, and Unavailable if bans cannot be checked."""

    def __init__(
        self,
        sessions: Sessions,
        tokens: Tokens,
        limiter: Limiter,
        bans: Bans,
        devices: BannedDevices,
        metrics: Metrics,
        access_lifetime: timedelta,
        rate: tuple[int, float],
    ) -> None:
        super().__init__(sessions)
        self._tokens = tokens
        self._limiter = limiter
        self._bans = bans
        self._devices = devices
        self._metrics = metrics
        self._expires_in = int(access_lifetime.total_seconds())
        self._rate = rate  # new guests of one address, and in how many seconds

    async def enter(self, refresh_token: str | None, device: Device) -> Session:
        """Open a session for a new guest, or continue the session of a valid guest refresh token.

        Raises RateLimited for too many new guests of one address.
        """
        if refresh_token is not None and guest_ids.is_guest(refresh_token):
            try:
                return await self.refresh(refresh_token)
            except (AuthRequired, Unavailable) as error:
                log.debug("a guest gets a new session", code=error.code)
        try:
            count, seconds = self._rate
            for subject, times in limit_subjects(device.address):
                await self._limiter.charge(SCOPE, subject, count * times, seconds)
        except RateLimited:
            self._metrics.limited.labels(SCOPE).inc()
            raise
        guest_id = guest_ids.new_id()
        await self._devices.receive(guest_id, device)
        return self._session(await self._sessions.open(guest_id, device.user_agent))

    async def refresh(self, refresh_token: str) -> Session:
        """Exchange a refresh token for new tokens. Reuse of a refresh token ends its session.

        Only the holder of a valid token gets BANNED. The token stays valid then.
        """
        guest_id, _ = ids(refresh_token)
        if await self._sessions.holder(refresh_token) is not None:
            await self._bans.check(guest_id)
        return self._session(await self._sessions.rotate(refresh_token))

    async def me(self, principal: Principal) -> UserView:
        """Return the guest as a user without an e-mail address."""
        return _view(principal.user_id)

    def _session(self, grant: Grant) -> Session:
        return Session(
            access_token=self._tokens.issue_access(grant.user_id, Role.GUEST, grant.session_id, grant.issued_at),
            refresh_token=grant.token,
            expires_in=self._expires_in,
            user=_view(grant.user_id),
        )


def _view(guest_id: str) -> UserView:
    return UserView(
        id=guest_id,
        email=None,
        username=guest_ids.name_of(guest_id),
        role=Role.GUEST.value,
        status=UserStatus.ACTIVE.value,
        created_at=guest_ids.made_at(guest_id),
    )
