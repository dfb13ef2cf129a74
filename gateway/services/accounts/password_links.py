"""Accounts that administrators create, and one-time links to set a password. Called by the HTTP edge."""

import secrets
from datetime import timedelta
from typing import Final

from gateway.clocks import now
from gateway.errors import AuthRequired, Forbidden, InvalidPayload, NotFound
from gateway.postgres.database import Database
from gateway.protocol.payloads.accounts import CreatedUser, CreateUser, PasswordLink, UsePasswordLink
from gateway.security.passwords import Passwords
from gateway.security.principal import Principal, Role
from gateway.security.sessions.refresh_tokens import fingerprint
from gateway.services.accounts.sessions import Sessions
from gateway.services.accounts.users import address_taken, find, new_user, view
from gateway.services.audit.audit_log import AuditLog
from models.main.moderation import ModerationAction
from models.main.user import User

LIFETIME: Final = timedelta(days=1)  # of a link
BYTES: Final = 32  # of randomness in a link

FIRST: Final = """
    SELECT password_hash FROM users
    WHERE password_link_hash = $1 AND password_link_ends_at > clock_timestamp() AND must_change_password
"""
USE: Final = """
    UPDATE users SET password_hash = $2, must_change_password = false, updated_at = clock_timestamp()
    WHERE password_link_hash = $1 AND password_link_ends_at > clock_timestamp() RETURNING id::text
"""
USED: Final = "UPDATE users SET password_link_hash = NULL, password_link_ends_at = NULL WHERE password_link_hash = $1"


class PasswordLinks:
    """Makes links that are valid once and for a day. A newer link replaces an older one. Its SHA-256 is stored.

    Raises Unavailable.
    """

    def __init__(self, database: Database, sessions: Sessions, passwords: Passwords, audit_log: AuditLog) -> None:
        self._database = database
        self._sessions = sessions
        self._passwords = passwords
        self._audit_log = audit_log

    async def create_user(self, admin: Principal, request: CreateUser) -> CreatedUser:
        """Create an account with a first password, which must be changed, or with a link. Raises Conflict."""
        password = request.password or secrets.token_urlsafe(BYTES)
        user = await new_user(self._database, self._passwords, request, password, Role(request.role))
        user.must_change_password = request.password is not None
        link = None if request.password is not None else _link(user)
        async with address_taken(), self._database.guard("users.create"), self._database.transaction():
            await user.save(force_create=True)
            await self._audit_log.record(
                ModerationAction.CREATE_USER, admin, subject_id=str(user.id), details={"role": request.role}
            )
        return CreatedUser(user=view(user), link=link)

    async def make(self, admin: Principal, user_id: str) -> PasswordLink:
        """Make a link for an account. Its sessions stay until the link is used. Raises Forbidden for an ADMIN."""
        user = await find(self._database, user_id)
        if user is None:
            raise NotFound("There is no such account")
        if user.role == Role.ADMIN:
            raise Forbidden("The password of an ADMIN is set by `dorami user password`")
        link = _link(user)
        async with self._database.guard("users.link"), self._database.transaction():
            await user.save(update_fields=["password_link_hash", "password_link_ends_at"])
            await self._audit_log.record(ModerationAction.RESET_PASSWORD, admin, subject_id=str(user.id))
        return link

    async def use(self, request: UsePasswordLink) -> None:
        """Set the password of the account of a link, and end its sessions.

        Raises AuthRequired for an invalid link, and InvalidPayload for the same first password again. The link stays
        valid until the sessions have ended. After Unavailable, repeat the call: it completes the change.
        """
        link = fingerprint(request.token)
        async with self._database.guard("users.use_link"):
            first = await self._database.query(FIRST, link)
        for row in first:
            if await self._passwords.verify(row["password_hash"], request.new_password):
                raise InvalidPayload("The new password must not be the current one")
        password_hash = await self._passwords.hash(request.new_password)
        async with self._database.guard("users.use_link"):
            rows = await self._database.query(USE, link, password_hash)
        if not rows:
            raise AuthRequired("This link is no longer valid")
        await self._sessions.end_all(rows[0]["id"])
        async with self._database.guard("users.use_link"):
            await self._database.query(USED, link)


def _link(user: User) -> PasswordLink:
    """Set a new link on an account, which the caller stores, and return it."""
    token, ends_at = secrets.token_urlsafe(BYTES), now() + LIFETIME
    user.password_link_hash, user.password_link_ends_at = fingerprint(token), ends_at
    return PasswordLink(token=token, expires_at=ends_at)
