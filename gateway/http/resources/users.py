"""`/users`: the caller's account, and all accounts for administrators."""

from functools import partial

from gateway.errors import Code, codes
from gateway.http.routes import CONFLICT, ID, NOT_FOUND, READS, WRITES, Call, Route
from gateway.protocol.payloads.accounts import (
    ChangePassword,
    ChangeProfile,
    ChangeRole,
    CreatedUser,
    CreateUser,
    PasswordLink,
    Suspend,
    UsePasswordLink,
    UserPage,
    UserView,
)
from gateway.protocol.queries import UserQuery
from gateway.security.principal import ADMINS, MEMBERS
from gateway.services.accounts.accounts import Accounts
from gateway.services.accounts.directory import Directory
from gateway.services.accounts.password_links import PasswordLinks


class Users:
    """The routes of accounts."""

    def __init__(self, accounts: Accounts, directory: Directory, links: PasswordLinks) -> None:
        self._accounts = accounts
        self._directory = directory
        self._links = links

    def routes(self) -> list[Route]:
        """Return the routes of this resource."""
        admin = partial(Route, answer=UserView, who=ADMINS)
        return [
            Route(
                "GET",
                "/users/me",
                self.me,
                answer=UserView,
                who=MEMBERS,
                first_password=True,
                limit=READS,
                raises=NOT_FOUND,
            ),
            Route(
                "PATCH",
                "/users/me",
                self.change_profile,
                body=ChangeProfile,
                answer=UserView,
                who=MEMBERS,
                raises=NOT_FOUND,
            ),
            Route(
                "POST",
                "/users/me/password",
                self.change_password,
                body=ChangePassword,
                who=MEMBERS,
                first_password=True,
                raises=NOT_FOUND | CONFLICT,
            ),
            Route("GET", "/users", self.page, query=UserQuery, answer=UserPage, who=ADMINS, limit=READS),
            Route(
                "POST",
                "/users",
                self.create,
                body=CreateUser,
                answer=CreatedUser,
                who=ADMINS,
                limit=WRITES,
                status=201,
                raises=CONFLICT,
            ),
            Route(
                "POST",
                f"/users/{ID}/password-reset",
                self.make_link,
                answer=PasswordLink,
                who=ADMINS,
                limit=WRITES,
                status=201,
            ),
            Route("POST", f"/users/{ID}/logout-all", self.log_out, who=ADMINS, limit=WRITES),
            Route("POST", "/auth/password", self.use_link, body=UsePasswordLink, raises=codes(Code.AUTH_REQUIRED)),
            admin("GET", f"/users/{ID}", self.get, limit=READS),
            admin("PATCH", f"/users/{ID}", self.change_role, body=ChangeRole, limit=WRITES),
            admin("POST", f"/users/{ID}/suspend", self.suspend, body=Suspend, limit=WRITES),
            admin("POST", f"/users/{ID}/unsuspend", self.unsuspend, limit=WRITES),
        ]

    async def me(self, call: Call[None, None]) -> UserView:
        """Return the caller's account."""
        return await self._accounts.me(call.principal)

    async def change_profile(self, call: Call[ChangeProfile, None]) -> UserView:
        """Change the caller's name."""
        return await self._accounts.change_profile(call.principal, call.body)

    async def change_password(self, call: Call[ChangePassword, None]) -> None:
        """Change the caller's password and end all other sessions."""
        await self._accounts.change_password(call.principal, call.body)

    async def page(self, call: Call[None, UserQuery]) -> UserPage:
        """List accounts, newest first."""
        return await self._directory.page(call.principal, call.query)

    async def create(self, call: Call[CreateUser, None]) -> CreatedUser:
        """Create an account, with a first password or with a one-time link."""
        return await self._links.create_user(call.principal, call.body)

    async def make_link(self, call: Call[None, None]) -> PasswordLink:
        """Make a one-time link with which a user sets a password; it is shown only in this answer."""
        return await self._links.make(call.principal, call.path("id"))

    async def use_link(self, call: Call[UsePasswordLink, None]) -> None:
        """Set a password with the token of a one-time link, and end all sessions of the account."""
        await self._links.use(call.body)

    async def log_out(self, call: Call[None, None]) -> None:
        """End all sessions of a user on all nodes."""
        await self._directory.log_out(call.principal, call.path("id"))

    async def get(self, call: Call[None, None]) -> UserView:
        """Return an account."""
        return await self._directory.get(call.principal, call.path("id"))

    async def change_role(self, call: Call[ChangeRole, None]) -> UserView:
        """Change the role of a user."""
        return await self._directory.change_role(call.principal, call.path("id"), call.body)

    async def suspend(self, call: Call[Suspend, None]) -> UserView:
        """Suspend a user: all sessions and sockets end at once."""
        return await self._directory.suspend(call.principal, call.path("id"), call.body)

    async def unsuspend(self, call: Call[None, None]) -> UserView:
        """End the suspension of a user."""
        return await self._directory.unsuspend(call.principal, call.path("id"))
