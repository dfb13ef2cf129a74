"""Who is on the other side of a connection or a request. Made by the authenticator alone; used everywhere above."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """What a user may do, from least to most; HOST moderates their own streams."""

    GUEST = "GUEST"
    USER = "USER"
    HOST = "HOST"
    MODERATOR = "MODERATOR"
    ADMIN = "ADMIN"


Roles = frozenset[Role]
EVERYONE: Roles = frozenset(Role)  # guests too
MEMBERS: Roles = EVERYONE - {Role.GUEST}
HOSTS: Roles = frozenset({Role.HOST, Role.ADMIN})
MODERATORS: Roles = frozenset({Role.MODERATOR, Role.ADMIN})
ADMINS: Roles = frozenset({Role.ADMIN})


class Bearer(Protocol):
    """Whoever came in by an access token: its claims, or the principal made of them."""

    @property
    def user_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def token_id(self) -> str: ...
    @property
    def issued_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller: proof that a valid, unrevoked token was seen. `user_id` is a guest's id for guests."""

    user_id: str
    username: str
    role: Role
    session_id: str
    token_id: str
    issued_at: datetime
    expires_at: datetime

    @property
    def authenticated(self) -> bool:
        """False for a guest."""
        return self.role is not Role.GUEST
