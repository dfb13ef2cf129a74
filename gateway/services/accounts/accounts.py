"""Accounts as their owners use them: register, log in, refresh, log out, change. Called by the HTTP edge."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from gateway.errors import AuthRequired, Conflict, Forbidden, InvalidPayload, NotFound
from gateway.postgres.database import Database
from gateway.protocol.payloads.accounts import (
    ChangePassword,
    ChangeProfile,
    Login,
    Register,
    Session,
    UserView,
)
from gateway.security.passwords import Passwords, prepared
from gateway.security.principal import Principal, Role
from gateway.security.sessions.devices import Device
from gateway.security.sessions.refresh_tokens import Grant, ids
from gateway.security.tokens.tokens import Tokens
from gateway.services.accounts.addresses import normal
from gateway.services.accounts.attempts import Attempts, Charge
from gateway.services.accounts.logins import Logins
from gateway.services.accounts.name_rules import NameRules
from gateway.services.accounts.sessions import Sessions
from gateway.services.accounts.users import address_taken, find, find_by_email, new_user, view
from gateway.services.moderation.bans import Bans
from models.main.user import User

WRONG = "E-mail or password is wrong"


class Accounts(Logins):
    """Serves users with an account.

    Raises AuthRequired, Forbidden (`Account is suspended`), BANNED, RateLimited and Unavailable.
    """

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        tokens: Tokens,
        passwords: Passwords,
        attempts: Attempts,
        names: NameRules,
        bans: Bans,
        access_lifetime: timedelta,
    ) -> None:
        super().__init__(sessions)
        self._database = database
        self._tokens = tokens
        self._passwords = passwords
        self._attempts = attempts
        self._names = names
        self._bans = bans
        self._expires_in = int(access_lifetime.total_seconds())

    # --- logging in ---------------------------------------------------------------------------------------------------

    async def register(self, request: Register, device: Device) -> Session:
        """Create an account and log in. Raises Conflict if the address is taken, InvalidPayload for a refused name."""
        await self._names.check(request.username)
        user = await new_user(self._database, self._passwords, request, request.password, Role.USER)
        # Open the session first: if Redis fails, the caller can repeat the request, because the address is still free.
        grant = await self._sessions.open(str(user.id), device.user_agent)
        async with address_taken(), self._database.guard("accounts.register"):
            await user.save(force_create=True)
        return self._session(user, grant)

    async def login(self, request: Login, device: Device) -> Session:
        """Open a session.

        An unknown address and a wrong password get the same answer after the same time.
        """
        found = await find_by_email(self._database, request.email)
        charges = await self._attempts.login(normal(request.email), str(found.id) if found else None, device)
        user = await self._verified(charges, found, request.password)
        if user.suspended:
            raise Forbidden("Account is suspended")
        await self._check_banned(user)
        if await self._passwords.is_outdated(user.password_hash, request.password):
            await self._set_password(user, request.password)
        grant = await self._sessions.open(str(user.id), device.user_agent)
        if not await self._is_current(user, request.password):
            await self._sessions.end(grant.user_id, grant.session_id)
            raise AuthRequired(WRONG)
        return self._session(user, grant)

    async def refresh(self, refresh_token: str) -> Session:
        """Exchange a refresh token for new tokens. Reuse of a refresh token ends its session.

        Only the holder of a valid token gets BANNED. The token stays valid then: the ban may end before it expires.
        """
        user_id, _ = ids(refresh_token)
        user = await find(self._database, user_id)  # before the token is used up: the database may fail
        if user is not None and await self._sessions.holder(refresh_token) is not None:
            await self._check_banned(user)
        grant = await self._sessions.rotate(refresh_token)
        if user is None:
            raise AuthRequired("Invalid token")
        if user.suspended:
            await self._sessions.end_all(grant.user_id)
            raise Forbidden("Account is suspended")
        return self._session(user, grant)

    # --- the caller's account -----------------------------------------------------------------------------------------

    async def me(self, principal: Principal) -> UserView:
        """Return the caller's account. Raises NotFound for a guest, who has none."""
        return view(await self._own(principal))

    async def change_profile(self, principal: Principal, request: ChangeProfile) -> UserView:
        """Change the caller's name, also on their sockets on all nodes. Raises InvalidPayload for a refused name."""
        user = await self._own(principal)
        await self._names.check(request.username, owner=user.id, role=Role(user.role))
        user.username = request.username
        async with self._database.guard("accounts.profile"):
            await user.save(update_fields=["username", "updated_at"])
        await self._sessions.announce_change(principal.user_id)
        return view(user)

    async def change_password(self, principal: Principal, request: ChangePassword) -> None:
        """Set a new password and end every other session.

        Raises Forbidden if the current password is wrong, and InvalidPayload if the new one equals it. After
        Unavailable, repeat the call: it completes the change.
        """
        user = await self._own(principal)
        charges = await self._attempts.change(principal.user_id, principal.session_id)
        try:
            await self._verified(charges, user, request.current_password)
        except AuthRequired:
            # An earlier call may have set the new password and failed before it ended the sessions.
            if not await self._passwords.verify(user.password_hash, request.new_password):
                raise Forbidden("The current password is wrong") from None
        else:
            if prepared(request.new_password) == prepared(request.current_password):
                raise InvalidPayload("The new password must not be the current one")
            if not await self._set_password(user, request.new_password, chosen=True):
                raise Conflict("The password was changed elsewhere")
        await self._sessions.end_all(principal.user_id, keep=principal.session_id)
        if user.must_change_password:
            await self._sessions.announce_change(principal.user_id)  # until now the account had the role USER

    # --- the steps ----------------------------------------------------------------------------------------------------

    async def _verified(self, charges: Sequence[Charge], user: User | None, password: str) -> User:
        right = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not right:
            raise AuthRequired(WRONG)
        await self._attempts.refund(charges)
        return user

    async def _check_banned(self, user: User) -> None:
        if user.role != Role.ADMIN:
            await self._bans.check(str(user.id))

    async def _is_current(self, user: User, password: str) -> bool:
        # A password change or suspension after the verification ended all sessions, but not the one opened since.
        async with self._database.guard("accounts.again"):
            now = await User.get_or_none(id=user.id)
        if now is None or now.suspended:
            return False
        return now.password_hash == user.password_hash or await self._passwords.verify(now.password_hash, password)

    async def _set_password(self, user: User, password: str, *, chosen: bool = False) -> bool:
        """Store the hash of a password; return False if the stored hash has changed since it was read.

        `chosen`: it is a new password of the user, which ends a forced change and a password link.
        """
        fields: dict[str, Any] = {"password_hash": await self._passwords.hash(password)}
        if chosen:
            fields |= {"must_change_password": False, "password_link_hash": None, "password_link_ends_at": None}
        async with self._database.guard("accounts.password"):
            # Replace only the hash that was just verified: a concurrent change must not be undone.
            changed = await User.filter(id=user.id, password_hash=user.password_hash).update(**fields)
        return changed > 0

    async def _own(self, principal: Principal) -> User:
        user = await find(self._database, principal.user_id)
        if user is None:
            raise NotFound("There is no such account")
        return user

    def _session(self, user: User, grant: Grant) -> Session:
        return Session(
            access_token=self._tokens.issue_access(grant.user_id, Role(user.role), grant.session_id, grant.issued_at),
            refresh_token=grant.token,
            expires_in=self._expires_in,
            user=view(user),
        )
