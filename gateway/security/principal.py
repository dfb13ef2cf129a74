"""The authenticated caller of a request or connection. Made by the authenticator; used by everything above."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Role(StrEnum):
    """The role of a user, from least to most permissions; a HOST moderates their own streams."""

    GUEST = "GUEST"
    USER = "USER"
    HOST = "HOST"
    MODERATOR = "MODERATOR"
    ADMIN = "ADMIN"


Roles = frozenset[Role]
EVERYONE: Roles = frozenset(Role)  # including guests
MEMBERS: Roles = EVERYONE - {Role.GUEST}
HOSTS: Roles = frozenset({Role.HOST, Role.ADMIN})
MODERATORS: Roles = frozenset({Role.MODERATOR, Role.ADMIN})
STAFF: Roles = HOSTS | MODERATORS  # may host streams, and read the data of their own streams
ADMINS: Roles = frozenset({Role.ADMIN})


class Bearer(Protocol):
    """The holder of an access token: its claims, or the principal made from them."""

    @property
    def user_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def issued_at(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller, whose token was valid and not revoked. `user_id` is the guest's id for guests.

    A user who `must_change_password`, because somebody else chose it, has the role USER until then.
    """

    user_id: str
    username: str
    role: Role
    session_id: str
    issued_at: datetime
    expires_at: datetime
    must_change_password: bool = False

    @property
    def authenticated(self) -> bool:
        """Whether the caller has an account; False for a guest."""
        return self.role is not Role.GUEST

    def hosts(self, host_id: object) -> bool:
        """Whether the caller is this host of a stream: a former host, who is a USER now, has no rights in it.

        The database function `chat_standing` has the same rule for the chat.
        """
        return self.role in STAFF and str(host_id) == self.user_id
