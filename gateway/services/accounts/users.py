"""Finds, creates and shows accounts. Used by the services of accounts and by the command line."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from tortoise.exceptions import IntegrityError

from gateway.errors import Conflict
from gateway.postgres.database import Database
from gateway.protocol.payloads.accounts import CreateUser, Register, UserView
from gateway.security.passwords import Passwords
from gateway.security.principal import Role
from gateway.services.accounts.addresses import normal, spellings
from models.main.user import User

TAKEN = "There is an account with this e-mail address"


async def new_user(
    database: Database, passwords: Passwords, request: Register | CreateUser, password: str, role: Role
) -> User:
    """Return an account that the caller stores within `address_taken`. Raises Conflict if the address is taken."""
    if await find_by_email(database, request.email) is not None:
        raise Conflict(TAKEN)
    password_hash = await passwords.hash(password)
    return User(email=normal(request.email), username=request.username, password_hash=password_hash, role=role.value)


@asynccontextmanager
async def address_taken() -> AsyncIterator[None]:
    """Raise Conflict if another account with this address was stored before the block stores its account."""
    try:
        yield
    except IntegrityError:
        raise Conflict(TAKEN) from None


async def find(database: Database, user_id: str) -> User | None:
    """Return a user by id; None for an unknown or malformed id."""
    try:
        key = UUID(user_id)
    except ValueError:
        return None
    async with database.guard("accounts.find"):
        return await User.get_or_none(id=key)


async def find_by_email(database: Database, email: str) -> User | None:
    """Return the account of an e-mail address in any spelling; None if there is none."""
    forms = spellings(email)
    async with database.guard("accounts.find"):
        found = {user.email: user for user in await User.filter(email__in=forms)}
    return next((found[form] for form in forms if form in found), None)


def view(user: User) -> UserView:
    """Return a user as payload."""
    return UserView(
        id=str(user.id),
        email=user.email,
        username=user.username,
        role=user.role,
        status=user.status,
        must_change_password=user.must_change_password,
        created_at=user.created_at,
    )
