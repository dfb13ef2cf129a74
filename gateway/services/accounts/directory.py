"""Lists and changes accounts for administrators. Called by the HTTP edge."""

from typing import Any
from uuid import UUID

from tortoise.expressions import Q

from gateway.errors import Forbidden, NotFound
from gateway.postgres.client import custom_plans
from gateway.postgres.database import Database
from gateway.postgres.search import containing
from gateway.protocol import cursors
from gateway.protocol.payloads.accounts import ChangeRole, Suspend, UserPage, UserView
from gateway.protocol.queries import UserQuery
from gateway.protocol.wire import Moment
from gateway.security.principal import Principal, Role
from gateway.services.accounts.sessions import Sessions
from gateway.services.accounts.users import find, view
from gateway.services.audit.audit_log import AuditLog
from models.main.moderation import ModerationAction
from models.main.user import User, UserStatus

NEWEST_FIRST = ("-created_at", "-id")


class Directory:
    """For ADMINs only, who can neither change their own account here nor suspend another ADMIN.

    A change is stored first and then enforced on all nodes. After Unavailable, repeat the call: it does both again.
    """

    def __init__(self, database: Database, sessions: Sessions, audit_log: AuditLog) -> None:
        self._database = database
        self._sessions = sessions
        self._audit_log = audit_log

    async def page(self, admin: Principal, request: UserQuery) -> UserPage:
        """Return a page of accounts, newest first. Raises Forbidden, and InvalidPayload for an invalid cursor."""
        _check_admin(admin)
        found = User.filter(**request.model_dump(include={"role", "status"}, exclude_none=True))
        if request.cursor is not None:
            moment, last = cursors.decode(request.cursor, tuple[Moment, UUID])
            found = found.filter(Q(created_at__lt=moment) | Q(created_at=moment, id__lt=last))
        async with self._database.guard("directory.page"):
            if request.search is not None:
                users = await containing(self._database, found, request.search, NEWEST_FIRST, request.limit + 1)
            else:
                with custom_plans():  # staff and suspended accounts have indexes of their own
                    users = await found.order_by(*NEWEST_FIRST).limit(request.limit + 1)
        items, cursor = cursors.page(users, request.limit, lambda user: (user.created_at, user.id))
        return UserPage(items=[view(user) for user in items], next_cursor=cursor)

    async def get(self, admin: Principal, user_id: str) -> UserView:
        """Return one account. Raises Forbidden, NotFound."""
        _check_admin(admin)
        return view(await self._account(user_id))

    async def suspend(self, admin: Principal, user_id: str, request: Suspend) -> UserView:
        """Suspend a user: all sessions end, every socket closes, no login works. The newest reason is kept."""
        user = await self._other(admin, user_id)
        if user.role == Role.ADMIN:
            raise Forbidden("An ADMIN cannot be suspended")
        user.status, user.suspended_reason = UserStatus.SUSPENDED.value, request.reason or ""
        await self._store(admin, ModerationAction.SUSPEND, user, "status", "suspended_reason", reason=request.reason)
        await self._sessions.end_all(str(user.id))
        return view(user)

    async def unsuspend(self, admin: Principal, user_id: str) -> UserView:
        """End a suspension; the user must log in again."""
        user = await self._other(admin, user_id)
        user.status, user.suspended_reason = UserStatus.ACTIVE.value, None
        await self._store(admin, ModerationAction.UNSUSPEND, user, "status", "suspended_reason")
        await self._sessions.announce_change(str(user.id))
        return view(user)

    async def change_role(self, admin: Principal, user_id: str, request: ChangeRole) -> UserView:
        """Change the role of a user, with immediate effect on their access tokens and their sockets on all nodes.

        A password link of the account becomes invalid, because an ADMIN must not have one.
        """
        user = await self._other(admin, user_id)
        details, user.role = {"before": user.role, "after": request.role}, request.role
        ended = user.end_password_link()
        await self._store(admin, ModerationAction.CHANGE_ROLE, user, "role", *ended, details=details)
        await self._sessions.announce_change(str(user.id))
        return view(user)

    async def log_out(self, admin: Principal, user_id: str) -> None:
        """End all sessions of a user; their sockets close."""
        user = await self._other(admin, user_id)
        await self._store(admin, ModerationAction.LOGOUT_USER, user)
        await self._sessions.end_all(str(user.id))

    async def _other(self, admin: Principal, user_id: str) -> User:
        _check_admin(admin)
        user = await self._account(user_id)
        if str(user.id) == admin.user_id:  # an id can be written in more than one way
            raise Forbidden("You cannot change your own account here")
        return user

    async def _account(self, user_id: str) -> User:
        user = await find(self._database, user_id)
        if user is None:
            raise NotFound("There is no such account")
        return user

    async def _store(
        self,
        admin: Principal,
        action: ModerationAction,
        user: User,
        *fields: str,
        reason: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        async with self._database.guard("directory.store"), self._database.transaction():
            await user.save(update_fields=[*fields, "updated_at"])
            await self._audit_log.record(action, admin, subject_id=str(user.id), reason=reason, details=details)


def _check_admin(principal: Principal) -> None:
    if principal.role is not Role.ADMIN:
        raise Forbidden
