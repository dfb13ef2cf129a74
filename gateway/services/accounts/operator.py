"""Manages accounts for the operator of an installation, who needs no account. Called by `dorami user`."""

from gateway.errors import NotFound
from gateway.postgres.database import Database
from gateway.protocol.payloads.accounts import Register, UserView
from gateway.security.passwords import Passwords
from gateway.security.principal import Role
from gateway.services.accounts.sessions import Sessions
from gateway.services.accounts.users import address_taken, find, find_by_email, new_user, view
from models.main.user import User, UserStatus


async def has_admin(database: Database) -> bool:
    """Return whether there is an active account with role ADMIN."""
    async with database.guard("operator.admins"):
        return await User.exists(role=Role.ADMIN.value, status=UserStatus.ACTIVE.value)


class Operator:
    """Changes accounts; `name` is an id or an e-mail address. Raises NotFound for an unknown one, and Unavailable.

    A change is stored first and then enforced on all nodes. After Unavailable, repeat the call: it does both again.
    """

    def __init__(self, database: Database, sessions: Sessions, passwords: Passwords) -> None:
        self._database = database
        self._sessions = sessions
        self._passwords = passwords

    async def users(self, role: Role | None = None) -> list[UserView]:
        """Return the accounts, oldest first."""
        found = User.all() if role is None else User.filter(role=role.value)
        async with self._database.guard("operator.users"):
            return [view(user) for user in await found.order_by("created_at", "id")]

    async def create(self, request: Register, role: Role) -> UserView:
        """Create an account. Listed and reserved names are allowed. Raises Conflict if the address is taken."""
        user = await new_user(self._database, self._passwords, request, request.password, role)
        async with address_taken(), self._database.guard("operator.create"):
            await user.save(force_create=True)
        return view(user)

    async def change_role(self, name: str, role: Role) -> UserView:
        """Change the role of an account, with immediate effect on its tokens and sockets."""
        user = await self._account(name)
        user.role = role.value
        await self._store(user, "role", *user.end_password_link())
        await self._sessions.announce_change(str(user.id))
        return view(user)

    async def suspend(self, name: str, reason: str) -> UserView:
        """Suspend an account: its sessions end, its sockets close."""
        user = await self._account(name)
        user.status, user.suspended_reason = UserStatus.SUSPENDED.value, reason
        await self._store(user, "status", "suspended_reason")
        await self._sessions.end_all(str(user.id))
        return view(user)

    async def unsuspend(self, name: str) -> UserView:
        """End a suspension."""
        user = await self._account(name)
        user.status, user.suspended_reason = UserStatus.ACTIVE.value, None
        await self._store(user, "status", "suspended_reason")
        await self._sessions.announce_change(str(user.id))
        return view(user)

    async def set_password(self, name: str, password: str) -> UserView:
        """Set a password and end all sessions."""
        user = await self._account(name)
        user.password_hash, user.must_change_password = await self._passwords.hash(password), False
        await self._store(user, "password_hash", "must_change_password", *user.end_password_link())
        await self._sessions.end_all(str(user.id))
        return view(user)

    async def _account(self, name: str) -> User:
        user = await (find_by_email if "@" in name else find)(self._database, name)
        if user is None:
            raise NotFound(f"There is no account {name}")
        return user

    async def _store(self, user: User, *fields: str) -> None:
        async with self._database.guard("operator.store"):
            await user.save(update_fields=[*fields, "updated_at"])
