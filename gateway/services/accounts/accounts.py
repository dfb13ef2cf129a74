"""People's own accounts: opened, logged in, kept, logged out. Called by the HTTP edge and the authenticator."""

import hashlib
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from tortoise.exceptions import IntegrityError

from gateway.errors import AuthRequired, Conflict, Forbidden, NotFound
from gateway.postgres.database import Database
from gateway.protocol.identity import (
    ChangePassword,
    ChangeProfile,
    Login,
    Register,
    Session,
    UserView,
)
from gateway.security.limits.limits import Limiter
from gateway.security.principal import Principal, Role
from gateway.security.sessions.refresh_tokens import Grant, ids
from gateway.services.accounts.logins import Logins
from gateway.services.accounts.sessions import Sessions
from models.user import User

# Wrong passwords for one account, from wherever: enough for a forgetful owner, hopeless for a guesser. How often one
# address may ask is the HTTP edge's limit.
WRONG_PASSWORDS = 10
WRONG_PASSWORDS_SECONDS = 900.0

WRONG = "E-mail or password is wrong"
TAKEN = "There is an account with this e-mail address"


class Tokens(Protocol):
    """Issues access tokens."""

    def issue_access(self, user_id: str, role: Role, session_id: str, issued_at: float | None = None) -> str: ...


class Passwords(Protocol):
    """Hashes and compares, off the loop."""

    async def hash(self, password: str) -> str: ...
    async def verify(self, password_hash: str | None, password: str) -> bool: ...
    def needs_rehash(self, password_hash: str) -> bool: ...


class Bans(Protocol):
    """Knows who is banned."""

    async def check(self, user_id: str) -> None:
        """Raises GatewayError(BANNED), or Unavailable."""


class Accounts(Logins):
    """Raises AuthRequired, Forbidden (`Account is suspended`), BANNED, RateLimited, Unavailable if a server is away."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        tokens: Tokens,
        passwords: Passwords,
        limiter: Limiter,
        bans: Bans,
        access_lifetime: timedelta,
    ) -> None:
        super().__init__(sessions)
        self._database = database
        self._tokens = tokens
        self._passwords = passwords
        self._limiter = limiter
        self._bans = bans
        self._expires_in = int(access_lifetime.total_seconds())

    # --- in and out ---------------------------------------------------------------------------------------------------

    async def register(self, ask: Register, device: str) -> Session:
        """Open an account and log in. Raises Conflict if the e-mail address has one."""
        email = normal(ask.email)
        async with self._database.guard("accounts.register"):
            if await User.exists(email=email):
                raise Conflict(TAKEN)
        password_hash = await self._passwords.hash(ask.password)
        user = User(email=email, username=ask.username, password_hash=password_hash, role=Role.USER.value)
        # First, so that who is told to try again finds no account in the way; a session of nobody just runs out.
        grant = await self._sessions.open(str(user.id), device)
        try:
            async with self._database.guard("accounts.register"):
                await user.save(force_create=True)
        except IntegrityError:
            raise Conflict(TAKEN) from None
        return self._session(user, grant)

    async def login(self, ask: Login, device: str) -> Session:
        """A new session; `device` is the user agent.

        An unknown address and a wrong password get the same answer after the same time.
        """
        email = normal(ask.email)
        async with self._database.guard("accounts.login"):
            found = await User.get_or_none(email=email)
        user = await self._proven(email, found, ask.password)
        if user.suspended:
            raise Forbidden("Account is suspended")
        await self._check_banned(user)
        if self._passwords.needs_rehash(user.password_hash):
            await self._set_password(user, ask.password)
        grant = await self._sessions.open(str(user.id), device)
        if not await self._still_holds(user, ask.password):
            await self._sessions.end(grant.user_id, grant.session_id)
            raise AuthRequired(WRONG)
        return self._session(user, grant)

    async def refresh(self, refresh_token: str) -> Session:
        """Fresh tokens for a session. The refresh token is spent; one that was spent earlier ends its session."""
        user_id, _ = ids(refresh_token)
        user = await find(self._database, user_id)  # first, so that nothing is spent while the database is away
        if user is not None:
            await self._check_banned(user)  # nor by somebody who may come back when that has ended
        grant = await self._sessions.rotate(refresh_token)
        if user is None:
            raise AuthRequired("Invalid token")
        if user.suspended:
            await self._sessions.end_all(grant.user_id)
            raise Forbidden("Account is suspended")
        return self._session(user, grant)

    # --- who one is ---------------------------------------------------------------------------------------------------

    async def me(self, principal: Principal) -> UserView:
        """The caller's own account. Raises NotFound for a guest, who has none."""
        return view(await self._mine(principal))

    async def change_profile(self, principal: Principal, ask: ChangeProfile) -> UserView:
        """Take another name. It reaches the caller's sockets on every node."""
        user = await self._mine(principal)
        user.username = ask.username
        async with self._database.guard("accounts.profile"):
            await user.save(update_fields=["username", "updated_at"])
        await self._sessions.announce_change(principal.user_id)
        return view(user)

    async def change_password(self, principal: Principal, ask: ChangePassword) -> None:
        """Take another password; every other session ends. Raises Forbidden if the current one is wrong.

        After Unavailable the same call does what is left to do.
        """
        user = await self._mine(principal)
        try:
            await self._proven(user.email, user, ask.current_password)
        except AuthRequired:
            # The new one may have been taken already, by a call that then did not get as far as the sessions.
            if not await self._passwords.verify(user.password_hash, ask.new_password):
                raise Forbidden("The current password is wrong") from None
        else:
            if not await self._set_password(user, ask.new_password):
                raise Conflict("The password was changed elsewhere")
        await self._sessions.end_all(principal.user_id, keep=principal.session_id)

    # --- the steps ----------------------------------------------------------------------------------------------------

    async def _proven(self, email: str, user: User | None, password: str) -> User:
        # Charged before it is known to be wrong, so that no number of guesses at once gets past; given back when right.
        subject = hashlib.sha256(email.encode()).hexdigest()[:32]
        await self._limiter.charge("login", subject, WRONG_PASSWORDS, WRONG_PASSWORDS_SECONDS)
        right = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not right:
            raise AuthRequired(WRONG)
        await self._limiter.refund("login", subject)
        return user

    async def _check_banned(self, user: User) -> None:
        if user.role != Role.ADMIN:
            await self._bans.check(str(user.id))

    async def _still_holds(self, user: User, password: str) -> bool:
        # A new password or a suspension that came after the proof has ended all sessions, but not one opened since.
        async with self._database.guard("accounts.again"):
            now = await User.get_or_none(id=user.id)
        if now is None or now.suspended:
            return False
        return now.password_hash == user.password_hash or await self._passwords.verify(now.password_hash, password)

    async def _set_password(self, user: User, password: str) -> bool:
        password_hash = await self._passwords.hash(password)
        async with self._database.guard("accounts.password"):
            # Only over the hash that was just proven: a change that came between must not be undone.
            changed = await User.filter(id=user.id, password_hash=user.password_hash).update(
                password_hash=password_hash
            )
        return changed > 0

    async def _mine(self, principal: Principal) -> User:
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


async def find(database: Database, user_id: str) -> User | None:
    """A user by id; none, too, for what is no id of a user."""
    try:
        key = UUID(user_id)
    except ValueError:
        return None
    async with database.guard("accounts.find"):
        return await User.get_or_none(id=key)


def normal(email: str) -> str:
    """An e-mail address as it is stored: people do not remember how they wrote it."""
    return email.strip().lower()


def view(user: User) -> UserView:
    """A user as payload."""
    return UserView(
        id=str(user.id),
        email=user.email,
        username=user.username,
        role=user.role,
        status=user.status,
        created_at=user.created_at,
    )
