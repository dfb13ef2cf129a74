"""`/auth`: log in, refresh tokens, log out, manage sessions. Calls the accounts and the guests service.

Tokens are set as HTTP-only cookies and repeated in the body for clients without cookies.
"""

from typing import Any

from gateway.errors import AuthRequired, Code, codes
from gateway.http.routes import CONFLICT, CREDENTIALS, CSRF, ID, NOT_FOUND, READS, Call, Cookie, Reply, Route
from gateway.protocol.payloads.accounts import (
    CsrfToken,
    CurrentSession,
    EnterAsGuest,
    Login,
    Refresh,
    Register,
    Session,
    SessionList,
    UserView,
)
from gateway.security.browsers.cookies import candidates, read_cookies
from gateway.security.browsers.csrf import COOKIE as CSRF_COOKIE
from gateway.security.browsers.csrf import Csrf
from gateway.security.powers import HOSTING, NONE, POWERS, listed
from gateway.security.principal import EVERYONE, HOSTS
from gateway.security.sessions.devices import COOKIE as DEVICE_COOKIE
from gateway.security.sessions.devices import COOKIE_SECONDS, Device, new_id, valid_id
from gateway.security.sessions.guest_ids import is_guest
from gateway.security.tokens.authenticator import COOKIE as ACCESS_COOKIE
from gateway.services.accounts.accounts import Accounts
from gateway.services.accounts.guests import Guests
from gateway.services.moderation.banned_devices import BannedDevices
from gateway.settings import Settings

REFRESH_COOKIE = "refreshToken"

LOGIN = codes(Code.AUTH_REQUIRED, Code.FORBIDDEN, Code.BANNED)


class Auth:
    """The routes of authentication. Accounts and guests share the routes; each kind has its own service."""

    def __init__(
        self, accounts: Accounts, guests: Guests, devices: BannedDevices, csrf: Csrf, settings: Settings
    ) -> None:
        self._accounts = accounts
        self._guests = guests
        self._devices = devices
        self._csrf = csrf
        self._prefix = settings.cookie_prefix
        self._access_seconds = int(settings.jwt_expiration.total_seconds())
        self._refresh_seconds = int(settings.jwt_refresh_expiration.total_seconds())

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        return [
            Route(
                "POST",
                "/auth/register",
                self.register,
                body=Register,
                answer=Session,
                status=201,
                raises=CONFLICT | {Code.BANNED},
            ),
            Route("POST", "/auth/login", self.login, body=Login, answer=Session, raises=LOGIN),
            Route("POST", "/auth/guest", self.guest, body=EnterAsGuest, answer=Session, raises=CREDENTIALS | CSRF),
            Route(
                "POST",
                "/auth/refresh",
                self.refresh,
                body=Refresh,
                answer=Session,
                limit=READS,
                raises=CREDENTIALS | CSRF,
            ),
            Route(
                "POST",
                "/auth/logout",
                self.logout,
                body=Refresh,
                who=EVERYONE,
                first_password=True,
                lenient=True,
                raises=CREDENTIALS,
            ),
            Route("POST", "/auth/logout-all", self.logout_all, who=EVERYONE, first_password=True),
            Route(
                "GET",
                "/auth/me",
                self.me,
                answer=UserView,
                who=EVERYONE,
                first_password=True,
                limit=READS,
                raises=NOT_FOUND,
            ),
            Route(
                "GET",
                "/auth/session",
                self.session,
                answer=CurrentSession,
                who=EVERYONE,
                first_password=True,
                lenient=True,
                limit=READS,
                raises=NOT_FOUND,
            ),
            Route("GET", "/auth/csrf", self.csrf, answer=CsrfToken, limit=READS),
            Route("GET", "/auth/sessions", self.sessions, answer=SessionList, who=EVERYONE, limit=READS),
            Route("DELETE", f"/auth/sessions/{ID}", self.end_session, who=EVERYONE),
        ]

    async def register(self, call: Call[Register, None]) -> Reply:
        """Register an account and log in."""
        device = _with_id(_device(call, self._prefix))
        return await self._logged_in(await self._accounts.register(call.body, device), device)

    async def login(self, call: Call[Login, None]) -> Reply:
        """Log in with e-mail address and password."""
        device = _with_id(_device(call, self._prefix))
        return await self._logged_in(await self._accounts.login(call.body, device), device)

    async def guest(self, call: Call[EnterAsGuest, None]) -> Reply:
        """Open a guest session; a guest's refresh token in the body or cookie continues that guest."""
        device = _with_id(_device(call, self._prefix, call.body.device_id))
        return await self._logged_in(await self._guests.enter(await self._refresh_token(call), device), device)

    async def refresh(self, call: Call[Refresh, None]) -> Reply:
        """Exchange a refresh token, from the body or the cookie, for new tokens."""
        token = await self._refresh_token(call)
        if token is None:
            raise AuthRequired("No token provided")
        session = await self._service(guest=is_guest(token)).refresh(token)
        return await self._logged_in(session, _device(call, self._prefix))

    async def logout(self, call: Call[Refresh, None]) -> Reply:
        """End this session on all nodes; an expired access token is replaced by the refresh token."""
        refresh_token = None if call.caller else await self._refresh_token(call)
        guest = is_guest(refresh_token or "") if call.caller is None else not call.caller.authenticated
        await self._service(guest=guest).logout(call.caller, refresh_token)
        return self._logged_out()

    async def logout_all(self, call: Call[None, None]) -> Reply:
        """End all sessions of the caller on all nodes."""
        await self._service_of(call).logout_all(call.principal)
        return self._logged_out()

    async def me(self, call: Call[None, None]) -> UserView:
        """Return the caller's account."""
        return await self._service_of(call).me(call.principal)

    async def session(self, call: Call[None, None]) -> CurrentSession:
        """Return the caller's account, permissions and expiry; `user` is null without a valid session."""
        if call.caller is None:
            return CurrentSession()
        role = call.caller.role
        return CurrentSession(
            user=await self._service_of(call).me(call.caller),
            powers=listed(POWERS.get(role, NONE)),
            host_powers=listed(HOSTING) if role in HOSTS else (),
            expires_at=call.caller.expires_at,
        )

    async def csrf(self, call: Call[None, None]) -> Reply:
        """Return the browser's CSRF token, for pages that cannot read the cookie; issue one if there is none."""
        cookies = candidates(read_cookies(call.request.headers, self._prefix), CSRF_COOKIE)
        token = cookies[0] if cookies else self._csrf.issue()
        cookie = Cookie(CSRF_COOKIE, token, self._refresh_seconds, http_only=False)
        return Reply(CsrfToken(csrf_token=token), cookies=(cookie,))

    async def sessions(self, call: Call[None, None]) -> SessionList:
        """List the caller's sessions."""
        return await self._service_of(call).sessions(call.principal)

    async def end_session(self, call: Call[None, None]) -> None:
        """End one session of the caller."""
        await self._service_of(call).end_session(call.principal, call.path("id"))

    def _service(self, *, guest: bool) -> Accounts | Guests:
        return self._guests if guest else self._accounts

    def _service_of(self, call: Call[None, None]) -> Accounts | Guests:
        return self._service(guest=not call.principal.authenticated)

    async def _refresh_token(self, call: Call[Refresh, None] | Call[EnterAsGuest, None]) -> str | None:
        """Return the refresh token of a request: from the body, else from the cookie; None without one.

        Of several cookies, return the first that is the current token of a session. Using a stale one, such as a cookie
        left at another path, would count as a replay and end its session.
        """
        if call.body.refresh_token is not None:
            return call.body.refresh_token
        cookies = read_cookies(call.request.headers, self._prefix)
        tokens = candidates(cookies, REFRESH_COOKIE)
        if not tokens:
            return None
        self._csrf.check(call.request.method, call.request.headers, cookies)
        if len(tokens) > 1:
            for token in tokens:
                if await self._service(guest=is_guest(token)).is_current_token(token):
                    return token
        return tokens[0]

    async def _logged_in(self, session: Session, device: Device) -> Reply:
        await self._devices.seen(session.user.id, device)
        csrf_token = self._csrf.issue()
        cookies = [
            Cookie(ACCESS_COOKIE, session.access_token, self._access_seconds),
            Cookie(REFRESH_COOKIE, session.refresh_token, self._refresh_seconds),
            Cookie(CSRF_COOKIE, csrf_token, self._refresh_seconds, http_only=False),
        ]
        if device.id is not None:
            cookies.append(Cookie(DEVICE_COOKIE, device.id, COOKIE_SECONDS))
        return Reply(session.model_copy(update={"csrf_token": csrf_token}), cookies=tuple(cookies))

    def _logged_out(self) -> Reply:
        cookies = (
            Cookie(ACCESS_COOKIE, "", 0),
            Cookie(REFRESH_COOKIE, "", 0),
            Cookie(CSRF_COOKIE, "", 0, http_only=False),
        )
        return Reply(None, cookies=cookies)


def _device(call: Call[Any, Any], prefix: str, device_id: str | None = None) -> Device:
    cookies = candidates(read_cookies(call.request.headers, prefix), DEVICE_COOKIE)
    found = device_id or next(filter(valid_id, cookies), None)
    return Device(call.request.headers.get("User-Agent", ""), call.address, found)


def _with_id(device: Device) -> Device:
    """Return the device with an id, a new one if it has none."""
    return device if device.id is not None else device._replace(id=new_id())
